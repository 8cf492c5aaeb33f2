import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { checksumHolds, decodeHeader, type Extensions, OwnerNames, readSize, readText } from './decode.js';
import { blockBytes, field, paddedBytes, type TarHeader } from './header.js';
import { type PaxValues, readPaxRecords } from './pax.js';

/** Names, link targets and PAX records before a header may take this much. */
const extensionLimitBytes = 1 << 20;

const noBytes = Buffer.alloc(0);

/**
 * Reads a tar as a stream: v7, ustar, GNU and PAX headers. What one fill of the buffer holds can be read without
 * waiting: `poll`, `pollBody` and `bodyIfBuffered` answer at once, and `'more'` asks for a `fill` before the next try.
 *
 * The end is a block of zeros or the end of the input; what follows the zeros is not looked at. A body that was not
 * read is skipped. Views into the buffer are valid until the next call. Error: `format`, naming `what`.
 */
export class TarReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #what: string;
  readonly #owners = new OwnerNames();
  #global: PaxValues = {};
  #extensions: Extensions = { pax: this.#global };
  #extended = false;
  /** Bytes of PAX records before the next header. */
  #paxBytes = 0;
  /** Bytes from `#start` to `#end` are read and not taken. It is a piece of the source, or `#own`. */
  #buffer: Buffer = noBytes;
  #start = 0;
  #end = 0;
  /** Where bytes are gathered that one piece of the source does not hold together. */
  #own: Buffer = noBytes;
  /** Bytes that came from the source. */
  #fetchedBytes = 0;
  /** Where the entry that `poll` gave begins, with all that extends its header. */
  #entryAt = 0;
  /** The source has no more. */
  #exhausted = false;
  /** The end of the archive was read. */
  #finished = false;
  #bodyLeftBytes = 0;
  #paddingBytes = 0;

  constructor(source: ByteStream, what: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** The next entry; `'more'` if the buffer does not hold it yet; undefined at the end. */
  poll(): TarHeader | 'more' | undefined {
    while (!this.#finished) {
      if (!this.#skipped()) return this.#moreOrTruncated();
      const available = this.#end - this.#start;
      if (available === 0 && this.#exhausted && !this.#extended) {
        this.#finished = true;
        break;
      }
      if (available < blockBytes) return this.#moreOrTruncated();
      if (this.#atZeroBlock()) {
        this.#finished = true;
        break;
      }
      const bytes = this.#buffer;
      const at = this.#start;
      if (!checksumHolds(bytes, at)) this.#fail('a header is damaged or this is not a tar');
      if (!this.#extended) this.#entryAt = this.position;
      const flag = String.fromCharCode(bytes[at + field.type]!);
      if (flag === 'L' || flag === 'K' || flag === 'x' || flag === 'g') {
        if (!this.#readExtension(flag)) return this.#moreOrTruncated();
        continue;
      }
      const header = decodeHeader(bytes, at, this.#extensions, this.#owners);
      if (typeof header === 'string') this.#fail(header);
      this.#start += blockBytes;
      this.#bodyLeftBytes = header.sizeBytes;
      this.#paddingBytes = paddedBytes(header.sizeBytes) - header.sizeBytes;
      if (this.#extended) {
        this.#extensions = { pax: this.#global };
        this.#extended = false;
        this.#paxBytes = 0;
      }
      return header;
    }
    return undefined;
  }

  /** Reads on from the source: at least one piece, if there is one. */
  async fill(): Promise<void> {
    if (this.#exhausted) return;
    const kept = this.#end - this.#start;
    // A piece of the source is good only until the next one is asked for.
    if (kept > 0 && this.#buffer !== this.#own) this.#moveToOwn(kept);
    const { done, value } = await this.#source.next();
    if (done === true) this.#exhausted = true;
    else this.#fetchedBytes += value.length;
    if (done === true) return;
    if (kept > 0) this.#append(value);
    else {
      this.#buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
      this.#start = 0;
      this.#end = value.length;
    }
  }

  /** How far the source was read and taken, in bytes from its start. */
  get position(): number {
    return this.#fetchedBytes - (this.#end - this.#start);
  }

  /** Where the entry that came last begins, in bytes from the start of the source. */
  get entryAt(): number {
    return this.#entryAt;
  }

  /** Passes over all up to a place where an entry begins. It does not lie before `position`. */
  skipTo(position: number): void {
    this.#bodyLeftBytes = 0;
    this.#paddingBytes = position - this.position;
  }

  /** The next entry, waiting for it; undefined at the end. */
  async next(): Promise<TarHeader | undefined> {
    for (;;) {
      const header = this.poll();
      if (header !== 'more') return header;
      await this.fill();
    }
  }

  /** The next part of the entry's body; `'more'` if the buffer holds none of it; undefined at its end. */
  pollBody(): Uint8Array | 'more' | undefined {
    if (this.#bodyLeftBytes === 0) return undefined;
    const size = Math.min(this.#bodyLeftBytes, this.#end - this.#start);
    return size === 0 ? this.#moreOrTruncated() : this.#takeBody(size);
  }

  /** What is left of the entry's body, if the buffer holds all of it; else undefined, and nothing is taken. */
  bodyIfBuffered(): Uint8Array | undefined {
    return this.#bodyLeftBytes > this.#end - this.#start ? undefined : this.#takeBody(this.#bodyLeftBytes);
  }

  /** A copy of what is left of the entry's body; an error if that is more than `limitBytes`. */
  async readBody(limitBytes: number): Promise<Uint8Array> {
    const size = this.#bodyLeftBytes;
    if (size > limitBytes)
      this.#fail(`an entry has ${size} bytes, more than the ${limitBytes} that are allowed`);
    const pieces: Uint8Array[] = [];
    // The size is only what the archive says: memory follows the bytes that really come.
    for (let piece = this.pollBody(); piece !== undefined; piece = this.pollBody()) {
      if (piece === 'more') await this.fill();
      else pieces.push(Buffer.from(piece));
    }
    return Buffer.concat(pieces, size);
  }

  /** Reads the source to its end, throwing away what follows the archive, so that what checks the stream can end. */
  async drain(): Promise<void> {
    this.#finished = true;
    while (!this.#exhausted) {
      this.#start = this.#end;
      await this.fill();
    }
  }

  /** Lets go of the source, wherever it stands. */
  async close(): Promise<void> {
    this.#finished = true;
    this.#exhausted = true;
    await this.#source.return?.();
  }

  #takeBody(size: number): Uint8Array {
    const from = this.#start;
    this.#start += size;
    this.#bodyLeftBytes -= size;
    return this.#buffer.subarray(from, from + size);
  }

  /** Leaves the rest of a body behind, as far as it is buffered; whether that is all of it. */
  #skipped(): boolean {
    const left = this.#bodyLeftBytes + this.#paddingBytes;
    if (left === 0) return true;
    const size = Math.min(left, this.#end - this.#start);
    this.#start += size;
    const fromBody = Math.min(size, this.#bodyLeftBytes);
    this.#bodyLeftBytes -= fromBody;
    this.#paddingBytes -= size - fromBody;
    return size === left;
  }

  #atZeroBlock(): boolean {
    for (let i = this.#start; i < this.#start + blockBytes; i++) if (this.#buffer[i] !== 0) return false;
    return true;
  }

  /** Takes a record that extends the next header; false if it is not all buffered. */
  #readExtension(flag: 'L' | 'K' | 'x' | 'g'): boolean {
    const size = readSize(this.#buffer, this.#start);
    if (size === undefined || size > extensionLimitBytes)
      this.#fail('a long name or an extended header is too long');
    if (this.#end - this.#start < blockBytes + paddedBytes(size)) return false;
    const at = this.#start + blockBytes;
    if (flag === 'L') this.#extensions.longName = readText(this.#buffer, at, size);
    else if (flag === 'K') this.#extensions.longLink = readText(this.#buffer, at, size);
    else this.#readPax(flag, this.#buffer.subarray(at, at + size));
    if (flag !== 'g') this.#extended = true;
    this.#start = at + paddedBytes(size);
    return true;
  }

  #readPax(flag: 'x' | 'g', records: Buffer): void {
    this.#paxBytes += records.length;
    if (flag === 'x' && this.#paxBytes > extensionLimitBytes) this.#fail('the extended headers are too long');
    const pax = { ...(flag === 'g' ? this.#global : this.#extensions.pax) };
    // What is an entry's own is not taken from a global header: that would make it the next thousands' too.
    if (flag === 'x') this.#extensions.vendor ??= new Map();
    const problem = readPaxRecords(records, pax, flag === 'x' ? this.#extensions.vendor : undefined);
    if (problem !== undefined) this.#fail(`bad extended header: ${problem}`);
    if (flag === 'g') this.#global = pax;
    if (flag === 'x' || !this.#extended) this.#extensions.pax = pax;
  }

  #moveToOwn(kept: number): void {
    if (this.#own.length < kept) this.#own = Buffer.allocUnsafe(Math.max(2 * kept, 1 << 13));
    this.#buffer.copy(this.#own, 0, this.#start, this.#end);
    this.#buffer = this.#own;
    this.#start = 0;
    this.#end = kept;
  }

  /** Puts a piece behind what is kept in `#own`. */
  #append(piece: Uint8Array): void {
    const kept = this.#end - this.#start;
    if (this.#own.length - this.#end < piece.length) {
      // Moving more than half of the room again and again would cost more than new room.
      const roomy = 2 * kept <= this.#own.length && kept + piece.length <= this.#own.length;
      const target = roomy ? this.#own : Buffer.allocUnsafe(2 * (kept + piece.length));
      this.#own.copy(target, 0, this.#start, this.#end);
      this.#own = target;
      this.#buffer = target;
      this.#start = 0;
      this.#end = kept;
    }
    this.#own.set(piece, this.#end);
    this.#end += piece.length;
  }

  #moreOrTruncated(): 'more' {
    if (this.#exhausted) this.#fail('it ends in the middle');
    return 'more';
  }

  #fail(what: string): never {
    throw new TundraError('format', `${this.#what}: ${what}`);
  }
}
