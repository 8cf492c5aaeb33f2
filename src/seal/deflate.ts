import { constants, deflateRaw } from 'node:zlib';
import { giveBuffer, takeBuffer } from '../base/buffer-pool.js';
import type { SealOutput } from './cipher.js';

/** How far back deflate looks: the bytes of the previous chunk that a chunk may refer to. */
const WINDOW_BYTES = 32 * 1024;

/** An empty block with fixed codes and the mark "last": it ends a deflate stream on a byte boundary. */
const LAST_BLOCK = Uint8Array.of(0x03, 0x00);

/** A piece of a stream in a buffer of its own, right behind what came before it there, as far as deflate looks back. */
export interface Chunk {
  /** From `takeBuffer`. */
  buffer: Uint8Array<ArrayBuffer>;
  /** Where the bytes before the chunk begin. */
  windowAt: number;
  chunkAt: number;
  end: number;
}

/**
 * Compresses one chunk of a deflate stream: what comes back are whole blocks, none of them marked last, that end on a
 * byte boundary, so that chunks compressed apart can be put one after the other.
 */
export interface ChunkCompressor {
  /** Takes the buffer over, and has it given back (`giveBuffer`). */
  compress(chunk: Chunk): Promise<Uint8Array>;
  /** Upper bound for the compressed size of a chunk. */
  boundBytes(chunkBytes: number): number;
}

/**
 * Compresses on libuv's thread pool. It has 4 threads unless `UV_THREADPOOL_SIZE` says otherwise, and the disk needs
 * one of them: behind a queue of chunks every write would wait its turn.
 */
export function zlibCompressor(level: number, threads = 3): ChunkCompressor {
  const waiting: (() => void)[] = [];
  let busyThreads = 0;
  return {
    async compress({ buffer, windowAt, chunkAt, end }) {
      if (busyThreads < threads) busyThreads++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await deflateBlocks(buffer.subarray(chunkAt, end), buffer.subarray(windowAt, chunkAt), level);
      } finally {
        giveBuffer(buffer);
        const next = waiting.shift();
        if (next) next();
        else busyThreads--;
      }
    },
    // Stored blocks cost 5 bytes per 16 KiB at most; then the empty block of the flush.
    boundBytes: (chunkBytes) => (chunkBytes === 0 ? 0 : chunkBytes + (chunkBytes >> 10) + 64),
  };
}

function deflateBlocks(chunk: Uint8Array, dictionary: Uint8Array, level: number): Promise<Uint8Array> {
  const options = {
    level,
    memLevel: 9,
    finishFlush: constants.Z_SYNC_FLUSH,
    // Room for everything in one call keeps the chunk in one task of the pool.
    chunkSize: chunk.length + 1024,
    ...(dictionary.length > 0 ? { dictionary } : {}),
  };
  return new Promise((resolve, reject) => {
    deflateRaw(chunk, options, (error, compressed) => (error ? reject(error) : resolve(compressed)));
  });
}

export interface ParallelDeflateOptions {
  compressor: ChunkCompressor;
  /** Plaintext bytes that are compressed in one go. */
  chunkBytes?: number | undefined;
  /** Chunks that are compressed, or wait for their turn to go out, at the same time. */
  chunksInFlight?: number | undefined;
}

/**
 * Raw deflate (RFC 1951) of one stream, several chunks at once, written to the output in order. Its memory is bound by
 * `chunksInFlight` and `chunkBytes` whatever the stream's length. After an error from any method only `abort` may be
 * called.
 */
export class ParallelDeflate {
  readonly #output: SealOutput;
  readonly #compressor: ChunkCompressor;
  readonly #chunkBytes: number;
  readonly #chunksInFlight: number;
  /** The window before the chunk, then the chunk: the dictionary needs no copy of its own. */
  #buffer: Uint8Array<ArrayBuffer>;
  #windowBytes = 0;
  #filledBytes = 0;
  /** One promise for each chunk that has not gone out, oldest first. */
  readonly #inFlight: Promise<void>[] = [];
  #inFlightBoundBytes = 0;
  #ended = false;
  #failure: { error: unknown } | undefined;
  /** The next chunk refers to nothing before it. */
  #isFresh = false;
  #compressedBytes = 0;
  /** Where the chunks that refer to nothing before them begin in the output. */
  readonly freshStarts: number[] = [];

  constructor(output: SealOutput, options: ParallelDeflateOptions) {
    this.#output = output;
    this.#compressor = options.compressor;
    this.#chunkBytes = options.chunkBytes ?? 256 * 1024;
    this.#chunksInFlight = options.chunksInFlight ?? 6;
    this.#buffer = this.#takeBuffer();
  }

