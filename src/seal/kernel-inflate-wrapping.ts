import { crc32 } from 'node:zlib';
import {
  cutShort,
  damagedData,
  type InflateEngine,
  InflateError,
  NOTHING,
  RawInflate,
} from './kernel-inflate-raw.js';

/*
 * What stands before and behind a raw stream.
 *
 * | zlib (RFC 1950)                  | a member of gzip (RFC 1952)                                       |
 * |----------------------------------|-------------------------------------------------------------------|
 * | method and window size (1 byte)  | 1f 8b                                                             |
 * | flags; both are a multiple of 31 | method (1 byte), flags (1), time (4), extra flags (1), system (1) |
 * |                                  | if its flag is set: size (2) and bytes of an extra field          |
 * |                                  | if its flag is set, each: name, comment, each with a zero behind  |
 * |                                  | if its flag is set: CRC-16 of the header (2)                      |
 * | raw deflate                      | raw deflate                                                       |
 * | Adler-32, big-endian (4)         | CRC-32 (4), size mod 2^32 (4), little-endian                      |
 */
const DEFLATE = 8;
const flags = { headerCrc: 2, extra: 4, name: 8, comment: 16, unknown: 0xe0 };

/** So many bytes; all up to and with a zero, which are passed over; or the raw stream. */
type Part = number | 'text' | 'data';

/** Checksums of what was read. */
interface Sums {
  headerCrc: number;
  data: number;
  dataBytes: number;
}

/** A format as the parts that it asks for, one after the other. It throws where they are not as they should be. */
type Layout = (sums: Sums) => Generator<Part, void, Uint8Array>;

function* zlibLayout(sums: Sums): Generator<Part, void, Uint8Array> {
  const [first, second] = bytesOf(yield 2);
  if ((first * 256 + second) % 31 !== 0) throw damagedData('incorrect header check');
  if ((first & 15) !== DEFLATE) throw damagedData('unknown compression method');
  // That a distance is larger than a small window is no error: zlib sees it only now and then.
  if (first >> 4 > 7) throw damagedData('invalid window size');
  if ((second & 0x20) !== 0) {
    yield 4;
    throw new InflateError('Z_NEED_DICT', 'Missing dictionary');
  }
  sums.data = 1;
  yield 'data';
  if (viewOf(yield 4).getUint32(0) !== sums.data) throw damagedData('incorrect data check');
}

function* gzipLayout(sums: Sums): Generator<Part, void, Uint8Array> {
  if (viewOf(yield 2).getUint16(0) !== 0x1f8b) throw damagedData('incorrect header check');
  const [method, set] = bytesOf(yield 2);
  if (method !== DEFLATE) throw damagedData('unknown compression method');
  if ((set & flags.unknown) !== 0) throw damagedData('unknown header flags set');
  yield 6;
  if ((set & flags.extra) !== 0) yield viewOf(yield 2).getUint16(0, true);
  if ((set & flags.name) !== 0) yield 'text';
  if ((set & flags.comment) !== 0) yield 'text';
  if ((set & flags.headerCrc) !== 0) {
    const expected = sums.headerCrc & 0xffff;
    if (viewOf(yield 2).getUint16(0, true) !== expected) throw damagedData('header crc mismatch');
  }
  yield 'data';
  if (viewOf(yield 4).getUint32(0, true) !== sums.data) throw damagedData('incorrect data check');
  if (viewOf(yield 4).getUint32(0, true) !== sums.dataBytes % 2 ** 32)
    throw damagedData('incorrect length check');
}

