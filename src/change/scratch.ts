import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { TundraError } from '../base/errors.js';
import { onDisk, temporaryPlace } from '../base/local-disk.js';
import { SparseFile } from '../base/sparse-file.js';

const memoryLimitBytes = 4 * 1024 * 1024;

/**
 * Bytes written once from the start and then read anywhere: in memory while small, else in a nameless file, which has holes
 * where a large file mostly has.
 */
export class Scratch {
  readonly #makePath: () => string;
  #memory = Buffer.alloc(0);
  #fd: number | undefined;
  /** Writes the file; undefined once something was read. */
  #file: SparseFile | undefined;
  #path = '';
  #readBuffer = Buffer.alloc(0);
  sizeBytes = 0;
  readonly depth = 0;

  /** @param makePath gives the name of a new file for what does not fit in memory */
  constructor(makePath: () => string) {
    this.#makePath = makePath;
  }

  /** In memory. */
  get heldBytes(): number {
    return this.#memory.length + this.#readBuffer.length;
  }

  write(bytes: Uint8Array): void {
    const end = this.sizeBytes + bytes.length;
    if (this.#fd === undefined && end > memoryLimitBytes) this.#moveToFile();
    if (this.#fd !== undefined) {
      onDisk(temporaryPlace, this.#path, () => this.#writer.write(bytes));
    } else {
      if (end > this.#memory.length) this.#grow(end);
      this.#memory.set(bytes, this.sizeBytes);
    }
    this.sizeBytes = end;
  }

  /** At most `length` bytes from `position`; valid until the next call. */
  read(position: number, length: number): Uint8Array {
    const size = Math.max(0, Math.min(length, this.sizeBytes - position));
    if (this.#fd === undefined) return this.#memory.subarray(position, position + size);
    if (this.#file !== undefined) {
      onDisk(temporaryPlace, this.#path, () => this.#writer.finish());
      this.#file = undefined;
    }
    if (this.#readBuffer.length < size) this.#readBuffer = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const got = readSync(this.#fd, this.#readBuffer, filled, size - filled, position + filled);
      if (got === 0) throw new TundraError('unexpected', 'a temporary file was cut short by another program');
      filled += got;
    }
    return this.#readBuffer.subarray(0, size);
  }

  discard(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#file = undefined;
    this.#memory = Buffer.alloc(0);
    this.sizeBytes = 0;
  }

  get #writer(): SparseFile {
    if (this.#file === undefined) throw new Error('a scratch is written before it is read');
    return this.#file;
  }

  #grow(atLeast: number): void {
    const bigger = Buffer.allocUnsafeSlow(
      Math.min(memoryLimitBytes, Math.max(atLeast, 2 * this.#memory.length, 65536)),
    );
    bigger.set(this.#memory.subarray(0, this.sizeBytes));
    this.#memory = bigger;
  }

  #moveToFile(): void {
    const path = this.#makePath();
    this.#path = path;
    this.#fd = onDisk(temporaryPlace, path, () => {
      const fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return fd;
    });
    this.#file = new SparseFile(this.#fd);
    onDisk(temporaryPlace, path, () => this.#writer.write(this.#memory.subarray(0, this.sizeBytes)));
    this.#memory = Buffer.alloc(0);
  }
}
