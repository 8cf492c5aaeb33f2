import { ftruncateSync, writeSync } from 'node:fs';

/** What file systems allocate at a time. */
const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);

/** Writes an empty file from its beginning on. Blocks that are all zeros are left out: they are holes, and take no room. */
export class SparseFile {
  readonly #fd: number;
  /** All that came, and how far the file reaches. */
  #sizeBytes = 0;
  #writtenBytes = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The next bytes. */
  write(bytes: Uint8Array): void {
    let from = 0;
    let at = 0;
    // Pieces need not begin or end with a block: what is left out of one reads as zeros in any case.
    while (at < bytes.length) {
      const end = Math.min(at + blockBytes - ((this.#sizeBytes + at) % blockBytes), bytes.length);
      if (isZero(bytes, at, end)) {
        if (from < at) this.#put(bytes, from, at);
        from = end;
      }
      at = end;
    }
    if (from < at) this.#put(bytes, from, at);
    this.#sizeBytes += bytes.length;
  }

  /** Makes a hole at the end count. */
  finish(): void {
    if (this.#writtenBytes < this.#sizeBytes) ftruncateSync(this.#fd, this.#sizeBytes);
  }

  #put(bytes: Uint8Array, from: number, end: number): void {
    for (let at = from; at < end; ) at += writeSync(this.#fd, bytes, at, end - at, this.#sizeBytes + at);
    this.#writtenBytes = this.#sizeBytes + end;
  }
}

function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  // Most blocks show at one of three places that they are not.
  if (bytes[from] !== 0 || bytes[end - 1] !== 0 || bytes[(from + end) >>> 1] !== 0) return false;
  return zeros.compare(bytes, from, end, 0, end - from) === 0;
}
