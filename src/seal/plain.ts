import type { SealOutput, SealWriter } from './cipher.js';
import { PieceGatherer } from './piece-gatherer.js';

const PIECE_BYTES = 256 * 1024;

/** Neither compresses nor encrypts: gathers what is written into pieces. */
export class PlainWriter implements SealWriter {
  readonly #pieces: PieceGatherer;
  bytesOut = 0;
  readonly accessPoints: number[] = [];

  constructor(output: SealOutput) {
    this.#pieces = new PieceGatherer(PIECE_BYTES, (piece) => {
      this.bytesOut += piece.length;
      return output(piece) || undefined;
    });
  }

  get bytesPending(): number {
    return this.#pieces.filledBytes;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#pieces.write(bytes);
  }

  async beginAccessPoint(): Promise<void> {
    this.accessPoints.push(this.bytesOut + this.#pieces.filledBytes);
  }

  async settle(): Promise<void> {
    await this.#pieces.flush();
  }

  finish(): Promise<void> {
    return this.settle();
  }

  async abort(): Promise<void> {
    this.#pieces.filledBytes = 0;
  }
}
