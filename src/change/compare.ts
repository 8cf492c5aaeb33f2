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
  | { kind: 'unchanged'; current: Current; known: Known }
  | { kind: 'deleted'; known: Known };

/**
 * Joins the tree on disk with the newest signatures, both in path order. `deleted` entries of the known side count as
 * absent. The root is never deleted.
 */
export class Comparison<Current extends CurrentEntry, Known extends KnownEntry> {
  readonly #currentEntries: Iterator<Current>;
  readonly #knownEntries: KnownEntries<Known>;
  readonly #owners: OwnerIds;
  readonly #sameRecords: (current: Current, known: Known) => boolean;
  readonly #passSame: () => void;
  #current: Current | undefined;
  #known: Known | undefined;
  /** Whether the last change has used up the entry of that side. */
  #takesCurrent = true;
  #takesKnown = true;

  /**
   * @param sameRecords whether the records of two paths are the same whose other attributes are
   * @param passSame passes by what comes next on both sides, as long as it is unchanged, so that it need not be told of
   */
  constructor(
    currentEntries: Iterable<Current>,
    knownEntries: KnownEntries<Known>,
    owners: OwnerIds,
    sameRecords: (current: Current, known: Known) => boolean = () => true,
    passSame: () => void = () => {},
  ) {
    this.#passSame = passSame;
    this.#sameRecords = sameRecords;
    this.#currentEntries = currentEntries[Symbol.iterator]();
    this.#knownEntries = knownEntries;
    this.#owners = owners;
  }

  /**
   * The next path; undefined at the end. A promise only where the known side must read first. A change must be dealt
   * with before the next one is asked for: the known side's data is only there until then.
   */
  next(): Change<Current, Known> | undefined | Promise<Change<Current, Known> | undefined> {
    if (this.#takesCurrent && this.#takesKnown) this.#passSame();
    if (this.#takesCurrent) {
      const { done, value } = this.#currentEntries.next();
      this.#current = done === true ? undefined : value;
      this.#takesCurrent = false;
    }
    if (!this.#takesKnown) return this.#join();
    this.#takesKnown = false;
    const known = this.#nextKnown();
    if (known instanceof Promise) {
      return known.then((entry) => {
        this.#known = entry;
        return this.#join();
      });
    }
    this.#known = known;
    return this.#join();
  }

  #nextKnown(): Known | undefined | Promise<Known | undefined> {
    for (;;) {
      const entry = this.#knownEntries.next();
      if (entry instanceof Promise) {
        return entry.then((read) => (read?.kind === 'deleted' ? this.#nextKnown() : read));
      }
      if (entry?.kind !== 'deleted') return entry;
    }
  }

  #join(): ReturnType<typeof this.next> {
    const current = this.#current;
    const known = this.#known;
    if (known !== undefined && (current === undefined || known.key < current.key)) {
      this.#takesKnown = true;
      return known.key === '' ? this.next() : { kind: 'deleted', known };
    }
    if (current === undefined) return undefined;
    this.#takesCurrent = true;
    if (known === undefined || known.key !== current.key) return { kind: 'new', current };
    this.#takesKnown = true;
    const isSame =
      sameAttributes(current.attributes, known.attributes, this.#owners) && this.#sameRecords(current, known);
    return { kind: isSame ? 'unchanged' : 'changed', current, known };
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