  /** Upper bound for what will still go to the output, the end included, if so many more bytes are written. */
  bytesPending(moreBytes = 0): number {
    if (this.#ended) return 0;
    const bytes = this.#filledBytes + moreBytes;
    return this.#inFlightBoundBytes + this.#compressor.boundBytes(bytes) + LAST_BLOCK.length;
  }

  /** Copies the bytes. Returns a promise when too much is in flight; until it settles the bytes must not change. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure.error);
    const taken = this.#take(bytes);
    return taken === bytes.length ? undefined : this.#writeRest(bytes.subarray(taken));
  }

  /** Makes sure that so many more bytes come into one chunk. Returns a promise when too much is in flight. */
  makeRoom(sizeBytes: number): Promise<void> | undefined {
    if (this.#chunkBytes - this.#filledBytes >= sizeBytes) return undefined;
    if (this.#inFlight.length >= this.#chunksInFlight)
      return this.#room().then(() => this.makeRoom(sizeBytes));
    this.#submit();
    return undefined;
  }

  /** Takes back the last bytes that were written. They must be in the chunk that is being gathered. */
  takeBack(sizeBytes: number): Uint8Array {
    if (sizeBytes > this.#filledBytes) throw new RangeError('those bytes are gone');
    const end = WINDOW_BYTES + this.#filledBytes;
    this.#filledBytes -= sizeBytes;
    return Uint8Array.from(this.#buffer.subarray(end - sizeBytes, end));
  }

  /** Pushes everything written so far to the output. */
  async flush(): Promise<void> {
    if (this.#filledBytes > 0) {
      await this.#room();
      this.#submit();
    }
    await this.#inFlight.at(-1);
    if (this.#failure) throw this.#failure.error;
  }

  /** What follows refers to nothing before it, so that it can be inflated alone, from `freshStarts` on. */
  async beginFresh(): Promise<void> {
    if (this.#filledBytes > 0) {
      await this.#room();
      this.#submit();
    }
    this.#windowBytes = 0;
    this.#isFresh = true;
  }

  async finish(): Promise<void> {
    await this.flush();
    this.#ended = true;
    await this.#output(LAST_BLOCK.slice());
  }

  /** No output follows once the promise settled. */
  async abort(): Promise<void> {
    this.#failure ??= { error: new Error('aborted') };
    this.#ended = true;
    await Promise.allSettled(this.#inFlight);
  }

  async #writeRest(rest: Uint8Array): Promise<void> {
    for (let left = rest; left.length > 0; ) {
      await this.#room();
      left = left.subarray(this.#take(left));
    }
  }

  /** Waits until one more chunk may be in flight. */
  async #room(): Promise<void> {
    while (this.#inFlight.length >= this.#chunksInFlight) await this.#inFlight[0];
    if (this.#failure) throw this.#failure.error;
  }

  /** Copies what fits without waiting and returns how much that was. */
  #take(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length) {
      if (this.#filledBytes === this.#chunkBytes) {
        if (this.#inFlight.length >= this.#chunksInFlight) break;
        this.#submit();
      }
      const size = Math.min(bytes.length - taken, this.#chunkBytes - this.#filledBytes);
      this.#buffer.set(bytes.subarray(taken, taken + size), WINDOW_BYTES + this.#filledBytes);
      this.#filledBytes += size;
      taken += size;
    }
    return taken;
  }

  #submit(): void {
    const buffer = this.#buffer;
    const end = WINDOW_BYTES + this.#filledBytes;
    const windowAt = WINDOW_BYTES - this.#windowBytes;
    const boundBytes = this.#compressor.boundBytes(this.#filledBytes);

    this.#windowBytes = Math.min(WINDOW_BYTES, this.#windowBytes + this.#filledBytes);
    this.#filledBytes = 0;
    this.#buffer = this.#takeBuffer();
    this.#buffer.set(buffer.subarray(end - this.#windowBytes, end), WINDOW_BYTES - this.#windowBytes);

    const compressed = this.#compressor.compress({ buffer, windowAt, chunkAt: WINDOW_BYTES, end });
    this.#inFlightBoundBytes += boundBytes;
    const sent = this.#send(compressed, this.#inFlight.at(-1), boundBytes, this.#isFresh);
    this.#isFresh = false;
    this.#inFlight.push(sent);
    // Whoever waits sees the rejection; these keep it from counting as unhandled while nobody does.
    compressed.catch(() => {});
    sent.catch(() => {});
  }

  /** Hands a compressed chunk to the output once those before it are out. */
  async #send(
    compressed: Promise<Uint8Array>,
    previous: Promise<void> | undefined,
    boundBytes: number,
    isFresh: boolean,
  ): Promise<void> {
    try {
      await previous;
      const piece = await compressed;
      if (this.#failure) throw this.#failure.error;
      if (isFresh) this.freshStarts.push(this.#compressedBytes);
      this.#compressedBytes += piece.length;
      await this.#output(piece);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    } finally {
      this.#inFlightBoundBytes -= boundBytes;
      this.#inFlight.shift();
    }
  }

  #takeBuffer(): Uint8Array<ArrayBuffer> {
    return takeBuffer(WINDOW_BYTES + this.#chunkBytes);
  }
}
