import { closeSync, openSync, readSync } from 'node:fs';
import { giveBuffer, takeBuffer } from '../base/buffer-pool.js';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import type { SkippingReader } from './byte-reader.js';

/** What is read first, and after a leap: not much, as that may be all, or another one may follow. */
const leapBytes = 4096;
const noBytes = new Uint8Array(0);

/** Reads a local file with synchronous calls. Its buffer grows with what is read. */
export class FileReader implements SkippingReader {
  readonly #fd: number;
  readonly #mostBytes: number;
  #buffer = noBytes;
  /** What was read and not taken. */
  #piece: Uint8Array = noBytes;
  /** In the file, behind the piece. */
  #position = 0;
  /** How much to read next. */
  #wantedBytes = leapBytes;

  /** @param mostBytes how much to read at once at most */
  constructor(path: string, mostBytes: number) {
    this.#mostBytes = mostBytes;
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw new TundraError('generic', `cannot open ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      if (this.#piece.length === 0 && !this.#fill()) break;
      const part = this.#piece.subarray(0, into.length - filled);
      into.set(part, filled);
      this.#piece = this.#piece.subarray(part.length);
      filled += part.length;
    }
    return filled;
  }

  async next(limitBytes = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    if (this.#piece.length === 0 && !this.#fill()) return undefined;
    const part = this.#piece.subarray(0, limitBytes);
    this.#piece = this.#piece.subarray(part.length);
    return part;
  }

  skip(sizeBytes: number): void {
    const here = Math.min(sizeBytes, this.#piece.length);
    this.#piece = this.#piece.subarray(here);
    this.#position += sizeBytes - here;
    if (here < sizeBytes) this.#wantedBytes = leapBytes;
  }

  /** What it gave must not be used any more. */
  close(): void {
    this.#piece = noBytes;
    giveBuffer(this.#buffer);
    this.#buffer = noBytes;
    closeSync(this.#fd);
  }

  #fill(): boolean {
    const wantedBytes = Math.min(this.#wantedBytes, this.#mostBytes);
    this.#wantedBytes = 2 * wantedBytes;
    if (this.#buffer.length < wantedBytes) {
      giveBuffer(this.#buffer);
      this.#buffer = takeBuffer(wantedBytes);
    }
    const size = readSync(this.#fd, this.#buffer, 0, wantedBytes, this.#position);
    this.#position += size;
    this.#piece = this.#buffer.subarray(0, size);
    return size > 0;
  }
}

/** The bytes of a local file. It is opened when the first piece is asked for. A piece is valid until the next one. */
export async function* bytesReadHere(path: string, pieceBytes = 128 * 1024): ByteStream {
  const file = new FileReader(path, pieceBytes);
  try {
    for (let piece = await file.next(); piece !== undefined; piece = await file.next()) yield piece;
  } finally {
    file.close();
  }
}
