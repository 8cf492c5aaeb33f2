import { closeSync, openSync, readSync } from 'node:fs';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import { piecesOf, type SkippingReader } from './byte-reader.js';
import { gunzipFile, gunzipFrom } from './gzip.js';
import { inflateHere } from './inflate-here.js';
import { messageBytes, messageBytesFrom } from './library/message.js';
import type { SessionKey } from './library/session-keys.js';
import { pooled, type Unpacking } from './unpacking.js';

/** A sealed file that any thread of this process can open by itself: plain data. */
export interface ReadableFile {
  path: string;
  /** What messages call it. */
  name: string;
  sealing:
    | { kind: 'plain' }
    | { kind: 'gzip' }
    /** `isWhole`: its integrity check was made; else it is made while it is read. */
    | { kind: 'message'; key: SessionKey; isWhole: boolean };
  /** Where to begin, as the writer of the file told; undefined for its start. */
  accessPoint: number | undefined;
}

const pieceBytes = 128 * 1024;
const leapBytes = 4096;

/**
 * The plaintext of a file, read, decrypted and decompressed in the calling thread: for one of several that have enough to
 * do. Errors: as of `Opener.open`, and of what that gives.
 */
export function unpackedHere(file: ReadableFile): ByteStream {
  return unpackedBy(here, file);
}

/** The same beside what the calling thread does; but of a file from an access point on that reads here. */
export function unpackedBeside(file: ReadableFile): ByteStream {
  return unpackedBy(pooled, file);
}

async function* unpackedBy(unpacking: Unpacking, readable: ReadableFile): ByteStream {
  const { path, name, sealing, accessPoint } = readable;
  const { pieceBytes } = unpacking;
  if (accessPoint === undefined) {
    if (sealing.kind === 'gzip') yield* gunzipFile(path, name, unpacking);
    else if (sealing.kind === 'plain') yield* unpacking.fileBytes(path);
    else yield* messageBytes(path, name, sealing.key, sealing.isWhole, unpacking);
    return;
  }
  const file = new FileReader(path, pieceBytes);
  try {
    if (sealing.kind === 'gzip') yield* gunzipFrom(accessPoint, file, name, unpacking);
    else if (sealing.kind === 'message')
      yield* messageBytesFrom(accessPoint, file, name, sealing.key, unpacking);
    else {
      file.skip(accessPoint);
      yield* piecesOf(file, pieceBytes);
    }
  } finally {
    file.close();
  }
}

/** Reads a local file with synchronous calls. */
class FileReader implements SkippingReader {
  readonly #fd: number;
  readonly #buffer: Uint8Array;
  /** What was read and not taken. */
  #piece: Uint8Array = new Uint8Array(0);
  /** In the file, behind the piece. */
  #position = 0;
  /** How much to read next: little after a leap, as another one may follow. */
  #wantedBytes = leapBytes;

  constructor(path: string, bufferBytes: number) {
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw new TundraError('generic', `cannot open ${path}: ${messageOf(error)}`, { cause: error });
    }
    this.#buffer = new Uint8Array(bufferBytes);
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

  close(): void {
    closeSync(this.#fd);
  }

  #fill(): boolean {
    const wantedBytes = Math.min(this.#wantedBytes, this.#buffer.length);
    this.#wantedBytes = 2 * wantedBytes;
    const size = readSync(this.#fd, this.#buffer, 0, wantedBytes, this.#position);
    this.#position += size;
    this.#piece = this.#buffer.subarray(0, size);
    return size > 0;
  }
}

async function* bytesReadHere(path: string, bufferBytes = pieceBytes): ByteStream {
  const file = new FileReader(path, bufferBytes);
  try {
    for (let piece = await file.next(); piece !== undefined; piece = await file.next()) yield piece;
  } finally {
    file.close();
  }
}

const here: Unpacking = { fileBytes: bytesReadHere, inflate: inflateHere, pieceBytes, leastBytes: 4096 };
