import { TundraError } from '../base/errors.js';
import { GatheredBytes } from './gathered.js';
import type { Kernel } from './kernel.js';
import {
  entrySizeBytes,
  parseSignatureHeader,
  SIGNATURE_HEADER_BYTES,
  type SignatureHeader,
  STRONG_SIZE_BYTES,
} from './signature-format.js';

/** Longer blocks are valid, but not searched for: the search holds a whole one in memory. */
const LONGEST_SEARCHED_BYTES = 16 << 20;
/** Of a signature with more blocks or bytes than these only the beginning is searched for. */
const MOST_BLOCKS = 2 ** 27;
const MOST_ENTRY_BYTES = 2 ** 31;
/** The kernel's answer when it has more to say than fits its output. */
const OUTPUT_FULL = 1;
/** Longest blocks for which sums that are known save something: longer ones are hashed one by one. */
const LONGEST_KNOWN_BYTES = 16 << 10;
/** Size of the entries that `update` takes. */
const ENTRY_BYTES = 12;
/** Bytes searched before it is asked again whether sums alone tell what follows. */
const LOOK_AGAIN_BYTES = 16 << 10;

/** Goes up whenever the same files would give other bytes than before: a delta begun by another one cannot be gone on with. */
export const deltaRevision = 1;

/**
 * Makes the delta that turns an old file, known by its signature, into a new one. Call `begin`, `addSignature` with
 * the pieces of the signature, `update` with those of the new file, `finish`; then `begin` may follow for another
 * file.
 *
 * Where the new file's signature is made anyway, with blocks of the same size, its entries may come with the file
 * (`takesEntries`): what did not move is then found by comparing entries, without a second look at the file.
 *
 * How the file and the signature are cut into pieces does not show in the delta, nor do entries. Memory: about 22 bytes per block of
 * the old file (54 MB for 5 GB in blocks of 2048), given back at `finish` if it is more than 8 MiB.
 *
 * A second builder that begins on the same kernel ends the first, whose calls then throw an Error.
 */
export class DeltaBuilder {
  readonly #kernel: Kernel;
  readonly #ready = new GatheredBytes();
  readonly #headerBytes = new Uint8Array(SIGNATURE_HEADER_BYTES);
  #header: SignatureHeader | undefined;
  #signatureBytes = 0;
  #searching = false;
  /** Whether every block of the file so far came with its entry. */
  #blocksKnown = true;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Forgets what was under way. */
  begin(): void {
    this.#kernel.release();
    this.#kernel.deltaOwner = this;
    this.#header = undefined;
    this.#signatureBytes = 0;
    this.#searching = false;
    this.#blocksKnown = true;
  }

