import type { ByteStream } from '../base/bytes.js';

/** Bytes that are pulled: `read` fills `into` to its end unless the bytes end first, and returns how many it wrote. */
export interface ByteReader {
  read(into: Uint8Array): Promise<number>;
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

  /** Frees what the stream holds. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#piece = this.#piece.subarray(0, 0);
    await this.#pieces.return?.();
  }
}

/** The reader's bytes in pieces of one size (the last may be shorter); each piece is valid until the next. */
export async function* piecesOf(reader: ByteReader, pieceBytes: number): ByteStream {
  const buffer = new Uint8Array(pieceBytes);
  for (let size = pieceBytes; size === pieceBytes; ) {
    size = await reader.read(buffer);
    if (size > 0) yield buffer.subarray(0, size);
  }
}
