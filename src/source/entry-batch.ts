import { type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import { columns, entryTypes, readRow, writeRow } from './entry-rows.js';
import type { Owners } from './owners.js';
import { childPath } from './source-path.js';

/**
 * Entries by columns: to hand many of them from one thread to another costs little this way. Paths and the names of
 * owners are left out, since the other side can tell them.
 */
export interface EntryBatch {
  keys: PathKey[];
  /** A row for each entry. */
  numbers: Float64Array;
  /** Targets of the symbolic links among them, in order. */
  linkTargets: Latin1[];
}

export function packEntries(entries: readonly SourceEntry[]): EntryBatch {
  const numbers = new Float64Array(entries.length * columns);
  const linkTargets: Latin1[] = [];
  const keys = entries.map((entry, index) => {
    writeRow(numbers, index * columns, entry);
    if (entry.attributes.type === 'symlink') linkTargets.push(entry.attributes.linkTarget);
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
    const path = key === '' ? root : childPath(root, slashPath(key));
    const linkTarget = entryTypes[numbers[at]!] === 'symlink' ? linkTargets[links++]! : '';
    yield readRow(numbers, at, { key, path, linkTarget }, owners);
  }
}
