/** What an array may grow to and still be kept for the next use. */
const KEPT_BYTES = 4 << 20;

/** Bytes gathered in one array that grows and is used again. */
export class GatheredBytes {
  #bytes = new Uint8Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#size = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(1024);
  }

  append(bytes: Uint8Array): void {
    const size = this.#size + bytes.length;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#size);
    this.#size = size;
  }

  /** What was gathered, without a copy: valid until the next `clear`. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}
