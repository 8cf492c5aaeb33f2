import type { SealOutput, SealWriter } from './cipher.js';

const PIECE_BYTES = 256 * 1024;

/** Neither compresses nor encrypts: gathers what is written into pieces. */
export class PlainWriter implements SealWriter {
  readonly #output: SealOutput;
  #piece = new Uint8Array(PIECE_BYTES);
  #filledBytes = 0;
  bytesOut = 0;

  constructor(output: SealOutput) {
    this.#output = output;
  }

  get bytesPending(): number {
    return this.#filledBytes;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    for (let taken = 0; taken < bytes.length; ) {
      const size = Math.min(bytes.length - taken, PIECE_BYTES - this.#filledBytes);
      this.#piece.set(bytes.subarray(taken, taken + size), this.#filledBytes);
      this.#filledBytes += size;
      taken += size;
      const waiting = this.#filledBytes === PIECE_BYTES ? this.#emit() : undefined;
      if (waiting) return waiting.then(() => this.write(bytes.subarray(taken)));
    }
    return undefined;
  }

  async settle(): Promise<void> {
    if (this.#filledBytes > 0) await this.#emit();
  }

  finish(): Promise<void> {
    return this.settle();
  }

  async abort(): Promise<void> {
    this.#filledBytes = 0;
  }

  #emit(): Promise<void> | undefined {
    const piece = this.#piece.subarray(0, this.#filledBytes);
    this.#piece = new Uint8Array(PIECE_BYTES);
    this.#filledBytes = 0;
    this.bytesOut += piece.length;
    return this.#output(piece) || undefined;
  }
}
