import { createHash } from 'node:crypto';
import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import type { PutSource } from '../backend.js';

/**
 * Short pieces keep a slow line from looking silent. They are no shorter than what a connection buffers at most: whoever
 * asks for the next one after its connection has drained has none left that waits there. Only the last may be shorter.
 */
const pieceBytes = 64 * 1024;
/** How many pieces there are before the memory of one is used again. */
const pieceBuffers = 4;

/** An opening of a source, and how far it was read. */
interface Opening {
  pieces: AsyncIterator<Uint8Array>;
  /** What has come and was not asked for yet. */
  rest: Uint8Array;
  at: number;
}

/** Reads stretches of a source. Those that follow one another are read with one opening of it. */
export class SourceCursor {
  /** What the source failed with, if it did. */
  failure: { error: unknown } | undefined;
  readonly #source: PutSource;
  /** Undefined also while a stretch is being read, so that one which is given up takes its opening with it. */
  #opening: Opening | undefined;

  constructor(source: PutSource) {
    this.#source = source;
  }

  /** A stretch, less if the source ends in it. Each piece is valid until three more were asked for. */
  async *read(from: number, sizeBytes: number): ByteStream {
    const end = from + sizeBytes;
    const kept = this.#opening;
    this.#opening = undefined;
    if (kept !== undefined && kept.at > from) await leave(kept);
    const opening = kept !== undefined && kept.at <= from ? kept : this.#open();
    // A buffer of the source's would be filled anew while it waits in the connection.
    const buffers: Uint8Array[] = [];
    try {
      for (let number = 0; opening.at < end; number++) {
        const buffer = buffers[number % pieceBuffers] ?? new Uint8Array(pieceBytes);
        buffers[number % pieceBuffers] = buffer;
        const size = await this.#fill(buffer, opening, from, end);
        if (size > 0) yield buffer.subarray(0, size);
        if (size < pieceBytes && opening.at < end) return;
      }
      this.#opening = opening;
    } finally {
      if (this.#opening !== opening) await leave(opening);
    }
  }

  /** Fills a buffer with what lies between two places of the source; less where one ends. */
  async #fill(buffer: Uint8Array, opening: Opening, from: number, end: number): Promise<number> {
    let size = 0;
    while (size < buffer.length && opening.at < end) {
      if (opening.rest.length === 0) {
        const next = await this.#next(opening);
        if (next === undefined) break;
        opening.rest = next;
      }
      const { rest, at } = opening;
      const skipped = Math.min(rest.length, Math.max(0, from - at));
      const taken = Math.min(rest.length - skipped, end - at - skipped, buffer.length - size);
      buffer.set(rest.subarray(skipped, skipped + taken), size);
      size += taken;
      opening.rest = rest.subarray(skipped + taken);
      opening.at += skipped + taken;
    }
    return size;
  }

  async close(): Promise<void> {
    if (this.#opening !== undefined) await leave(this.#opening);
    this.#opening = undefined;
  }

  #open(): Opening {
    try {
      const pieces = this.#source.open()[Symbol.asyncIterator]();
      return { pieces, rest: new Uint8Array(), at: 0 };
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }

  async #next({ pieces }: Opening): Promise<Uint8Array | undefined> {
    try {
      const next = await pieces.next();
      return next.done ? undefined : next.value;
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

/** Ends an opening. Whether the source ends well is of no interest any more. */
async function leave({ pieces }: Opening): Promise<void> {
  await pieces.return?.().catch(() => {});
}

/** The MD5 of each stretch of `stretchBytes` of a source. One whose size is not what it promises is an error. */
export async function checksumsOf(source: PutSource, stretchBytes: number, name: string): Promise<string[]> {
  const sums: string[] = [];
  let hash = createHash('md5');
  let inStretch = 0;
  let sizeBytes = 0;
  for await (const piece of source.open()) {
    sizeBytes += piece.length;
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(piece.length - at, stretchBytes - inStretch);
      hash.update(piece.subarray(at, at + taken));
      at += taken;
      inStretch += taken;
      if (inStretch < stretchBytes) continue;
      sums.push(hash.digest('hex'));
      hash = createHash('md5');
      inStretch = 0;
    }
  }
  if (inStretch > 0 || sums.length === 0) sums.push(hash.digest('hex'));
  if (sizeBytes === source.sizeBytes) return sums;
  throw new TundraError('backend', `${name} has ${sizeBytes} bytes instead of ${source.sizeBytes}`);
}
