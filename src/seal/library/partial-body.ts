import { takeBuffer } from '../../base/buffer-pool.js';

/**
 * Writes the body of a new-format packet whose length is not known beforehand (RFC 4880, section 4.2.2.4): parts of a
 * power of two bytes, each after its length, and in the end a part of any length. The byte with the packet's tag is
 * the caller's.
 */
export class PartialBody {
  readonly #emit: (piece: Uint8Array) => void | Promise<void>;
  readonly #partBytes: number;
  /** The byte before the bytes that wait is room for their length. */
  #part: Uint8Array<ArrayBuffer>;
  #filledBytes = 0;
  #started = false;

  /** Every emitted piece is the receiver's. `partBytes` is a power of two, and at least 512. */
  constructor(emit: (piece: Uint8Array) => void | Promise<void>, partBytes: number) {
    this.#emit = emit;
    this.#partBytes = partBytes;
    this.#part = takeBuffer(1 + partBytes);
  }

  /** Upper bound for the bytes that `finish` would emit, a `flush` before it included. */
  get bytesPending(): number {
    return this.#filledBytes + 24;
  }

  /** Copies the bytes. Until a promise that it returned settles they must not change. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    for (let taken = 0; taken < bytes.length; ) {
      const size = Math.min(bytes.length - taken, this.#partBytes - this.#filledBytes);
      this.#part.set(bytes.subarray(taken, taken + size), 1 + this.#filledBytes);
      this.#filledBytes += size;
      taken += size;
      const waiting = this.#filledBytes === this.#partBytes ? this.#emitPart(this.#partBytes) : undefined;
      if (waiting) return waiting.then(() => this.write(bytes.subarray(taken)));
    }
    return undefined;
  }

  /** Emits what waits. Only a beginning of less than 512 bytes stays: the first part may not be shorter. */
  async flush(): Promise<void> {
    if (!this.#started && this.#filledBytes < 512) return;
    while (this.#filledBytes > 0) await this.#emitPart(2 ** Math.floor(Math.log2(this.#filledBytes)));
  }

  async finish(): Promise<void> {
    const body = this.#part.subarray(1, 1 + this.#filledBytes);
    this.#filledBytes = 0;
    await this.#emit(Buffer.concat([encodeLength(body.length), body]));
  }

  #emitPart(sizeBytes: number): Promise<void> | undefined {
    const part = this.#part;
    part[0] = 0xe0 | Math.log2(sizeBytes);
    this.#part = takeBuffer(1 + this.#partBytes);
    this.#part.set(part.subarray(1 + sizeBytes, 1 + this.#filledBytes), 1);
    this.#filledBytes -= sizeBytes;
    this.#started = true;
    return this.#emit(part.subarray(0, 1 + sizeBytes)) || undefined;
  }
}

/** A new-format length of one, two or five bytes. */
export function encodeLength(sizeBytes: number): Uint8Array {
  if (sizeBytes < 192) return Uint8Array.of(sizeBytes);
  if (sizeBytes < 8384) return Uint8Array.of(((sizeBytes - 192) >> 8) + 192, (sizeBytes - 192) & 0xff);
  const bytes = new Uint8Array(5);
  bytes[0] = 255;
  new DataView(bytes.buffer).setUint32(1, sizeBytes);
  return bytes;
}
