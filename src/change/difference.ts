import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Attributes, EntryType } from '../base/attributes.js';
import { diskPath, displayBytes, displayKey, type Latin1, type PathKey } from '../base/path-key.js';
import { aclBytes } from '../format/acl.js';
import { accessAclKey, hardLinkKey, parseRecords, xattrName } from '../format/tar/records.js';
import { prettyTime } from '../format/times.js';
import { type OwnerIds, samePermissions, sameTime } from './compare.js';

const typeWords: Record<EntryType, string> = {
  file: 'reg',
  directory: 'dir',
  symlink: 'sym',
  fifo: 'fifo',
  'char-device': 'chr',
  'block-device': 'blk',
};

export const newFile = (key: PathKey): string => difference(`New file ${displayKey(key)}`);
export const missingFile = (key: PathKey): string => difference(`File ${displayKey(key)} is missing`);
export const contentsDiffer = (key: PathKey): string =>
  difference(`Data for file ${displayKey(key)} is different`);

/** How a path on disk differs from the backup, apart from a file's data, in the peer's words; undefined if it does not. */
export function attributesDifference(
  key: PathKey,
  backup: Attributes,
  disk: Attributes,
  owners: OwnerIds,
): string | undefined {
  const name = displayKey(key);
  if (backup.type !== disk.type) {
    return difference(`File ${name} has type ${typeWords[disk.type]}, expected ${typeWords[backup.type]}`);
  }
  if (backup.type === 'symlink') {
    // The peer lets a closing slash pass that the backup lacks.
    if (backup.linkTarget === disk.linkTarget || `${backup.linkTarget}/` === disk.linkTarget)
      return undefined;
    const [found, expected] = [disk, backup].map(({ linkTarget }) => displayBytes(linkTarget));
    return difference(`Symlink ${name} points to ${found}, expected ${expected}`);
  }
  if (!samePermissions(disk, backup, owners)) {
    const expected = permissions({
      ...backup,
      uid: owners.userId(backup.uname) ?? backup.uid,
      gid: owners.groupId(backup.gname) ?? backup.gid,
    });
    return difference(`File ${name} has permissions ${permissions(disk)}, expected ${expected}`);
  }
  if (backup.type === 'char-device' || backup.type === 'block-device') {
    if (backup.deviceMajor === disk.deviceMajor && backup.deviceMinor === disk.deviceMinor) return undefined;
    const [found, expected] = [disk, backup].map((one) => `(${one.deviceMajor}, ${one.deviceMinor})`);
    return difference(`Device file ${name} has numbers ${found}, expected ${expected}`);
  }
  if (!sameTime(backup.mtimeSeconds, disk.mtimeSeconds)) {
    const [found, expected] = [disk, backup].map(({ mtimeSeconds }) => prettyTime(mtimeSeconds));
    return difference(`File ${name} has mtime ${found}, expected ${expected}`);
  }
  return undefined;
}

/**
 * How the extended attributes and ACLs of a path on disk differ from those in the backup; undefined if they do not, and
 * where the backup has none: it may be of a program that keeps none.
 *
 * @param readDisk asked only where there is something to compare
 */
export function recordsDifference(
  key: PathKey,
  backup: Latin1 | undefined,
  readDisk: () => Latin1 | undefined,
  owners: OwnerIds,
): string | undefined {
  if (backup === undefined) return undefined;
  const expected = comparable(backup, owners);
  if (expected.size === 0) return undefined;
  const found = comparable(readDisk() ?? '', owners);
  const differing = [...new Set([...expected.keys(), ...found.keys()])].filter(
    (name) => expected.get(name) !== found.get(name),
  );
  if (differing.length === 0) return undefined;
  const names = differing.sort().map(displayBytes).join(', ');
  return difference(`File ${displayKey(key)} has other attributes than expected: ${names}`);
}

/** Names of attributes and ACLs, with values that are the same where they mean the same here. */
function comparable(records: Latin1, owners: OwnerIds): Map<Latin1, Latin1> {
  const values = new Map<Latin1, Latin1>();
  for (const [key, value] of parseRecords(records)) {
    if (key === hardLinkKey) continue;
    const name = xattrName(key);
    if (name !== undefined) values.set(name, value);
    else values.set(key === accessAclKey ? 'ACL' : 'default ACL', aclBytes(value, owners).toString('latin1'));
  }
  return values;
}

function difference(text: string): string {
  return `Difference found: ${text}`;
}

function permissions({ uid, gid, mode }: Attributes): string {
  return `${uid}:${gid} ${mode.toString(8)}`;
}

/** What was read of a file: nothing of it is needed once it was compared. */
let buffer = Buffer.allocUnsafe(64 * 1024);

/** Compares a file on disk with contents that come piece by piece. */
export class FileComparison {
  readonly #fd: number;
  #same = true;

  constructor(path: Latin1) {
    // Links are followed, as the walk may have done that found a file here.
    this.#fd = openSync(diskPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
  }

  /** Compares the next bytes. */
  write(expected: Uint8Array): void {
    if (!this.#same) return;
    if (buffer.length < expected.length) buffer = Buffer.allocUnsafe(expected.length);
    let filled = 0;
    while (filled < expected.length) {
      const size = readSync(this.#fd, buffer, filled, expected.length - filled, null);
      if (size === 0) break;
      filled += size;
    }
    this.#same = buffer.compare(expected, 0, expected.length, 0, filled) === 0;
  }

  /** Whether all was the same and the file ends here. */
  finish(): boolean {
    return this.#same && readSync(this.#fd, buffer, 0, 1, null) === 0;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
