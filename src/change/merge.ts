import { TundraError } from '../base/errors.js';
import { PathHeap, type Positioned } from '../base/path-heap.js';
import { displayKey, type PathKey } from '../base/path-key.js';

/** The entries of one set, in path order. */
export interface EntryStream<Entry> extends Positioned {
  /** Path of the entry, or the lowest path it can have while `entry` is not known; undefined at the end. */
  readonly key: PathKey | undefined;
  /** 0 for the full set, counting up. */
  readonly age: number;
  readonly entry: Entry | undefined;
  /** Returns a promise where it must be waited for. */
  advance(): Promise<void> | undefined;
}

export type VersionKind = 'snapshot' | 'diff' | 'deleted';

/**
 * Merges the sets of a chain by path. For each path that exists at the end, gives the streams whose entries make it up,
 * oldest first: the newest one that is not a `diff`, then the `diff`s after it. Their data is there until the next path
 * is asked for.
 *
 * A stream that only knows a bound is moved on (which may open a volume) just when the merge gets there. Error: `format`
 * where a stream goes back in order, as by a volume that begins before the path its manifest says.
 */
export class Merge<Stream extends EntryStream<{ kind: VersionKind }>> {
  readonly #waiting = new PathHeap<Stream>();
  /** Those that the last path was taken from. */
  #taken: Stream[] = [];
  #last: PathKey | undefined;

  constructor(streams: readonly Stream[]) {
    for (const stream of streams) this.#waiting.push(stream);
  }

  /** The next path; undefined at the end. Most are there at once: to wait for nothing would take longer than the merge. */
  next(): Stream[] | undefined | Promise<Stream[] | undefined> {
    const waiting = this.#moveOn(this.#taken);
    return waiting === undefined ? this.#take() : waiting.then(() => this.#take());
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Stream[]> {
    for (let next = await this.next(); next !== undefined; next = await this.next()) yield next;
  }

  #take(): Stream[] | undefined | Promise<Stream[] | undefined> {
    for (;;) {
      const key = this.#waiting.peek()?.key;
      if (key === undefined) return undefined;
      const versions: Stream[] = [];
      let settled = true;
      while (this.#waiting.peek()?.key === key) {
        const stream = this.#waiting.pop() as Stream;
        versions.push(stream);
        if (stream.entry === undefined) settled = false;
      }
      if (settled) {
        const needed = this.#needed(key, versions);
        this.#taken = versions;
        if (needed.length > 0) return needed;
      } else {
        this.#taken = versions.filter(({ entry }) => entry === undefined);
        for (const stream of versions) if (stream.entry !== undefined) this.#waiting.push(stream);
      }
      const waiting = this.#moveOn(this.#taken);
      if (waiting !== undefined) return waiting.then(() => this.#take());
    }
  }

  #needed(key: PathKey, versions: Stream[]): Stream[] {
    if (this.#last !== undefined && key <= this.#last) {
      throw new TundraError('format', `${displayKey(key)} comes too late: the volumes are not in path order`);
    }
    this.#last = key;
    return neededVersions(versions);
  }

  /** Moves streams to their next entries or bounds; those that must be waited for side by side. */
  #moveOn(streams: readonly Stream[]): Promise<void> | undefined {
    let waiting: Promise<void>[] | undefined;
    for (const stream of streams) {
      const moving = stream.advance();
      if (moving === undefined) this.#waiting.push(stream);
      else {
        waiting ??= [];
        waiting.push(moving.then(() => this.#waiting.push(stream)));
      }
    }
    this.#taken = [];
    // Where one fails, the others may have to wait long: they are left at it.
    return waiting && Promise.all(waiting).then(() => {});
  }
}

/** From the newest entry that stands by itself on; nothing if the path is gone. A `diff` after a `deleted` stands alone:
 *  whoever reads it finds out that what it builds on is missing. */
function neededVersions<Stream extends EntryStream<{ kind: VersionKind }>>(versions: Stream[]): Stream[] {
  let first = versions.length - 1;
  while (first > 0 && versions[first]?.entry?.kind === 'diff') first--;
  return versions.slice(versions[first]?.entry?.kind === 'deleted' ? first + 1 : first);
}
