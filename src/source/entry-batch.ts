import type { EntryType } from '../base/attributes.js';
import { KeyBytes } from '../base/key-bytes.js';
import { childKey, type Latin1, type PathKey, rootKey, slashPath } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import { columns, entryTypes, readRow } from './entry-rows.js';
import type { Owners } from './owners.js';
import { childPath } from './source-path.js';

/**
 * Entries in path order, by columns: to hand many of them from one thread to another costs little this way, and many of
 * them need no object on the other side either. Paths and the names of owners are left out, since the other side can tell
 * them. A batch goes on where the one before it ended.
 */
export interface EntryBatch {
  count: number;
  /** A row for each entry; what is behind them says nothing. */
  numbers: Float64Array;
  /** Two numbers for each entry: bytes its key shares with the key before it, and bytes of the rest. */
  keyLengths: Uint32Array;
  /** The rest of each key, one after another. */
  keyRests: Uint8Array;
  /** Targets of the symbolic links among them, in order. */
  linkTargets: Latin1[];
}

/** What an entry goes into a batch by: see `TreeWalk`. */
export interface EntryRow {
  /** The key of the directory it is in, undefined for the root, and its name there. */
  folderKey: PathKey | undefined;
  name: Latin1;
  rows: Float64Array;
  rowAt: number;
  linkTarget: Latin1;
}

const usualRestBytes = 24;
const linkType = entryTypes.indexOf('symlink');

/** Gathers entries until there are enough of them for a batch. */
export class EntryBatchWriter {
  readonly #limit: number;
  #batch: EntryBatch;
  /** In `keyRests`. */
  #at = 0;
  #rests: Buffer;
  /** The entry before. */
  #folderKey: PathKey | undefined;
  #name: Latin1 = '';

  constructor(limit: number) {
    this.#limit = limit;
    this.#rests = Buffer.allocUnsafeSlow(limit * usualRestBytes);
    this.#batch = this.#newBatch();
  }

  /** To be taken before another entry is added. */
  get isFull(): boolean {
    return this.#batch.count === this.#limit;
  }

  add({ folderKey, name, rows, rowAt, linkTarget }: EntryRow): void {
    const batch = this.#batch;
    const { count, numbers } = batch;
    this.#addKey(folderKey, name, 2 * count);
    const start = count * columns;
    for (let column = 0; column < columns; column++) numbers[start + column] = rows[rowAt + column]!;
    if (rows[rowAt] === linkType) batch.linkTargets.push(linkTarget);
    batch.count = count + 1;
  }

  /** What has been gathered. The next batch is begun. */
  take(): EntryBatch {
    const batch = this.#batch;
    batch.keyRests = this.#rests;
    this.#rests = Buffer.allocUnsafeSlow(this.#limit * usualRestBytes);
    this.#at = 0;
    this.#batch = this.#newBatch();
    return batch;
  }

  #newBatch(): EntryBatch {
    return {
      count: 0,
      numbers: new Float64Array(this.#limit * columns),
      keyLengths: new Uint32Array(2 * this.#limit),
      keyRests: this.#rests,
      linkTargets: [],
    };
  }

  #addKey(folderKey: PathKey | undefined, name: Latin1, at: number): void {
    const { keyLengths } = this.#batch;
    if (folderKey !== undefined && folderKey === this.#folderKey) {
      const common = sharedLength(this.#name, name);
      keyLengths[at] = common + (folderKey === rootKey ? 0 : folderKey.length + 1);
      keyLengths[at + 1] = this.#addRest(name, common);
    } else {
      const key = folderKey === undefined ? rootKey : childKey(folderKey, name);
      const shared = sharedLength(this.#keyBefore(), key);
      keyLengths[at] = shared;
      keyLengths[at + 1] = this.#addRest(key, shared);
    }
    this.#folderKey = folderKey;
    this.#name = name;
  }

  /** Adds the bytes of a text from `start` on; returns how many they are. */
  #addRest(text: Latin1, start: number): number {
    const { length } = text;
    const rests = this.#room(length - start);
    let at = this.#at;
    // Mostly a few: faster than a call that writes strings.
    for (let i = start; i < length; i++) rests[at++] = text.charCodeAt(i);
    this.#at = at;
    return length - start;
  }

  #keyBefore(): PathKey {
    return this.#folderKey === undefined ? rootKey : childKey(this.#folderKey, this.#name);
  }

  #room(sizeBytes: number): Buffer {
    if (this.#at + sizeBytes > this.#rests.length) {
      const wider = Buffer.allocUnsafeSlow(2 * (this.#at + sizeBytes));
      this.#rests.copy(wider, 0, 0, this.#at);
      this.#rests = wider;
    }
    return this.#rests;
  }
}

function sharedLength(one: Latin1, other: Latin1): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one.charCodeAt(length) === other.charCodeAt(length)) length++;
  return length;
}

/** Goes through the entries of batches of one root, one after another. */
export class EntryBatchReader {
  /** The entry it stands at: its row, and its key as it is in the batch. */
  rows: Float64Array = new Float64Array(0);
  rowAt = 0;
  keyShared = 0;
  keyRests: Uint8Array = new Uint8Array(0);
  keyRestAt = 0;
  keyRestLength = 0;
  linkTarget: Latin1 = '';

  readonly #root: Latin1;
  readonly #owners: Owners;
  readonly #key = new KeyBytes();
  #batch: EntryBatch | undefined;
  #next = 0;
  #links = 0;

  constructor(root: Latin1, owners: Owners) {
    this.#root = root;
    this.#owners = owners;
  }

  /** Goes on with a batch, where the one before it has been read. */
  begin(batch: EntryBatch): void {
    this.#batch = batch;
    this.#next = 0;
    this.#links = 0;
    this.rows = batch.numbers;
    this.keyRests = batch.keyRests;
    this.keyRestAt = 0;
    this.keyRestLength = 0;
  }

  /** Steps to the next entry; false at the end of the batch. */
  next(): boolean {
    const batch = this.#batch;
    const index = this.#next;
    if (batch === undefined || index >= batch.count) return false;
    this.#next = index + 1;
    this.rowAt = index * columns;
    this.keyRestAt += this.keyRestLength;
    this.keyShared = batch.keyLengths[2 * index]!;
    this.keyRestLength = batch.keyLengths[2 * index + 1]!;
    this.#key.step(this.keyShared, this.keyRests, this.keyRestAt, this.keyRestLength);
    this.linkTarget = this.rows[this.rowAt] === linkType ? batch.linkTargets[this.#links++]! : '';
    return true;
  }

  get type(): EntryType {
    return entryTypes[this.rows[this.rowAt]!]!;
  }

  get mode(): number {
    return this.rows[this.rowAt + 1]!;
  }

  get uid(): number {
    return this.rows[this.rowAt + 2]!;
  }

  get gid(): number {
    return this.rows[this.rowAt + 3]!;
  }

  get mtimeSeconds(): number {
    return this.rows[this.rowAt + 4]!;
  }

  get sizeBytes(): number {
    return this.rows[this.rowAt + 7]!;
  }

  get changeTimeMs(): number {
    return this.rows[this.rowAt + 11]!;
  }

  /** The entry it stands at, as an object. */
  entry(): SourceEntry {
    const key = this.#key.key();
    const path = key === '' ? this.#root : childPath(this.#root, slashPath(key));
    return readRow(this.rows, this.rowAt, { key, path, linkTarget: this.linkTarget }, this.#owners);
  }
}
