import { closeSync, openSync } from 'node:fs';
import { archivePlace, onDisk, writeAllSync } from '../base/local-disk.js';
import type { Latin1 } from '../base/path-key.js';

/** Lines gathered in a file, since there may be a million. */
export class LineFile {
  readonly #path: string;
  readonly #fd: number;
  #lines = '';
  #count = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = onDisk(archivePlace, path, () => openSync(path, 'w', 0o600));
  }

  add(line: Latin1): void {
    this.#lines += line;
    this.#count++;
    if (this.#lines.length >= 64 * 1024) this.#flush();
  }

  /** Closes the file and returns the number of lines. */
  finish(): number {
    this.#flush();
    closeSync(this.#fd);
    return this.#count;
  }

  #flush(): void {
    onDisk(archivePlace, this.#path, () => writeAllSync(this.#fd, Buffer.from(this.#lines, 'latin1')));
    this.#lines = '';
  }
}
