import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { TundraError } from '../base/errors.js';
import { Gate } from '../base/gate.js';
import { writeAllSync } from '../base/local-disk.js';

/**
 * A nameless temporary file for what is left of many streams: one after the other puts all of its rest there, and reads it
 * when it is wanted.
 */
export class Stash {
  readonly #makePath: () => string;
  readonly #mostBytes: number;
  readonly #turns = new Gate(1);
  #fd: number | undefined;
  #takesMore = true;
  sizeBytes = 0;

  /**
   * @param makePath names a new file
   * @param mostBytes how large it may become
   */
  constructor(makePath: () => string, mostBytes: number) {
    this.#makePath = makePath;
    this.#mostBytes = mostBytes;
  }

  /** Runs what appends, one such task after the other, so that what each appends lies together. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    return this.#turns.run(task);
  }

  /** Puts bytes to the end; false where there is no more room, here or on the disk. */
  append(bytes: Uint8Array): boolean {
    if (!this.#takesMore || this.sizeBytes + bytes.length > this.#mostBytes) return false;
    try {
      this.#fd ??= this.#open();
      writeAllSync(this.#fd, bytes, this.sizeBytes);
    } catch {
      // Who cannot put something down here keeps it as it is.
      this.#takesMore = false;
      return false;
    }
    this.sizeBytes += bytes.length;
    return true;
  }

  /** Fills `into` with what lies from `position` on. */
  read(position: number, into: Uint8Array): void {
    for (let filled = 0; filled < into.length; ) {
      const size = readSync(this.#fd as number, into, filled, into.length - filled, position + filled);
      if (size === 0)
        throw new TundraError('unexpected', 'a temporary file was cut short by another program');
      filled += size;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#takesMore = false;
  }

  #open(): number {
    const path = this.#makePath();
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return fd;
  }
}
