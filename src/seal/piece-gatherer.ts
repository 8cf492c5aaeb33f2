/** Gathers what is written into pieces of one size, each a new array, before they are handed on. */
export class PieceGatherer {
  readonly #pieceBytes: number;
  readonly #emit: (piece: Uint8Array) => Promise<void> | undefined;
  #piece: Uint8Array;
  /** Bytes that wait for the piece to be full. */
  filledBytes = 0;

  constructor(pieceBytes: number, emit: (piece: Uint8Array) => Promise<void> | undefined) {
    this.#pieceBytes = pieceBytes;
    this.#emit = emit;
    this.#piece = Buffer.allocUnsafeSlow(pieceBytes);
  }

  /** Copies the bytes. Until a promise that it returned settles they must not change. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    for (let taken = 0; taken < bytes.length; ) {
      const size = Math.min(bytes.length - taken, this.#pieceBytes - this.filledBytes);
      this.#piece.set(bytes.subarray(taken, taken + size), this.filledBytes);
      this.filledBytes += size;
      taken += size;
      const waiting = this.filledBytes === this.#pieceBytes ? this.flush() : undefined;
      if (waiting) return waiting.then(() => this.write(bytes.subarray(taken)));
    }
    return undefined;
  }

  /** Hands on what there is. */
  flush(): Promise<void> | undefined {
    if (this.filledBytes === 0) return undefined;
    const piece = this.#piece.subarray(0, this.filledBytes);
    this.#piece = Buffer.allocUnsafeSlow(this.#pieceBytes);
    this.filledBytes = 0;
    return this.#emit(piece);
  }
}
