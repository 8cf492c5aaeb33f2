import type { Attributes } from '../base/attributes.js';
import type { PathKey } from '../base/path-key.js';

/** How names in a backup map to ids on this machine. */
export interface OwnerIds {
  userId(name: string): number | undefined;
  groupId(name: string): number | undefined;
}

/** One side of the join: a path on disk. */
export interface CurrentEntry {
  key: PathKey;
  attributes: Attributes;
}

/** The other side: what the newest signature says of a path. */
export interface KnownEntry {
  key: PathKey;
  kind: 'signature' | 'snapshot' | 'deleted';
  attributes: Attributes;
}

/** The known side, streamed; a promise only where it must read first. */
export interface KnownEntries<Known extends KnownEntry> {
  next(): Known | undefined | Promise<Known | undefined>;
}

/** What the join finds for a path. */
export type Change<Current, Known> =
  | { kind: 'new'; current: Current }
  | { kind: 'changed'; current: Current; known: Known }
  | { kind: 'unchanged'; current: Current }
  | { kind: 'deleted'; known: Known };

/**
 * Joins the tree on disk with the newest signatures, both in path order. `deleted` entries of the known side count as
 * absent. The root is never deleted. A change must be dealt with before the next one is asked for: the known side's
 * data is only there until then.
 */
export async function* compare<Current extends CurrentEntry, Known extends KnownEntry>(
  currentEntries: Iterable<Current>,
  knownEntries: KnownEntries<Known>,
  owners: OwnerIds,
): AsyncGenerator<Change<Current, Known>> {
  const advance = async () => {
    let entry = await knownEntries.next();
    while (entry?.kind === 'deleted') entry = await knownEntries.next();
    return entry;
  };
  let known = await advance();
  for (const current of currentEntries) {
    while (known !== undefined && known.key < current.key) {
      if (known.key !== '') yield { kind: 'deleted', known };
      known = await advance();
    }
    if (known === undefined || known.key !== current.key) {
      yield { kind: 'new', current };
      continue;
    }
    if (sameAttributes(current.attributes, known.attributes, owners)) yield { kind: 'unchanged', current };
    else yield { kind: 'changed', current, known };
    known = await advance();
  }
  while (known !== undefined) {
    if (known.key !== '') yield { kind: 'deleted', known };
    known = await advance();
  }
}

/**
 * Whether a path counts as unchanged: for regular files, directories and FIFOs the type, owner, group, permission bits and
 * whole-second mtime; for symbolic links the target; for devices permissions and numbers. Never the size.
 */
export function sameAttributes(current: Attributes, known: Attributes, owners: OwnerIds): boolean {
  if (current.type !== known.type) return false;
  switch (current.type) {
    case 'symlink':
      return current.linkTarget === known.linkTarget;
    case 'char-device':
    case 'block-device':
      return (
        samePermissions(current, known, owners) &&
        current.deviceMajor === known.deviceMajor &&
        current.deviceMinor === known.deviceMinor
      );
    default:
      return samePermissions(current, known, owners) && sameTime(current.mtimeSeconds, known.mtimeSeconds);
  }
}

/** A name that exists on this machine stands for its id here; else the number in the backup counts. */
export function samePermissions(current: Attributes, known: Attributes, owners: OwnerIds): boolean {
  return (
    current.mode === known.mode &&
    current.uid === (owners.userId(known.uname) ?? known.uid) &&
    current.gid === (owners.groupId(known.gname) ?? known.gid)
  );
}

/** The format holds no time before 1970: all of those are alike. */
export function sameTime(a: number, b: number): boolean {
  return a === b || (a <= 0 && b <= 0);
}
