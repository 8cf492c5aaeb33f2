import type { Latin1 } from '../../base/path-key.js';
import { parseDecimal, parsePaxTime } from './numbers.js';
import { isVendorKey } from './records.js';

/** What PAX records say about an entry, or, in a global header, about all that follow. */
export interface PaxValues {
  path?: Latin1 | undefined;
  linkpath?: Latin1 | undefined;
  uname?: Latin1 | undefined;
  gname?: Latin1 | undefined;
  size?: number | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
  mtime?: number | undefined;
}

/**
 * Reads records `LENGTH key=value\n` and puts those that matter into `values`; an empty value takes a key back. Values
 * are bytes, whatever `hdrcharset` says: UTF-8 and BINARY are both kept as they are. Vendors' records (`records.ts`) go
 * into `vendor`, if there is one; all others are not kept.
 * Returns what is wrong with the records, or undefined if nothing is.
 */
export function readPaxRecords(
  bytes: Buffer,
  values: PaxValues,
  vendor?: Map<string, Latin1> | undefined,
): string | undefined {
  let at = 0;
  // What follows a NUL is padding that some writers count in.
  while (at < bytes.length && bytes[at] !== 0) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? '' : bytes.toString('latin1', at, space);
    const end = at + (/^[0-9]+$/.test(digits) ? Number(digits) : 0);
    const equals = bytes.indexOf(0x3d, space + 1);
    // Where there is no space, an `=` before the record would be found.
    if (end > bytes.length || equals < at || equals >= end || bytes[end - 1] !== 0x0a)
      return 'a record is broken';
    const key = bytes.toString('latin1', space + 1, equals);
    const value = bytes.toString('latin1', equals + 1, end - 1);
    if (vendor !== undefined && isVendorKey(key)) vendor.set(key, value);
    const problem = putValue(values, key, value);
    if (problem !== undefined) return problem;
    at = end;
  }
  return undefined;
}

function putValue(values: PaxValues, key: string, text: Latin1): string | undefined {
  switch (key) {
    case 'path':
    case 'linkpath':
    case 'uname':
    case 'gname':
      if (text.includes('\0')) return `${key} holds a NUL`;
      values[key] = text === '' ? undefined : text;
      return undefined;
    case 'size':
    case 'uid':
    case 'gid':
    case 'mtime': {
      const value = key === 'mtime' ? parsePaxTime(text) : parseDecimal(text);
      if (value === undefined && text !== '') return `${key} is not a number`;
      values[key] = value;
      return undefined;
    }
    default:
      return key.startsWith('GNU.sparse.') ? 'sparse files are not supported' : undefined;
  }
}
