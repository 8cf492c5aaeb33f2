import type { DeltaBuilder } from '../rsync/delta-builder.js';
import type { NewSignature } from './new-signature.js';
import type { SignedPiece, SigningThreads } from './signing-threads.js';
import type { SourceFile } from './source-file.js';

export interface DeltaReaderOptions {
  file: SourceFile;
  /** Its size, as far as is known. */
  sizeBytes: number;
  /** Knows the old signature. */
  delta: DeltaBuilder;
  signature: NewSignature;
  /** Of the new signature. */
  blockSizeBytes: number;
  buffer: Uint8Array;
  threads: SigningThreads;
}

/**
 * Reads a changed file once and gives its delta, while its new signature is made of the same bytes. What did not move is found
 * by comparing the entries of the two signatures, if their blocks have one size. Large files are read and signed by several
 * threads.
 */
export class DeltaReader {
  readonly #options: DeltaReaderOptions;
  readonly #readBytes: number;
  readonly #isThreaded: boolean;
  readonly #deltaTakesEntries: boolean;
  #pending: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(options: DeltaReaderOptions) {
    this.#options = options;
    const { file, sizeBytes, delta, blockSizeBytes, buffer, threads } = options;
    this.#readBytes = buffer.length - (blockSizeBytes <= buffer.length ? buffer.length % blockSizeBytes : 0);
    this.#isThreaded = threads.begin(file, sizeBytes, blockSizeBytes);
    this.#deltaTakesEntries = delta.takesEntries(blockSizeBytes);
  }

  /** Fills a buffer with the delta's next bytes; fewer are its end. */
  read(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      if (this.#pending.length > 0) {
        const part = this.#pending.subarray(0, target.length - filled);
        target.set(part, filled);
        filled += part.length;
        this.#pending = this.#pending.subarray(part.length);
      } else if (this.#ended) {
        break;
      } else {
        this.#pending = this.#next();
      }
    }
    return filled;
  }

  /** To be called before the file is closed, however far it was read. */
  close(): void {
    if (this.#isThreaded) this.#options.threads.end();
  }

  #next(): Uint8Array {
    const { delta } = this.#options;
    const { data, entries, isLast } = this.#nextPiece();
    const made = delta.update(data, this.#deltaTakesEntries ? entries : undefined);
    if (!isLast) return made;
    this.#ended = true;
    // What `update` returned must be taken before `finish` overwrites it.
    const rest = Buffer.from(made);
    return Buffer.concat([rest, delta.finish()]);
  }

  #nextPiece(): SignedPiece {
    const { file, buffer, signature, threads } = this.#options;
    if (this.#isThreaded) {
      const piece = threads.next();
      signature.addEntries(piece.entries);
      return piece;
    }
    const size = file.read(buffer.subarray(0, this.#readBytes));
    const data = buffer.subarray(0, size);
    return { data, entries: signature.update(data), isLast: size < this.#readBytes };
  }
}
