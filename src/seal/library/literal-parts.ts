import type { ParallelDeflate } from '../deflate.js';
import { encodeLength } from './partial-body.js';

const PART_BYTES = 64 * 1024;
/** For the chunks of deflate: some parts, and the tags before the first of them. */
export const CHUNK_BYTES = 4 * (1 + PART_BYTES) + 16;
/** The first part may not be shorter (RFC 4880, section 4.2.2.4). */
const FIRST_PART_BYTES = 512;
const FULL_PART = Uint8Array.of(0xe0 | Math.log2(PART_BYTES));

/**
 * The body of the literal packet, in parts of a power of two bytes, each after its length, written right into the chunk
 * that deflate is gathering. What is begun counts as a full part; what does not become one is taken back and written
 * anew. The packet's tag is the caller's, before anything else.
 */
export class LiteralParts {
  readonly #deflate: ParallelDeflate;
  /** What came before there was enough for a part. */
  #first: Buffer | undefined = Buffer.alloc(0);
  /** In the part that is begun. */
  #partBytes = 0;

  /** @param deflate with chunks that hold at least a part */
  constructor(deflate: ParallelDeflate) {
    this.#deflate = deflate;
  }

  /** Upper bound for the bytes that `finish` would add to those that deflate has, a `flush` before it included. */
  get bytesPending(): number {
    return (this.#first?.length ?? 0) + 24;
  }

  /** Whether what is written next begins a part. */
  get isAtPart(): boolean {
    return this.#first === undefined && this.#partBytes === 0;
  }

  /** Copies the bytes. Until a promise that it returned settles they must not change. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#first !== undefined) {
      const first = Buffer.concat([this.#first, bytes]);
      if (first.length < FIRST_PART_BYTES) {
        this.#first = first;
        return undefined;
      }
      this.#first = undefined;
      return this.write(first);
    }
    for (let taken = 0; taken < bytes.length; ) {
      const isNew = this.#partBytes === 0;
      const part = bytes.subarray(taken, taken + PART_BYTES - this.#partBytes);
      this.#partBytes = (this.#partBytes + part.length) % PART_BYTES;
      taken += part.length;
      const waiting = isNew ? this.#begin(part) : this.#deflate.write(part);
      if (waiting) return waiting.then(() => this.write(bytes.subarray(taken)));
    }
    return undefined;
  }

  /** Ends the part that is begun. What was too little for a first part stays. */
  async flush(): Promise<void> {
    for (let rest = this.#takeBack(); rest.length > 0; ) {
      const sizeBytes = 2 ** Math.floor(Math.log2(rest.length));
      await this.#deflate.write(Uint8Array.of(0xe0 | Math.log2(sizeBytes)));
      await this.#deflate.write(rest.subarray(0, sizeBytes));
      rest = rest.subarray(sizeBytes);
    }
  }

  async finish(): Promise<void> {
    const rest = this.#first ?? this.#takeBack();
    this.#first = undefined;
    await this.#deflate.write(encodeLength(rest.length));
    await this.#deflate.write(rest);
  }

  #begin(part: Uint8Array): Promise<void> | undefined {
    const waiting = this.#deflate.makeRoom(1 + PART_BYTES);
    if (waiting) return waiting.then(() => this.#begin(part));
    this.#deflate.write(FULL_PART);
    return this.#deflate.write(part);
  }

  #takeBack(): Uint8Array {
    if (this.#partBytes === 0) return new Uint8Array(0);
    const part = this.#deflate.takeBack(1 + this.#partBytes);
    this.#partBytes = 0;
    return part.subarray(1);
  }
}