  /** The next bytes of the old file's signature. Throws TundraError `format` if it is none. */
  addSignature(bytes: Uint8Array): void {
    this.#checkOwner();
    if (this.#searching) throw new Error('addSignature after update');
    let at = 0;
    if (this.#header === undefined) {
      at = Math.min(bytes.length, SIGNATURE_HEADER_BYTES - this.#signatureBytes);
      this.#headerBytes.set(bytes.subarray(0, at), this.#signatureBytes);
      this.#signatureBytes += at;
      if (this.#signatureBytes < SIGNATURE_HEADER_BYTES) return;
      this.#openDelta(parseSignatureHeader(this.#headerBytes));
    }
    if (at < bytes.length) this.#addEntries(bytes.subarray(at));
  }

  /** Whether `update` makes use of the entries of a signature with rollsum, 8 bytes of MD4 and blocks of this size. */
  takesEntries(blockSizeBytes: number): boolean {
    const header = this.#header;
    return (
      header?.blockSizeBytes === blockSizeBytes &&
      blockSizeBytes <= LONGEST_KNOWN_BYTES &&
      header.strongSizeBytes === STRONG_SIZE_BYTES &&
      header.rollingSum === 'rollsum' &&
      header.strongSum === 'md4'
    );
  }

  /**
   * The next bytes of the new file. Returns the bytes of the delta that are ready: valid until the next call. Throws
   * TundraError `format` if the signature is cut short.
   *
   * @param entries the new signature's entries of all blocks that end in the chunk; only where the builder takes them, and
   *   only if they came with all chunks before. The chunk is then whole blocks, but for the last one.
   */
  update(chunk: Uint8Array, entries: Uint8Array = noEntries): Uint8Array {
    this.#startSearch();
    this.#ready.clear();
    if (chunk.length === 0) return this.#ready.view();
    const { blockSizeBytes } = this.#header!;
    const wholeBytes = Math.floor(chunk.length / blockSizeBytes) * ENTRY_BYTES;
    this.#blocksKnown &&= entries.length > 0 && entries.length >= wholeBytes;
    if (this.#blocksKnown) this.#searchKnown(chunk, entries.subarray(0, wholeBytes));
    else this.#searchAll(chunk);
    this.#blocksKnown &&= chunk.length % blockSizeBytes === 0;
    return this.#ready.view();
  }

  /** Ends the new file. Returns the rest of the delta, valid until the next call; throws like `update`. */
  finish(): Uint8Array {
    this.#startSearch();
    this.#ready.clear();
    this.#search(true);
    this.release();
    return this.#ready.view();
  }

  /** Ends a delta that will not be finished and gives back the memory of a large one. */
  release(): void {
    if (this.#kernel.deltaOwner === this) this.#kernel.release();
  }

  #openDelta(header: SignatureHeader): void {
    this.#header = header;
    const searched = header.blockSizeBytes <= LONGEST_SEARCHED_BYTES;
    const opened = this.#kernel.calls.openDelta(
      searched ? header.blockSizeBytes : 1,
      header.strongSizeBytes,
      Number(header.rollingSum === 'rabinkarp'),
      Number(header.strongSum === 'blake2'),
    );
    if (!opened) throw outOfMemory();
  }

  #addEntries(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, Math.max(0, this.#entryRoom()));
    this.#signatureBytes += bytes.length;
    if (kept.length === 0) return;
    // Addresses past 2 GiB come out of the kernel as negative numbers.
    const at = this.#kernel.calls.growEntries(kept.length) >>> 0;
    if (at === 0) throw outOfMemory();
    this.#kernel.memory.set(kept, at);
  }

  /** Bytes of entries that may still be searched for. */
  #entryRoom(): number {
    const header = this.#header!;
    if (header.blockSizeBytes > LONGEST_SEARCHED_BYTES) return 0;
    const entrySize = entrySizeBytes(header);
    const most = Math.min(MOST_BLOCKS, Math.floor(MOST_ENTRY_BYTES / entrySize)) * entrySize;
    return most - (this.#signatureBytes - SIGNATURE_HEADER_BYTES);
  }

  #startSearch(): void {
    this.#checkOwner();
    if (this.#searching) return;
    const entryBytes = this.#signatureBytes - SIGNATURE_HEADER_BYTES;
    if (this.#header === undefined || entryBytes % entrySizeBytes(this.#header) !== 0) {
      throw new TundraError('format', 'a signature is cut short');
    }
    if (!this.#kernel.calls.startSearch()) throw outOfMemory();
    this.#searching = true;
  }

  /** The entries are those of all whole blocks of the chunk, which begins with a block. */
  #searchKnown(chunk: Uint8Array, entries: Uint8Array): void {
    const { calls } = this.#kernel;
    const { blockSizeBytes } = this.#header!;
    let at = 0;
    for (let given = 0; at < chunk.length; ) {
      const room = calls.knownRoom();
      const size = Math.min(room - (room % ENTRY_BYTES), entries.length - given);
      this.#kernel.memory.set(entries.subarray(given, given + size), calls.knownAt());
      calls.knownCame(size);
      given += size;
      const end = given === entries.length ? chunk.length : (given / ENTRY_BYTES) * blockSizeBytes;
      while (at < end) {
        at += calls.passKnown();
        if (at < end) at += this.#searchNext(chunk.subarray(at, Math.min(end, at + LOOK_AGAIN_BYTES)));
      }
    }
  }

  #searchAll(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) at += this.#searchNext(chunk.subarray(at));
  }

  /** Searches the beginning of the bytes, as much as there is room for. Returns how much. */
  #searchNext(bytes: Uint8Array): number {
    const { calls } = this.#kernel;
    const size = Math.min(calls.inputRoom(), bytes.length);
    this.#kernel.memory.set(bytes.subarray(0, size), calls.inputAt());
    calls.inputCame(size);
    this.#search(false);
    return size;
  }

  #search(final: boolean): void {
    const { calls, deltaOutput } = this.#kernel;
    let answer: number;
    do {
      answer = calls.search(Number(final));
      const size = calls.outputSize();
      this.#ready.append(this.#kernel.memory.subarray(deltaOutput, deltaOutput + size));
      calls.clearOutput();
    } while (answer === OUTPUT_FULL);
  }

  #checkOwner(): void {
    if (this.#kernel.deltaOwner !== this)
      throw new Error('the delta was not begun, or another took its kernel');
  }
}

const noEntries = new Uint8Array(0);

function outOfMemory(): TundraError {
  return new TundraError('generic', 'no memory to search a file for its old blocks', {
    advice: 'Raise --max-blocksize, or leave the file out.',
    retry: 'later',
  });
}
