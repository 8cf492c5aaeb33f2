import { type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import { columns, entryTypes, readRow } from './entry-rows.js';
import type { Owners } from './owners.js';
import { childPath } from './source-path.js';

/**
 * Entries by columns: to hand many of them from one thread to another costs little this way. Paths and the names of
 * owners are left out, since the other side can tell them.
 */
export interface EntryBatch {
  keys: PathKey[];
  /** A row for each entry; what is behind them says nothing. */
  numbers: Float64Array;
  /** Targets of the symbolic links among them, in order. */
  linkTargets: Latin1[];
}

/** What an entry goes into a batch by: see `TreeWalk`. */
export interface EntryRow {
  key: PathKey;
  rows: Float64Array;
  rowAt: number;
  linkTarget: Latin1;
}

/** Gathers entries until there are enough of them for a batch. */
export class EntryBatchWriter {
  readonly #limit: number;
  #keys: PathKey[] = [];
  #numbers: Float64Array;
  #linkTargets: Latin1[] = [];

  constructor(limit: number) {
    this.#limit = limit;
    this.#numbers = new Float64Array(limit * columns);
  }

  /** To be taken before another entry is added. */
  get isFull(): boolean {
    return this.#keys.length === this.#limit;
  }

  add({ key, rows, rowAt, linkTarget }: EntryRow): void {
    const numbers = this.#numbers;
    const start = this.#keys.push(key) * columns - columns;
    for (let column = 0; column < columns; column++) numbers[start + column] = rows[rowAt + column]!;
    if (entryTypes[rows[rowAt]!] === 'symlink') this.#linkTargets.push(linkTarget);
  }

  /** What has been gathered. The next batch is begun. */
  take(): EntryBatch {
    const batch = { keys: this.#keys, numbers: this.#numbers, linkTargets: this.#linkTargets };
    this.#keys = [];
    this.#numbers = new Float64Array(this.#limit * columns);
    this.#linkTargets = [];
    return batch;
  }
}

/** The entries of a batch that was made for the same root. */
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
