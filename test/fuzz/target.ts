import type { ByteStream } from '../../src/base/bytes.js';
import type { Mutation } from './mutate.js';
import type { Random } from './random.js';

/** A parser of bytes from outside, and what it takes to try it with mutated ones. */
export interface FuzzTarget {
  /** Inputs to begin with, most of them valid. */
  samples(): Buffer[] | Promise<Buffer[]>;
  /** Words of the format, put in as they are. */
  words?: readonly string[];
  /** Mutations that know the format. */
  mutations?: readonly Mutation[];
  /** Mends a mutated input, such as its checksums, so that what lies behind them is reached. Not always done. */
  mend?(bytes: Buffer, random: Random): Buffer;
  /** Inputs are not longer; 64 KiB unless given. */
  mostBytes?: number;
  /**
   * Parses an input to its end and drops the result. `random` decides what is left open: how it is cut into pieces, which
   * calls are made. It may throw nothing but a TundraError. What it returns tells outcomes apart: inputs with new ones
   * are mutated further.
   */
  run(bytes: Buffer, random: Random): unknown;
  /** Frees what the target holds. */
  close?(): void | Promise<void>;
}

/** The bytes in pieces of random sizes; each piece is spoilt when the next one is asked for. */
export async function* inPieces(bytes: Buffer, random: Random): ByteStream {
  const most = random.pick([1, 7, 512, 4096, 65_536, 1 << 20]);
  // A byte at a time is slow, and shows all there is to see in the first few thousand.
  const least = Math.max(1, bytes.length >> 12);
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(least, 1 + random.below(most));
    const piece = Buffer.from(bytes.subarray(at, at + size));
    at += size;
    yield piece;
    piece.fill(0xaa);
  }
}

/** Reads a stream to its end. */
export async function drain(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0;
  for await (const piece of stream) sizeBytes += piece.length;
  return sizeBytes;
}

/** The order of magnitude, for outcomes: few different numbers. */
export function about(count: number): number {
  return count <= 3 ? count : 2 + Math.ceil(Math.log2(count));
}

/** An input whose first byte says which of several parsers it is for. */
export function tagged(tag: number, text: string | Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag), Buffer.from(text as string)]);
}
