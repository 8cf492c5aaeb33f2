import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { giveBuffer, takeBuffer } from '../base/buffer-pool.js';
import { TundraError } from '../base/errors.js';
import { onDisk, temporaryPlace } from '../base/local-disk.js';
import { SparseFile } from '../base/sparse-file.js';

const memoryLimitBytes = 4 * 1024 * 1024;
const blockBytes = 256 * 1024;
const noBytes = new Uint8Array(0);

/**
 * Bytes written once from the start and then read anywhere: in memory while small, else in a nameless file, which has holes
 * where a large file mostly has.
 */
export class Scratch {
  readonly #makePath: () => string;
  /** What is in memory: blocks of one size, of which only the last one may have room left. */
  #blocks: Uint8Array<ArrayBuffer>[] = [];
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
    return this.#blocks.length * blockBytes + this.#readBuffer.length;
  }

  write(bytes: Uint8Array): void {
    const end = this.sizeBytes + bytes.length;
    if (this.#fd === undefined && end > memoryLimitBytes) this.#moveToFile();
    if (this.#fd !== undefined) {
      onDisk(temporaryPlace, this.#path, () => this.#writer.write(bytes));
    } else {
      this.#hold(bytes);
    }
    this.sizeBytes = end;
  }

  /** `length` bytes from `position`, fewer where it ends; valid until the next call, `discard` too. */
  read(position: number, length: number): Uint8Array {
    const size = Math.max(0, Math.min(length, this.sizeBytes - position));
    if (size === 0) return noBytes;
    if (this.#fd === undefined) return this.#held(position, size);
    if (this.#file !== undefined) {
      onDisk(temporaryPlace, this.#path, () => this.#writer.finish());
      this.#file = undefined;
    }
    const buffer = this.#bufferOf(size);
    let filled = 0;
    while (filled < size) {
      const got = readSync(this.#fd, buffer, filled, size - filled, position + filled);
      if (got === 0) throw new TundraError('unexpected', 'a temporary file was cut short by another program');
      filled += got;
    }
    return buffer;
  }

  discard(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#file = undefined;
    this.#dropBlocks();
    this.sizeBytes = 0;
  }

  get #writer(): SparseFile {
    if (this.#file === undefined) throw new Error('a scratch is written before it is read');
    return this.#file;
  }

  #bufferOf(sizeBytes: number): Buffer {
    if (this.#readBuffer.length < sizeBytes) this.#readBuffer = Buffer.allocUnsafeSlow(sizeBytes);
    return this.#readBuffer.subarray(0, sizeBytes);
  }

  #held(position: number, sizeBytes: number): Uint8Array {
    const part = this.#heldPart(position, sizeBytes);
    if (part.length === sizeBytes) return part;
    const buffer = this.#bufferOf(sizeBytes);
    for (let filled = 0; filled < sizeBytes; ) {
      const next = this.#heldPart(position + filled, sizeBytes - filled);
      buffer.set(next, filled);
      filled += next.length;
    }
    return buffer;
  }

  /** As much of it as lies in one block. */
  #heldPart(position: number, sizeBytes: number): Uint8Array {
    const inBlock = position % blockBytes;
    const block = this.#blocks[(position - inBlock) / blockBytes] as Uint8Array;
    return block.subarray(inBlock, inBlock + sizeBytes);
  }

  #hold(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const inBlock = (this.sizeBytes + done) % blockBytes;
      if (inBlock === 0) this.#blocks.push(takeBuffer(blockBytes));
      const part = bytes.subarray(done, done + blockBytes - inBlock);
      this.#blocks.at(-1)?.set(part, inBlock);
      done += part.length;
    }
  }

  #dropBlocks(): void {
    for (const block of this.#blocks) giveBuffer(block);
    this.#blocks = [];
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
    onDisk(temporaryPlace, path, () => {
      for (const [index, block] of this.#blocks.entries())
        this.#writer.write(block.subarray(0, this.sizeBytes - index * blockBytes));
    });
    this.#dropBlocks();
  }
}
