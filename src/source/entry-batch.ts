import type { EntryType } from '../base/attributes.js';
import { type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import type { Owners } from './owners.js';
import { childPath } from './source-path.js';

/**
 * Entries by columns: to hand many of them from one thread to another costs little this way. Paths and the names of
 * owners are left out, since the other side can tell them.
 */
export interface EntryBatch {
  keys: PathKey[];
  /** `columns` numbers for each entry. */
  numbers: Float64Array;
  /** Targets of the symbolic links among them, in order. */
  linkTargets: Latin1[];
}

const types: readonly EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'char-device', 'block-device'];
const columns = 12;

export function packEntries(entries: readonly SourceEntry[]): EntryBatch {
  const numbers = new Float64Array(entries.length * columns);
  const linkTargets: Latin1[] = [];
  const keys = entries.map((entry, index) => {
    const { type, mode, uid, gid, mtimeSeconds, linkTarget, deviceMajor, deviceMinor } = entry.attributes;
    const { sizeBytes, device, inode, linkCount, changeTimeMs } = entry;
    const at = index * columns;
    numbers[at] = types.indexOf(type);
    numbers[at + 1] = mode;
    numbers[at + 2] = uid;
    numbers[at + 3] = gid;
    numbers[at + 4] = mtimeSeconds;
    numbers[at + 5] = deviceMajor;
    numbers[at + 6] = deviceMinor;
    numbers[at + 7] = sizeBytes;
    numbers[at + 8] = device;
    numbers[at + 9] = inode;
    numbers[at + 10] = linkCount;
    numbers[at + 11] = changeTimeMs;
    if (type === 'symlink') linkTargets.push(linkTarget);
    return entry.key;
  });
  return { keys, numbers, linkTargets };
}

/** The inverse of `packEntries`, for the same root. */
export function* unpackEntries(batch: EntryBatch, root: Latin1, owners: Owners): Generator<SourceEntry> {
  const { keys, numbers, linkTargets } = batch;
  let links = 0;
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!;
    const at = index * columns;
    const type = types[numbers[at]!]!;
    const uid = numbers[at + 2]!;
    const gid = numbers[at + 3]!;
    yield {
      key,
      path: key === '' ? root : childPath(root, slashPath(key)),
      attributes: {
        type,
        mode: numbers[at + 1]!,
        uid,
        gid,
        uname: owners.userName(uid),
        gname: owners.groupName(gid),
        mtimeSeconds: numbers[at + 4]!,
        linkTarget: type === 'symlink' ? linkTargets[links++]! : '',
        deviceMajor: numbers[at + 5]!,
        deviceMinor: numbers[at + 6]!,
      },
      sizeBytes: numbers[at + 7]!,
      device: numbers[at + 8]!,
      inode: numbers[at + 9]!,
      linkCount: numbers[at + 10]!,
      changeTimeMs: numbers[at + 11]!,
    };
  }
}
