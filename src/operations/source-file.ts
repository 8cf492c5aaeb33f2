import { readSync } from 'node:fs';

/** A file being read; an error after the first byte ends it early instead of being thrown. */
export class SourceFile {
  readonly #fd: number;
  /** Bytes read so far. */
  size = 0;
  error: unknown;
  #isElsewhere = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Bytes behind those read so far were read by another thread. */
  passed(sizeBytes: number): void {
    this.size += sizeBytes;
    this.#isElsewhere = true;
  }

  /** Fills the buffer; fewer bytes are the end of the file, or of what could be read of it. */
  read(target: Uint8Array): number {
    let filled = 0;
    try {
      while (filled < target.length) {
        // Not every file that counts as a regular one has positions.
        const position = this.#isElsewhere ? this.size + filled : null;
        const size = readSync(this.#fd, target, filled, target.length - filled, position);
        if (size === 0) break;
        filled += size;
      }
    } catch (error) {
      this.error = error;
      if (this.size + filled === 0) throw error;
    }
    this.size += filled;
    return filled;
  }
}
