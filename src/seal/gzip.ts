import { crc32 } from 'node:zlib';
import type { ByteStream } from '../base/bytes.js';
import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import { PieceReader, piecesOf, type SkippingReader } from './byte-reader.js';
import type { SealOutput, SealWriter } from './cipher.js';
import { ParallelDeflate, type ParallelDeflateOptions } from './deflate.js';
import { pooled, type Unpacking } from './unpacking.js';

/*
 * A gzip member (RFC 1952)
 *
 * | offset | size | meaning                                   |
 * |--------|------|-------------------------------------------|
 * | 0      | 2    | 1f 8b                                     |
 * | 2      | 1    | method: 8, deflate                        |
 * | 3      | 1    | flags: none                               |
 * | 4      | 4    | modification time: 0, not known           |
 * | 8      | 1    | extra flags: 0                            |
 * | 9      | 1    | system: 3, Unix                           |
 * | 10     | ...  | deflate                                   |
 * |        | 4    | CRC-32 of the plaintext, little-endian    |
 * |        | 4    | plaintext bytes mod 2^32, little-endian   |
 */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);
const TRAILER_BYTES = 8;

/** Writes one gzip member. */
export class GzipWriter implements SealWriter {
  readonly #output: SealOutput;
  readonly #deflate: ParallelDeflate;
  #crc = 0;
  #plainBytes = 0;
  #ended = false;
  bytesOut = 0;

  constructor(output: SealOutput, options: ParallelDeflateOptions) {
    this.#output = output;
    this.#deflate = new ParallelDeflate((piece) => this.#emit(piece), options);
  }

  get bytesPending(): number {
    if (this.#ended) return 0;
    const headerBytes = this.bytesOut === 0 ? HEADER.length : 0;
    return headerBytes + this.#deflate.bytesPending() + TRAILER_BYTES;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#crc = crc32(bytes, this.#crc);
    this.#plainBytes += bytes.length;
    return this.#deflate.write(bytes);
  }

  /** Counted from the start of the file. */
  get accessPoints(): number[] {
    return this.#deflate.freshStarts.map((start) => HEADER.length + start);
  }

  beginAccessPoint(): Promise<void> {
    return this.#deflate.beginFresh();
  }

  settle(): Promise<void> {
    return this.#deflate.flush();
  }

  async finish(): Promise<void> {
    await this.#deflate.finish();
    const trailer = new DataView(new ArrayBuffer(TRAILER_BYTES));
    trailer.setUint32(0, this.#crc, true);
    trailer.setUint32(4, this.#plainBytes % 2 ** 32, true);
    this.#ended = true;
    await this.#emit(new Uint8Array(trailer.buffer));
  }

  abort(): Promise<void> {
    this.#ended = true;
    return this.#deflate.abort();
  }

  #emit(piece: Uint8Array): void | Promise<void> {
    const started = this.bytesOut > 0;
    const whole = started ? piece : Buffer.concat([HEADER, piece]);
    this.bytesOut += whole.length;
    return this.#output(whole);
  }
}

/**
 * The plaintext of a gzip file with any number of members. The file is opened when the first piece is asked for.
 * Errors: TundraError `format` that names the file when it is damaged or cut short.
 */
export async function* gunzipFile(path: string, name: string, unpacking: Unpacking = pooled): ByteStream {
  const { fileBytes, inflate, pieceBytes, leastBytes } = unpacking;
  const packed = new PieceReader(fileBytes(path));
  const plain = new PieceReader(inflate(packed, 'gzip'));
  let plainBytes = 0;
  try {
    for await (const piece of piecesOf(plain, pieceBytes, leastBytes)) {
      plainBytes += piece.length;
      yield piece;
    }
    if (plainBytes === 0) await refuseEmpty(fileBytes(path), name);
  } catch (error) {
    if (!errnoOf(error)?.startsWith('Z_')) throw error;
    throw damaged(name, messageOf(error), error);
  } finally {
    await plain.close();
    await packed.close();
  }
}

/** The plaintext from one of the access points of a file that `GzipWriter` wrote. Its hash must have been compared. */
export async function* gunzipFrom(
  accessPoint: number,
  source: SkippingReader,
  name: string,
  { inflate }: Unpacking,
): ByteStream {
  source.skip(accessPoint);
  try {
    yield* inflate(source, 'raw');
  } catch (error) {
    if (!errnoOf(error)?.startsWith('Z_')) throw error;
    throw damaged(name, messageOf(error), error);
  }
}

/** zlib takes a file without a single byte for no data; a gzip file has at least a header and a trailer. */
async function refuseEmpty(bytes: ByteStream, name: string): Promise<void> {
  for await (const _ of bytes) return;
  throw damaged(name, 'the file is empty');
}

function damaged(name: string, how: string, cause?: unknown): TundraError {
  return new TundraError('format', `${name} is not a whole gzip file: ${how}`, {
    advice: 'The file was cut short or altered where it is stored: fetch it again, or use another copy.',
    cause,
  });
}
