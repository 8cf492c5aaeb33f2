import { GatheredBytes } from './gathered.js';
import type { Kernel } from './kernel.js';
import { formatSignatureHeader } from './signature-format.js';

/** Most bytes and most blocks the kernel signs in one call. */
const INPUT_BYTES = 128 << 10;
const MOST_BLOCKS = 5461;
const ENTRY_BYTES = 12;
/** Blocks longer than this are not held whole but digested in pieces of this size, a multiple of 64. */
const PIECE_BYTES = 64 << 10;
const OPEN_BLOCK_BYTES = 32;

/**
 * Makes the signature of a file (rollsum, the first 8 bytes of MD4), byte for byte that of librsync, in memory that
 * does not depend on the file's size if `take` is called from time to time. Many builders may share a kernel. `reset`
 * begins another file and costs next to nothing.
 */
export class SignatureBuilder {
  readonly #kernel: Kernel;
  readonly #ready = new GatheredBytes();
  #blockSizeBytes = 0;
  /** The beginning of a block; of a long block, the piece not yet digested. */
  #held = new Uint8Array(0);
  #heldBytes = 0;
  /** The kernel's state for a long block that has begun, and how much of the block has come. */
  readonly #openBlock = new Uint8Array(OPEN_BLOCK_BYTES);
  #openBytes = 0;

  /** Block sizes are 1 to 2^32 - 1 bytes; others throw RangeError. */
  constructor(kernel: Kernel, blockSizeBytes: number) {
    this.#kernel = kernel;
    this.reset(blockSizeBytes);
  }

  /** Forgets the file and begins another. */
  reset(blockSizeBytes: number): void {
    if (!Number.isInteger(blockSizeBytes) || blockSizeBytes < 1 || blockSizeBytes > 0xffffffff) {
      throw new RangeError(`a block of ${blockSizeBytes} bytes`);
    }
    this.#blockSizeBytes = blockSizeBytes;
    const held = Math.min(blockSizeBytes, PIECE_BYTES);
    if (this.#held.length < held) this.#held = new Uint8Array(held);
    this.#heldBytes = 0;
    this.#openBytes = 0;
    this.#ready.clear();
    this.#ready.append(formatSignatureHeader(blockSizeBytes));
  }

  /** The file's next bytes, any number. Returns the entries of the blocks that end in them, valid until the next call. */
  update(chunk: Uint8Array): Uint8Array {
    const before = this.#ready.size;
    if (this.#blockSizeBytes > PIECE_BYTES) this.#updateLong(chunk);
    else this.#updateShort(chunk);
    return this.#ready.view().subarray(before);
  }

  /** Entries of the file's next blocks, made elsewhere. The last one may be that of the file's short last block. */
  addEntries(entries: Uint8Array): void {
    if (this.#heldBytes > 0 || this.#openBytes > 0) throw new Error('entries in the middle of a block');
    this.#ready.append(entries);
  }

  /** A copy of the bytes made since the last call: the signature so far, without what was taken before. */
  take(): Uint8Array {
    const bytes = this.#ready.view().slice();
    this.#ready.clear();
    return bytes;
  }

  /** Ends the file and takes the rest: the whole signature if nothing was taken before. */
  finish(): Uint8Array {
    if (this.#blockSizeBytes > PIECE_BYTES) {
      if (this.#openBytes > 0) this.#closeLong();
    } else if (this.#heldBytes > 0) {
      this.#kernel.calls.openBlock();
      this.#close();
    }
    return this.take();
  }

  #updateShort(chunk: Uint8Array): void {
    const { calls, memory, signInput } = this.#kernel;
    const blockSize = this.#blockSizeBytes;
    const mostBytes = Math.min(Math.floor(INPUT_BYTES / blockSize), MOST_BLOCKS) * blockSize;
    let at = 0;
    while (this.#heldBytes + chunk.length - at >= blockSize) {
      memory.set(this.#held.subarray(0, this.#heldBytes), signInput);
      const wanted = Math.min(chunk.length - at, mostBytes - this.#heldBytes);
      const blocks = Math.floor((this.#heldBytes + wanted) / blockSize);
      const used = blocks * blockSize - this.#heldBytes;
      memory.set(chunk.subarray(at, at + used), signInput + this.#heldBytes);
      calls.signBlocks(blockSize, blocks);
      this.#gather(blocks);
      this.#heldBytes = 0;
      at += used;
    }
    this.#held.set(chunk.subarray(at), this.#heldBytes);
    this.#heldBytes += chunk.length - at;
  }

  #updateLong(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const size = Math.min(
        chunk.length - at,
        PIECE_BYTES - this.#heldBytes,
        this.#blockSizeBytes - this.#openBytes,
      );
      this.#held.set(chunk.subarray(at, at + size), this.#heldBytes);
      if (this.#openBytes === 0) this.#openLong();
      this.#heldBytes += size;
      this.#openBytes += size;
      at += size;
      if (this.#openBytes === this.#blockSizeBytes) this.#closeLong();
      else if (this.#heldBytes === PIECE_BYTES) this.#absorbLong();
    }
  }

  #openLong(): void {
    this.#kernel.calls.openBlock();
    this.#saveOpenBlock();
  }

  #absorbLong(): void {
    const { calls, memory, openBlockState, signInput } = this.#kernel;
    memory.set(this.#openBlock, openBlockState);
    memory.set(this.#held.subarray(0, this.#heldBytes), signInput);
    calls.absorbBlock(this.#heldBytes);
    this.#saveOpenBlock();
    this.#heldBytes = 0;
  }

  #closeLong(): void {
    this.#kernel.memory.set(this.#openBlock, this.#kernel.openBlockState);
    this.#close();
    this.#openBytes = 0;
  }

  /** Between two calls another builder may use the kernel's one open block. */
  #saveOpenBlock(): void {
    const { memory, openBlockState } = this.#kernel;
    this.#openBlock.set(memory.subarray(openBlockState, openBlockState + OPEN_BLOCK_BYTES));
  }

  /** Ends the kernel's open block with what is held. */
  #close(): void {
    const { calls, memory, signInput } = this.#kernel;
    memory.set(this.#held.subarray(0, this.#heldBytes), signInput);
    calls.closeBlock(this.#heldBytes);
    this.#gather(1);
    this.#heldBytes = 0;
  }

  #gather(blocks: number): void {
    const { memory, signOutput } = this.#kernel;
    this.#ready.append(memory.subarray(signOutput, signOutput + blocks * ENTRY_BYTES));
  }
}
