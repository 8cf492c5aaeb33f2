import type { PathKey } from './path-key.js';

/** Keys in order are written as what they share with the key before them, and the rest. This is the key in reading. */
export class KeyBytes {
  #bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  /** How many of the bytes count. */
  length = 0;

  /** Goes on to a key that shares so many bytes with this one, no more than it has; the rest is in `source`. */
  step(sharedBytes: number, source: Uint8Array, start: number, restBytes: number): void {
    const length = sharedBytes + restBytes;
    if (length > this.#bytes.length) {
      const wider = Buffer.allocUnsafeSlow(2 * length);
      this.#bytes.copy(wider, 0, 0, sharedBytes);
      this.#bytes = wider;
    }
    const bytes = this.#bytes;
    for (let i = 0; i < restBytes; i++) bytes[sharedBytes + i] = source[start + i]!;
    this.length = length;
  }

  key(): PathKey {
    return this.length === 0 ? '' : this.#bytes.toString('latin1', 0, this.length);
  }
}
