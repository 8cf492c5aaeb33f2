import { TundraError } from '../base/errors.js';
import { GatheredBytes } from './gathered.js';
import type { DeltaOwner, Kernel } from './kernel.js';
import { type EntryRoom, OldEntries, outOfMemory } from './old-entries.js';
import {
  entrySizeBytes,
  parseSignatureHeader,
  SIGNATURE_HEADER_BYTES,
  type SignatureHeader,
  STRONG_SIZE_BYTES,
} from './signature-format.js';

/** Longer blocks are valid, but not searched for: the search holds a whole one in memory. */
const LONGEST_SEARCHED_BYTES = 16 << 20;
/** The kernel's answer when it has more to say than fits its output. */
const OUTPUT_FULL = 1;
/** Longest blocks for which sums that are known save something: longer ones are hashed one by one. */
const LONGEST_KNOWN_BYTES = 16 << 10;
/** Size of the entries that `update` takes. */
const ENTRY_BYTES = 12;
/** Bytes searched before it is asked again whether sums alone tell what follows. */
const LOOK_AGAIN_BYTES = 16 << 10;

/** Goes up whenever the same files would give other bytes than before: a delta begun by another one cannot be gone on with. */
export const deltaRevision = 2;

/**
 * Makes the delta that turns an old file, known by its signature, into a new one. Call `begin`, `addSignature` with
 * the pieces of the signature, `update` with those of the new file, `finish`; then `begin` may follow for another
 * file.
 *
 * Where the new file's signature is made anyway, with blocks of the same size, its entries may come with the file
 * (`takesEntries`): what did not move is then found by comparing entries, without a second look at the file.
 *
 * How the file and the signature are cut into pieces does not show in the delta, nor do entries.
 *
 * Memory: about 22 bytes per block of the old file, 50 MB at most, given back at `finish` if it is more than 8 MiB. Of a file of
 * more than two million blocks (4 GB in blocks of 2048) the entries go to a file of ours. What has not moved is then found as
 * before; what has, wherever one old block of so many (2 in a file of 8 GB, 16 in one of 50 GB) is in it: from there those
 * behind it are compared one by one, and those before it in up to 64 KiB.
 *
 * A second builder that begins on the same kernel ends the first, whose calls then throw an Error.
 */
export class DeltaBuilder implements DeltaOwner {
  readonly #kernel: Kernel;
  readonly #ready = new GatheredBytes();
  readonly #headerBytes = new Uint8Array(SIGNATURE_HEADER_BYTES);
  readonly #entries: OldEntries;
  #header: SignatureHeader | undefined;
  /** What came of the header. */
  #headerSize = 0;
  #searching = false;
  /** Whether every block of the file so far came with its entry. */
  #blocksKnown = true;

  constructor(kernel: Kernel, room: EntryRoom) {
    this.#kernel = kernel;
    this.#entries = new OldEntries(kernel, room);
  }

  /** Forgets what was under way. */
  begin(): void {
    this.#kernel.release();
    this.#kernel.deltaOwner = this;
    this.#entries.discard();
    this.#header = undefined;
    this.#headerSize = 0;
    this.#searching = false;
    this.#blocksKnown = true;
  }

  /** The next bytes of the old file's signature. Throws TundraError `format` if it is none. */
  addSignature(bytes: Uint8Array): void {
    this.#checkOwner();
    if (this.#searching) throw new Error('addSignature after update');
    let at = 0;
    if (this.#header === undefined) {
      at = Math.min(bytes.length, SIGNATURE_HEADER_BYTES - this.#headerSize);
      this.#headerBytes.set(bytes.subarray(0, at), this.#headerSize);
      this.#headerSize += at;
      if (this.#headerSize < SIGNATURE_HEADER_BYTES) return;
      this.#openDelta(parseSignatureHeader(this.#headerBytes));
    }
    this.#entries.add(bytes.subarray(at));
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

  /** Ends a delta that will not be finished and gives back the memory and the file of a large one. */
  release(): void {
    this.#entries.discard();
    if (this.#kernel.deltaOwner === this) this.#kernel.release();
  }

  /** For the kernel: not to be called by others. */
  fetchEntries(at: number, firstBlock: number, blocks: number): void {
    this.#entries.fetch(at, firstBlock, blocks);
  }

  #openDelta(header: SignatureHeader): void {
    this.#header = header;
    const searched = header.blockSizeBytes <= LONGEST_SEARCHED_BYTES;
    this.#entries.begin(entrySizeBytes(header), searched);
    const opened = this.#kernel.calls.openDelta(
      searched ? header.blockSizeBytes : 1,
      header.strongSizeBytes,
      Number(header.rollingSum === 'rabinkarp'),
      Number(header.strongSum === 'blake2'),
    );
    if (!opened) throw outOfMemory();
  }

  #startSearch(): void {
    this.#checkOwner();
    if (this.#searching) return;
    if (this.#header === undefined) throw new TundraError('format', 'a signature is cut short');
    this.#entries.finish();
    const { blocks, step } = this.#entries;
    if (!this.#kernel.calls.startSearch(blocks, step)) throw outOfMemory();
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
