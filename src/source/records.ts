import { lstatSync, statSync } from 'node:fs';
import { errnoOf, messageOf } from '../base/errors.js';
import { diskPath, type Latin1, type PathKey } from '../base/path-key.js';
import { unsupportedCodes, type XattrCalls } from '../base/xattrs.js';
import { type AclNames, aclText } from '../format/acl.js';
import {
  accessAcl,
  accessAclKey,
  defaultAcl,
  defaultAclKey,
  formatRecords,
  hardLinkKey,
  isKeptXattr,
  mostRecordsBytes,
  parseRecords,
  type RecordKinds,
  xattrKey,
  xattrName,
} from '../format/tar/records.js';
import type { SourceEntry } from './entry.js';

export interface RecordReaderOptions extends RecordKinds {
  /** Undefined where there are none: then there are no attributes and ACLs. */
  calls: XattrCalls | undefined;
  owners: AclNames;
  /** Read what symbolic links lead to. */
  followLinks: boolean;
  /** The file system of the source folder. */
  rootDevice: number;
  onWarning(key: PathKey, text: string): void;
}

/** What the signatures say of a path. */
export interface KnownRecords {
  attributes: { records?: Latin1 | undefined };
  /** The path had these records while this was its change time. */
  changeTimeMs: number;
}

/** How far clocks may be off, and the coarsest time stamps. */
const clockMarginMs = 2000;

/** Reads the records of paths. File systems without attributes are asked once. */
export class RecordReader {
  readonly #options: RecordReaderOptions;
  readonly #without = new Set<number>();
  /** When records were read last. */
  #readMs = Date.now();

  constructor(options: RecordReaderOptions) {
    this.#options = options;
  }

  /** The records of an entry, undefined if it has none. What cannot be read is told and left out.
   * @param fd the entry as an open file, which is faster than its path */
  read(entry: SourceEntry, fd?: number): Latin1 | undefined {
    this.#readMs = Date.now();
    const records = this.#attributes(entry, fd ?? entry.path);
    const link = this.#hardLink(entry);
    const ofLink: [string, Latin1][] = link === undefined ? [] : [[hardLinkKey, link]];
    if (records.length + ofLink.length === 0) return undefined;
    const text = formatRecords([...records, ...ofLink]);
    if (text.length <= mostRecordsBytes) return text;
    const { onWarning } = this.#options;
    onWarning(entry.key, `extended attributes are left out: more than ${mostRecordsBytes} bytes`);
    return ofLink.length === 0 ? undefined : formatRecords(ofLink);
  }

  /** Whether an entry has the records that are known of it, as far as they are read. */
  isSame(entry: SourceEntry, known: KnownRecords): boolean {
    const { changeTimeMs, attributes } = known;
    if (changeTimeMs !== 0 && changeTimeMs === entry.changeTimeMs) return true;
    return this.read(entry) === this.ofThese(attributes.records);
  }

  /** The change time to note beside the records that were read last; 0 where they may have changed since and it may not. */
  knownChangeTime(entry: SourceEntry): number {
    const { xattrs, acls, hardLinks, calls } = this.#options;
    const isAll = xattrs && acls && hardLinks && calls !== undefined;
    return isAll && this.#readMs - entry.changeTimeMs > clockMarginMs ? entry.changeTimeMs : 0;
  }

  /** The change time to note in place of the one that is known, where that saves reading the records again; else 0. */
  newChangeTime(entry: SourceEntry, known: KnownRecords): number {
    return known.changeTimeMs === entry.changeTimeMs ? 0 : this.knownChangeTime(entry);
  }

  #attributes(entry: SourceEntry, target: number | Latin1): [string, Latin1][] {
    const { xattrs, acls, calls, followLinks, onWarning } = this.#options;
    if (calls === undefined || !(xattrs || acls) || this.#without.has(entry.device)) return [];
    const records: [string, Latin1][] = [];
    try {
      for (const name of calls.names(target, followLinks)) {
        const isAcl = name === accessAcl || name === defaultAcl;
        if (isAcl ? !acls : !xattrs || !isKeptXattr(name)) continue;
        const value = calls.value(target, name, followLinks);
        if (value !== undefined) records.push(this.#record(name, value));
      }
    } catch (error) {
      const code = errnoOf(error);
      if (unsupportedCodes.has(code)) this.#without.add(entry.device);
      // What is gone by now is told of by who opens it.
      else if (code !== 'ENOENT')
        onWarning(entry.key, `extended attributes cannot be read: ${messageOf(error)}`);
    }
    return records;
  }

  #record(name: Latin1, value: Buffer): [string, Latin1] {
    const text = name === accessAcl || name === defaultAcl ? aclText(value, this.#options.owners) : undefined;
    if (text === undefined) return [xattrKey(name), value.toString('latin1')];
    return [name === accessAcl ? accessAclKey : defaultAclKey, text];
  }

  /** What all names of a file share, `DEVICE:INODE` in hexadecimal digits. The device of the source folder is 0: its number
   *  may be another after a restart. */
  #hardLink(entry: SourceEntry): Latin1 | undefined {
    if (!this.#options.hardLinks || entry.linkCount < 2 || entry.attributes.type === 'directory')
      return undefined;
    const device = entry.device === this.#options.rootDevice ? 0 : entry.device;
    return `${device.toString(16)}:${this.#exactInode(entry).toString(16)}`;
  }

  #exactInode({ inode, path }: SourceEntry): number | bigint {
    if (Number.isSafeInteger(inode)) return inode;
    const stat = this.#options.followLinks ? statSync : lstatSync;
    return stat(diskPath(path), { bigint: true, throwIfNoEntry: false })?.ino ?? inode;
  }

  /** Those of the records that are of a kind that is read. */
  ofThese(records: Latin1 | undefined): Latin1 | undefined {
    const { xattrs, acls, hardLinks, calls } = this.#options;
    const hasCalls = calls !== undefined;
    if (records === undefined || (xattrs && acls && hardLinks && hasCalls)) return records;
    const kept = [...parseRecords(records)].filter(([key]) => {
      if (key === hardLinkKey) return hardLinks;
      return hasCalls && (xattrName(key) === undefined ? acls : xattrs);
    });
    return kept.length === 0 ? undefined : formatRecords(kept);
  }
}
