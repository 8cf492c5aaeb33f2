import { readSync } from 'node:fs';

/** A file being read; an error after the first byte ends it early instead of being thrown. */
export class SourceFile {
  readonly #fd: number;
  size = 0;
  error: unknown;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Fills the buffer; fewer bytes are the end of the file, or of what could be read of it. */
  read(target: Uint8Array): number {
    let filled = 0;
    try {
      while (filled < target.length) {
        const size = readSync(this.#fd, target, filled, target.length - filled, null);
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
