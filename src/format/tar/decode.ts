import type { EntryType } from '../../base/attributes.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import { blockBytes, field, nameBytes, ownerNameBytes, prefixBytes, type TarHeader } from './header.js';
import { readNumber } from './numbers.js';
import type { PaxValues } from './pax.js';
import { formatRecords } from './records.js';

const entryTypes: Record<string, EntryType> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '2': 'symlink',
  '3': 'char-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};

const refusedTypes: Record<string, string> = {
  '1': 'hard links',
  D: 'directory dumps',
  M: 'entries split over archives',
  N: 'old long names',
  S: 'sparse files',
  V: 'volume labels',
};

/** What the records before a header say about it. */
export interface Extensions {
  /** GNU `L` and `K`. */
  longName?: Latin1 | undefined;
  longLink?: Latin1 | undefined;
  pax: PaxValues;
  /** The entry's own records of vendors. */
  vendor?: Map<string, Latin1> | undefined;
}

/** Whether the sum of the block's bytes is the one it states; old writers added them as signed. */
export function checksumHolds(bytes: Uint8Array, at: number): boolean {
  const stated = readNumber(bytes, at + field.checksum, 8);
  let inChecksum = 0;
  for (let i = at + field.checksum; i < at + field.type; i++) inChecksum += bytes[i]! - 0x20;
  return stated === byteSum(bytes, at) - inChecksum || stated === signedSum(bytes, at);
}

/** The sum of a block's bytes. Each header of a signature file comes by here: the bytes are added by the word. */
function byteSum(bytes: Uint8Array, at: number): number {
  const offset = bytes.byteOffset + at;
  const words =
    offset % 4 === 0
      ? new Uint32Array(bytes.buffer, offset, blockBytes / 4)
      : new Uint32Array(Uint8Array.from(bytes.subarray(at, at + blockBytes)).buffer);
  // Two sums of 16 bits: 128 times two bytes stay below 65,536.
  let sums = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    sums = (sums + (word & 0xff00ff) + ((word >>> 8) & 0xff00ff)) | 0;
  }
  return (sums >>> 16) + (sums & 0xffff);
}

function signedSum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = at; i < at + blockBytes; i++) {
    const isChecksum = i >= at + field.checksum && i < at + field.type;
    sum += isChecksum ? 0x20 : (bytes[i]! << 24) >> 24;
  }
  return sum;
}

/** Text of a field, up to the first NUL. */
export function readText(bytes: Buffer, at: number, fieldBytes: number): Latin1 {
  let end = at;
  while (end < at + fieldBytes && bytes[end] !== 0) end++;
  return end === at ? '' : bytes.toString('latin1', at, end);
}

/** The size that the header block at `at` states for its data; undefined if it states none that can be. */
export function readSize(bytes: Uint8Array, at: number): number | undefined {
  const size = readNumber(bytes, at + field.size, 12);
  return size === undefined || size < 0 ? undefined : size;
}

/** Owners' names repeat: those of the header before are taken again where the bytes are the same. */
export class OwnerNames {
  #bytes = Buffer.alloc(2 * ownerNameBytes);
  uname: Latin1 = '';
  gname: Latin1 = '';

  /** Reads `uname` and `gname` from the header block at `at`. */
  read(bytes: Buffer, at: number): void {
    const from = at + field.uname;
    const known = this.#bytes;
    for (let i = 0; i < known.length; i++) {
      if (bytes[from + i] === known[i]) continue;
      bytes.copy(known, 0, from, from + known.length);
      this.uname = readText(known, 0, ownerNameBytes);
      this.gname = readText(known, ownerNameBytes, ownerNameBytes);
      return;
    }
  }
}

/** The entry whose header block is at `at`, or what is wrong with it. */
export function decodeHeader(
  bytes: Buffer,
  at: number,
  extensions: Extensions,
  owners: OwnerNames,
): TarHeader | string {
  const { pax } = extensions;
  const name = pax.path ?? extensions.longName ?? readName(bytes, at);
  const flag = String.fromCharCode(bytes[at + field.type]!);
  let type = entryTypes[flag];
  if (type === undefined) {
    const what = refusedTypes[flag] ?? `entries of type ${JSON.stringify(flag)}`;
    return `${what} are not supported: ${displayBytes(name)}`;
  }
  // The first tars had no type for directories.
  if (flag === '\0' && name.endsWith('/')) type = 'directory';

  const size = type === 'file' ? (pax.size ?? readSize(bytes, at)) : 0;
  const mode = readNumber(bytes, at + field.mode, 8);
  const uid = ownerNumber(pax.uid ?? readNumber(bytes, at + field.uid, 8));
  const gid = ownerNumber(pax.gid ?? readNumber(bytes, at + field.gid, 8));
  const mtime = pax.mtime ?? readNumber(bytes, at + field.mtime, 12);
  const device = type === 'char-device' || type === 'block-device';
  const deviceMajor = device ? readNumber(bytes, at + field.deviceMajor, 8) : 0;
  const deviceMinor = device ? readNumber(bytes, at + field.deviceMinor, 8) : 0;
  if (size === undefined || size < 0) return 'the size is wrong';
  if (mode === undefined || uid === undefined || gid === undefined || mtime === undefined) return wrongNumber;
  if (deviceMajor === undefined || deviceMinor === undefined) return wrongNumber;

  owners.read(bytes, at);
  const header: TarHeader = {
    name,
    type,
    mode: mode & 0o7777,
    uid,
    gid,
    uname: pax.uname ?? owners.uname,
    gname: pax.gname ?? owners.gname,
    mtimeSeconds: Math.max(mtime, 0),
    sizeBytes: size,
    linkTarget:
      type === 'symlink'
        ? (pax.linkpath ?? extensions.longLink ?? readText(bytes, at + field.linkTarget, nameBytes))
        : '',
    deviceMajor: deviceMajor >>> 0,
    deviceMinor: deviceMinor >>> 0,
  };
  const { vendor } = extensions;
  if (vendor !== undefined && vendor.size > 0) header.records = formatRecords(vendor);
  return header;
}

const wrongNumber = 'a number is wrong';

/** Owners are 32 bits wide; a negative one is what an unsigned one became in some writer. */
function ownerNumber(value: number | undefined): number | undefined {
  return value === undefined || value > 0xffffffff || value < -0x80000000 ? undefined : value >>> 0;
}

/** The name in the block itself. GNU headers have other things in the place of the prefix. */
function readName(bytes: Buffer, at: number): Latin1 {
  const name = readText(bytes, at, nameBytes);
  const posix = bytes[at + field.magic] === 0x75 && bytes[at + field.magic + 5] === 0;
  if (!posix || bytes[at + field.prefix] === 0) return name;
  return `${readText(bytes, at + field.prefix, prefixBytes)}/${name}`;
}
