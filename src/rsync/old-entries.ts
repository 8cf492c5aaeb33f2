import { TundraError } from '../base/errors.js';
import type { Kernel } from './kernel.js';

/** Blocks that are held, to be found wherever they are now: their entries, and 8 more bytes each of the search for them. */
const mostHeldBlocksDefault = 2 ** 21;
const mostHeldBytes = 24 * 1024 * 1024;
/** The kernel has 32 bits for the number of a block, and adds to it. */
const mostBlocks = 2 ** 31;
/** Entries are passed on in pages of at most this size. */
const pageBytes = 64 * 1024;

/** Room for the entries of a signature that is too long to be held: written once from the start, then read anywhere. */
export interface EntryFile {
  write(bytes: Uint8Array): void;
  /** At most `length` bytes from `position`; valid until the next call. */
  read(position: number, length: number): Uint8Array;
  discard(): void;
}

/** How much of a long signature is held, and where the rest goes. */
export interface EntryRoom {
  makeFile(): EntryFile;
  mostHeldBlocks?: number;
}

/**
 * Passes the entries of an old file's signature on to the kernel. Of a file with very many blocks the kernel gets every second,
 * fourth, ... entry only, and all of them go to a file.
 */
export class OldEntries {
  readonly #kernel: Kernel;
  readonly #room: EntryRoom;
  #mostHeldBlocks = 0;
  #isSearched = true;
  readonly #page = new Uint8Array(pageBytes);
  #entrySize = 1;
  #pageSize = 0;
  #filledBytes = 0;
  #file: EntryFile | undefined;
  /** Blocks passed on. */
  blocks = 0;
  /** Of so many entries the kernel has the first, and how many it has. */
  step = 1;
  #held = 0;

  constructor(kernel: Kernel, room: EntryRoom) {
    this.#kernel = kernel;
    this.#room = room;
  }

  /**
   * Forgets what came before. The kernel has begun a delta.
   * @param isSearched whether the entries are passed on at all
   */
  begin(entrySizeBytes: number, isSearched: boolean): void {
    this.discard();
    const mostByBytes = Math.floor(mostHeldBytes / entrySizeBytes);
    this.#mostHeldBlocks = Math.min(this.#room.mostHeldBlocks ?? mostHeldBlocksDefault, mostByBytes);
    this.#isSearched = isSearched;
    this.#entrySize = entrySizeBytes;
    this.#pageSize = pageBytes - (pageBytes % entrySizeBytes);
    this.#filledBytes = 0;
    this.blocks = 0;
    this.step = 1;
    this.#held = 0;
  }

  /** The next bytes of the entries. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const size = Math.min(bytes.length - at, this.#pageSize - this.#filledBytes);
      this.#page.set(bytes.subarray(at, at + size), this.#filledBytes);
      this.#filledBytes += size;
      at += size;
      if (this.#filledBytes === this.#pageSize) this.#passOn();
    }
  }

  /** Ends the signature. Throws TundraError `format` if that is in the middle of an entry. */
  finish(): void {
    if (this.#filledBytes % this.#entrySize !== 0)
      throw new TundraError('format', 'a signature is cut short');
    this.#passOn();
  }

  /** Puts entries to an address of the kernel's memory. Only where it does not have all of them. */
  fetch(at: number, firstBlock: number, blocks: number): void {
    const file = this.#file as EntryFile;
    this.#kernel.memory.set(file.read(firstBlock * this.#entrySize, blocks * this.#entrySize), at);
  }

  discard(): void {
    this.#file?.discard();
    this.#file = undefined;
  }

  #passOn(): void {
    const { calls } = this.#kernel;
    const most = this.#isSearched ? mostBlocks - this.blocks : 0;
    const blocks = Math.min(this.#filledBytes / this.#entrySize, most);
    const page = this.#page.subarray(0, blocks * this.#entrySize);
    this.#filledBytes = 0;
    if (blocks === 0) return;
    this.#file?.write(page);
    const at = this.#hold(page);
    const firstHeld = (this.step - (this.blocks % this.step)) % this.step;
    this.blocks += blocks;
    if (this.step > 1) this.#held = calls.thinEntries(this.#held, firstHeld, this.step);
    else this.#held += blocks;
    while (this.#held > this.#mostHeldBlocks) {
      if (this.#file === undefined) this.#makeFile(at + page.length);
      this.#held = calls.thinEntries(0, 0, 2);
      this.step *= 2;
    }
  }

  /** Begins with the entries that the kernel has, which are all, and where they end. */
  #makeFile(end: number): void {
    this.#file = this.#room.makeFile();
    for (let at = end - this.#held * this.#entrySize; at < end; at += this.#pageSize) {
      this.#file.write(this.#kernel.memory.subarray(at, Math.min(at + this.#pageSize, end)));
    }
  }

  /** Puts entries behind those that the kernel has, and says where. */
  #hold(page: Uint8Array): number {
    // Addresses past 2 GiB come out of the kernel as negative numbers.
    const at = this.#kernel.calls.growEntries(page.length) >>> 0;
    if (at === 0) throw outOfMemory();
    this.#kernel.memory.set(page, at);
    return at;
  }
}

export function outOfMemory(): TundraError {
  return new TundraError('generic', 'no memory to search a file for its old blocks', {
    advice: 'Raise --max-blocksize, or leave the file out.',
    retry: 'later',
  });
}
