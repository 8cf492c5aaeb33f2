import type { ByteStream } from '../base/bytes.js';

/** Bytes that are pulled: `read` fills `into` to its end unless the bytes end first, and returns how many it wrote. */
export interface ByteReader {
  read(into: Uint8Array): Promise<number>;
  /** Some of the next bytes, as they lie; undefined at the end. They are valid until the next call. */
  next(limitBytes?: number): Promise<Uint8Array | undefined>;
}

/** A reader that can pass over bytes without reading them. */
export interface SkippingReader extends ByteReader {
  /** What lies behind the end may be passed over too: the next bytes are none then. */
  skip(sizeBytes: number): void;
}

/** Reads a stream of pieces without regard for where one ends. */
export class PieceReader implements ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(pieces: ByteStream) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      if (this.#piece.length === 0) {
        if (this.#ended) break;
        const next = await this.#pieces.next();
        if (next.done) this.#ended = true;
        else this.#piece = next.value;
        continue;
      }
      const size = Math.min(this.#piece.length, into.length - filled);
      into.set(this.#piece.subarray(0, size), filled);
      this.#piece = this.#piece.subarray(size);
      filled += size;
    }
    return filled;
  }

  async next(limitBytes = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    while (this.#piece.length === 0) {
      if (this.#ended) return undefined;
      const next = await this.#pieces.next();
      if (next.done) this.#ended = true;
      else this.#piece = next.value;
    }
    const part = this.#piece.subarray(0, limitBytes);
    this.#piece = this.#piece.subarray(part.length);
    return part;
  }

  /** Frees what the stream holds. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#piece = this.#piece.subarray(0, 0);
    await this.#pieces.return?.();
  }
}

/** The reader's bytes in pieces of `pieceBytes` at most, and `leastBytes` at least; each is valid until the next. Smaller
 *  ones are gathered. */
export async function* piecesOf(
  reader: ByteReader,
  pieceBytes: number,
  leastBytes = pieceBytes / 2,
): ByteStream {
  let buffer: Uint8Array | undefined;
  let gathered = 0;
  for (;;) {
    const part = await reader.next(pieceBytes - gathered);
    if (part === undefined) break;
    if (gathered === 0 && part.length >= leastBytes) {
      yield part;
      continue;
    }
    buffer ??= new Uint8Array(pieceBytes);
    buffer.set(part, gathered);
    gathered += part.length;
    if (gathered < leastBytes) continue;
    yield buffer.subarray(0, gathered);
    gathered = 0;
  }
  if (gathered > 0) yield (buffer as Uint8Array).subarray(0, gathered);
}
