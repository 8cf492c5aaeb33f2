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
  advance(): Promise<void>;
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
export async function* merge<Stream extends EntryStream<{ kind: VersionKind }>>(
  streams: readonly Stream[],
): AsyncGenerator<Stream[]> {
  const waiting = new PathHeap<Stream>();
  for (const stream of streams) waiting.push(stream);
  let last: PathKey | undefined;
  for (;;) {
    const key = waiting.peek()?.key;
    if (key === undefined) return;
    const versions: Stream[] = [];
    let settled = true;
    while (waiting.peek()?.key === key) {
      const stream = waiting.pop() as Stream;
      versions.push(stream);
      if (stream.entry === undefined) settled = false;
    }
    if (!settled) {
      for (const stream of versions) {
        if (stream.entry === undefined) await stream.advance();
        waiting.push(stream);
      }
      continue;
    }
    if (last !== undefined && key <= last) {
      throw new TundraError('format', `${displayKey(key)} comes too late: the volumes are not in path order`);
    }
    last = key;
    const needed = neededVersions(versions);
    if (needed.length > 0) yield needed;
    for (const stream of versions) {
      await stream.advance();
      waiting.push(stream);
    }
  }
}

/** From the newest entry that stands by itself on; nothing if the path is gone. A `diff` after a `deleted` stands alone:
 *  whoever reads it finds out that what it builds on is missing. */
function neededVersions<Stream extends EntryStream<{ kind: VersionKind }>>(versions: Stream[]): Stream[] {
  let first = versions.length - 1;
  while (first > 0 && versions[first]?.entry?.kind === 'diff') first--;
  return versions.slice(versions[first]?.entry?.kind === 'deleted' ? first + 1 : first);
}
