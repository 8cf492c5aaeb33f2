import type { Latin1 } from './path-key.js';

/** The kinds of file-system entry the format can hold. Sockets are not among them. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'char-device' | 'block-device';

/** What is kept of an entry beside its path and data. */
export interface Attributes {
  type: EntryType;
  /** Permission bits, set-id and sticky bits: 0 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Owner's name, empty if unknown. */
  uname: Latin1;
  gname: Latin1;
  /** Whole seconds since 1970; may be negative on disk, never in the format. */
  mtimeSeconds: number;
  /** Target of a symbolic link, else empty. */
  linkTarget: Latin1;
  deviceMajor: number;
  deviceMinor: number;
  /** What the file system keeps beyond that (`format/tar/records.ts`); absent where there is nothing. */
  records?: Latin1 | undefined;
}

/** Those of an entry of which nothing is kept, such as that of a path that is gone. */
export const emptyAttributes: Readonly<Attributes> = {
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  uname: '',
  gname: '',
  mtimeSeconds: 0,
  linkTarget: '',
  deviceMajor: 0,
  deviceMinor: 0,
};
