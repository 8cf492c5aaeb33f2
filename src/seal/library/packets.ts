import { TundraError } from '../../base/errors.js';
import type { ByteReader, SkippingReader } from '../byte-reader.js';

/** Kinds of OpenPGP packets (RFC 4880, section 4.3). */
export const tags = {
  publicKeySessionKey: 1,
  signature: 2,
  passphraseSessionKey: 3,
  onePassSignature: 4,
  compressed: 8,
  encrypted: 9,
  marker: 10,
  literal: 11,
  protected: 18,
  integrityCode: 19,
  authenticated: 20,
  padding: 21,
} as const;

export interface Packet {
  tag: number;
  /** Valid until the next packet is asked for. */
  body: PacketBody;
}

/**
 * Reads packets one after the other from what may be a file, or the inside of another packet.
 *
 * | first byte  | length that follows                                                                          |
 * |-------------|----------------------------------------------------------------------------------------------|
 * | `10TTTTLL`  | old: L = 0, 1, 2 are 1, 2, 4 bytes; 3: up to the end of what holds the packet                 |
 * | `11TTTTTT`  | new: under 192 one byte; 192 to 223 two bytes; 255 then four bytes; 224 to 254 a part of 2^n  |
 *
 * Errors: TundraError `format`.
 */
export class PacketReader {
  readonly #source: ByteReader;
  #body: PacketBody | undefined;

  constructor(source: ByteReader) {
    this.#source = source;
  }

  /** The next packet, or undefined at the end. */
  async next(): Promise<Packet | undefined> {
    await this.#body?.skip();
    const first = await readByte(this.#source);
    if (first === undefined) return undefined;
    if ((first & 0x80) === 0) throw new TundraError('format', 'it is not an OpenPGP message');
    const isNew = (first & 0x40) !== 0;
    const tag = isNew ? first & 0x3f : (first >> 2) & 0x0f;
    const extent = isNew ? await readNewLength(this.#source) : await readOldLength(this.#source, first & 3);
    this.#body = new PacketBody(this.#source, extent);
    return { tag, body: this.#body };
  }
}

/** How far a packet, or the current part of it, goes. */
interface Extent {
  sizeBytes: number;
  /** More parts follow. */
  partial?: boolean;
}

async function readNewLength(source: ByteReader): Promise<Extent> {
  const first = await needByte(source);
  if (first < 192) return { sizeBytes: first };
  if (first < 224) return { sizeBytes: ((first - 192) << 8) + (await needByte(source)) + 192 };
  if (first < 255) return { sizeBytes: 2 ** (first & 0x1f), partial: true };
  return { sizeBytes: await readNumber(source, 4) };
}

async function readOldLength(source: ByteReader, lengthType: number): Promise<Extent> {
  if (lengthType === 3) return { sizeBytes: Number.POSITIVE_INFINITY };
  return { sizeBytes: await readNumber(source, 1 << lengthType) };
}

async function readNumber(source: ByteReader, bytes: number): Promise<number> {
  let number = 0;
  for (let i = 0; i < bytes; i++) number = number * 256 + (await needByte(source));
  return number;
}

export async function readByte(source: ByteReader): Promise<number | undefined> {
  const byte = new Uint8Array(1);
  return (await source.read(byte)) === 1 ? byte[0] : undefined;
}

async function needByte(source: ByteReader): Promise<number> {
  const byte = await readByte(source);
  if (byte === undefined) throw cutShort();
  return byte;
}

function cutShort(): TundraError {
  return new TundraError('format', 'it is cut short');
}

/** The body of a packet that goes on with the length of a part. */
export function bodyFromPart(source: ByteReader): PacketBody {
  return new PacketBody(source, { sizeBytes: 0, partial: true });
}

/** What is inside a packet, without the marks between its parts. */
export class PacketBody implements ByteReader {
  readonly #source: ByteReader;
  #extent: Extent;

  constructor(source: ByteReader, extent: Extent) {
    this.#source = source;
    this.#extent = extent;
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      if (this.#extent.sizeBytes === 0) {
        if (!this.#extent.partial) break;
        this.#extent = await readNewLength(this.#source);
        continue;
      }
      const wanted = Math.min(into.length - filled, this.#extent.sizeBytes);
      const size = await this.#source.read(into.subarray(filled, filled + wanted));
      filled += size;
      this.#extent.sizeBytes -= size;
      if (size === wanted) continue;
      if (this.#extent.sizeBytes !== Number.POSITIVE_INFINITY) throw cutShort();
      this.#extent = { sizeBytes: 0 };
    }
    return filled;
  }

  async next(limitBytes = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    while (this.#extent.sizeBytes === 0) {
      if (!this.#extent.partial) return undefined;
      this.#extent = await readNewLength(this.#source);
    }
    const part = await this.#source.next(Math.min(limitBytes, this.#extent.sizeBytes));
    if (part !== undefined) this.#extent.sizeBytes -= part.length;
    else if (this.#extent.sizeBytes !== Number.POSITIVE_INFINITY) throw cutShort();
    return part;
  }

  /** Passes over bytes, and reads only how long the parts are. `source` is what the packet is read from. */
  async pass(sizeBytes: number, source: SkippingReader): Promise<void> {
    for (let left = sizeBytes; left > 0; ) {
      if (this.#extent.sizeBytes === 0) {
        if (!this.#extent.partial) throw cutShort();
        this.#extent = await readNewLength(this.#source);
        continue;
      }
      const part = Math.min(left, this.#extent.sizeBytes);
      source.skip(part);
      this.#extent.sizeBytes -= part;
      left -= part;
    }
  }

  /** All of a small packet. */
  async collect(limitBytes: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(limitBytes + 1);
    const size = await this.read(bytes);
    if (size > limitBytes)
      throw new TundraError('format', `it holds a packet of more than ${limitBytes} bytes`);
    return bytes.subarray(0, size);
  }

  async skip(): Promise<void> {
    if (this.#extent.sizeBytes === 0 && !this.#extent.partial) return;
    const rest = new Uint8Array(64 * 1024);
    while ((await this.read(rest)) === rest.length);
  }
}
