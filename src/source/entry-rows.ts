import type { EntryType } from '../base/attributes.js';
import type { Latin1, PathKey } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import type { Owners } from './owners.js';

/**
 * Entries as rows of numbers, which is how native calls read them and how they go from thread to thread:
 *
 * | column | meaning |
 * |---|---|
 * | 0 | type, as its place in `entryTypes`; -1 where the row says nothing |
 * | 1, 2, 3 | permissions, uid, gid |
 * | 4 | mtime in seconds |
 * | 5, 6 | a device's numbers, major and minor |
 * | 7 | size in bytes |
 * | 8, 9, 10 | number of the file system, inode, count of names |
 * | 11 | change time in milliseconds |
 *
 * Keys and targets of links are kept beside them.
 */
export const columns = 12;

export const entryTypes: readonly EntryType[] = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'char-device',
  'block-device',
];

export function writeRow(rows: Float64Array, at: number, entry: SourceEntry): void {
  const { type, mode, uid, gid, mtimeSeconds, deviceMajor, deviceMinor } = entry.attributes;
  rows[at] = entryTypes.indexOf(type);
  rows[at + 1] = mode;
  rows[at + 2] = uid;
  rows[at + 3] = gid;
  rows[at + 4] = mtimeSeconds;
  rows[at + 5] = deviceMajor;
  rows[at + 6] = deviceMinor;
  rows[at + 7] = entry.sizeBytes;
  rows[at + 8] = entry.device;
  rows[at + 9] = entry.inode;
  rows[at + 10] = entry.linkCount;
  rows[at + 11] = entry.changeTimeMs;
}

/** The inverse of `writeRow`. */
export function readRow(
  rows: Float64Array,
  at: number,
  { key, path, linkTarget }: { key: PathKey; path: Latin1; linkTarget: Latin1 },
  owners: Owners,
): SourceEntry {
  const uid = rows[at + 2]!;
  const gid = rows[at + 3]!;
  return {
    key,
    path,
    attributes: {
      type: entryTypes[rows[at]!]!,
      mode: rows[at + 1]!,
      uid,
      gid,
      uname: owners.userName(uid),
      gname: owners.groupName(gid),
      mtimeSeconds: rows[at + 4]!,
      linkTarget,
      deviceMajor: rows[at + 5]!,
      deviceMinor: rows[at + 6]!,
    },
    sizeBytes: rows[at + 7]!,
    device: rows[at + 8]!,
    inode: rows[at + 9]!,
    linkCount: rows[at + 10]!,
    changeTimeMs: rows[at + 11]!,
  };
}