function bytesOf(bytes: Uint8Array): [number, number] {
  return [bytes[0] as number, bytes[1] as number];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A raw stream with its wrapping. gzip's members may follow one another; from a zero byte on, what follows is no matter. */
export class WrappedInflate {
  readonly #engine: InflateEngine;
  readonly #wrapping: 'zlib' | 'gzip';
  readonly #raw: RawInflate;
  #sums: Sums = { headerCrc: 0, data: 0, dataBytes: 0 };
  #parts: ReturnType<Layout>;
  /** What is asked for; undefined between members, and at the end. */
  #part: Part | undefined;
  /** What has come of a part of several bytes. */
  #gathered = NOTHING;
  #gatheredBytes = 0;
  #input: Uint8Array = NOTHING;
  #isLast = false;
  ended = false;

  constructor(engine: InflateEngine, wrapping: 'zlib' | 'gzip') {
    this.#engine = engine;
    this.#wrapping = wrapping;
    this.#raw = new RawInflate(engine);
    this.#parts = this.#begin();
  }

  get wantsInput(): boolean {
    if (this.ended || this.#isLast) return false;
    return this.#part === 'data' ? this.#raw.wantsInput : this.#input.length === 0;
  }

  get unusedBytes(): number {
    return this.ended ? this.#input.length : 0;
  }

  push(bytes: Uint8Array, isLast: boolean): void {
    this.#input = bytes;
    this.#isLast = isLast;
    if (this.#part === 'data') this.#raw.push(bytes, isLast);
  }

  next(): Uint8Array {
    while (!this.ended) {
      if (this.#part === 'data') {
        const piece = this.#raw.next();
        if (piece.length > 0) {
          this.#addUp(piece);
          return piece;
        }
        if (!this.#raw.ended) return NOTHING;
        this.#input = this.#input.subarray(this.#input.length - this.#raw.unusedBytes);
        this.#ask(NOTHING);
      } else if (this.#part === undefined) {
        if (this.#input.length === 0 && !this.#isLast) return NOTHING;
        this.ended = this.#input.length === 0 || this.#input[0] === 0;
        if (!this.ended) this.#parts = this.#begin();
      } else if (!this.#readPart(this.#part)) {
        if (this.#isLast) throw cutShort();
        return NOTHING;
      }
    }
    return NOTHING;
  }

  #begin(): ReturnType<Layout> {
    this.#sums = { headerCrc: 0, data: 0, dataBytes: 0 };
    const parts = (this.#wrapping === 'zlib' ? zlibLayout : gzipLayout)(this.#sums);
    this.#part = parts.next().value as Part;
    return parts;
  }

  /** Hands a part over and learns what the next one is. */
  #ask(bytes: Uint8Array): void {
    const { value, done } = this.#parts.next(bytes);
    this.#part = done ? undefined : (value as Part);
    this.#gatheredBytes = 0;
    if (this.#part === 'data') {
      this.#raw.restart();
      this.#raw.push(this.#input, this.#isLast);
    }
    if (done && this.#wrapping === 'zlib') this.ended = true;
  }

  /** Reads what there is of a part; true when that was all of it. */
  #readPart(part: number | 'text'): boolean {
    if (part === 'text') {
      const zeroAt = this.#input.indexOf(0);
      this.#take(zeroAt < 0 ? this.#input.length : zeroAt + 1);
      if (zeroAt < 0) return false;
      this.#ask(NOTHING);
      return true;
    }
    if (this.#gatheredBytes === 0) this.#gathered = new Uint8Array(part);
    const bytes = this.#take(Math.min(part - this.#gatheredBytes, this.#input.length));
    this.#gathered.set(bytes, this.#gatheredBytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes < part) return false;
    this.#ask(this.#gathered);
    return true;
  }

  #take(sizeBytes: number): Uint8Array {
    const bytes = this.#input.subarray(0, sizeBytes);
    this.#input = this.#input.subarray(sizeBytes);
    this.#sums.headerCrc = crc32(bytes, this.#sums.headerCrc);
    return bytes;
  }

  #addUp(piece: Uint8Array): void {
    this.#sums.dataBytes += piece.length;
    if (this.#wrapping === 'gzip') this.#sums.data = crc32(piece, this.#sums.data);
    else this.#sums.data = this.#engine.calls.adler32(piece.byteOffset, piece.length, this.#sums.data) >>> 0;
  }
}
