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
  /** For what this thread reads itself. */
  buffer: Uint8Array;
  threads: SigningThreads;
}

/**
 * Reads a changed file once and gives its delta, while its new signature is made of the same bytes. What did not move is found
 * by comparing the entries of the two signatures, if their blocks have one size. Large files are read and signed by other
 * threads, once these run.
 */
export class DeltaReader {
  readonly #options: DeltaReaderOptions;
  readonly #ownBytes: number;
  readonly #deltaTakesEntries: boolean;
  #threads: 'not begun' | 'reading' | 'failed' = 'not begun';
  #pending: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(options: DeltaReaderOptions) {
    this.#options = options;
    const { delta, blockSizeBytes, buffer } = options;
    this.#ownBytes = buffer.length - (blockSizeBytes <= buffer.length ? buffer.length % blockSizeBytes : 0);
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
    if (this.#threads === 'reading') this.#options.threads.end();
  }

  #next(): Uint8Array {
    const { delta } = this.#options;
    const { data, entries, isLast } = this.#pieceOfThreads() ?? this.#ownPiece();
    const made = delta.update(data, this.#deltaTakesEntries ? entries : undefined);
    if (!isLast) return made;
    this.#ended = true;
    // What `update` returned must be taken before `finish` overwrites it.
    const rest = Buffer.from(made);
    return Buffer.concat([rest, delta.finish()]);
  }

  #ownPiece(): SignedPiece {
    const { file, buffer, signature } = this.#options;
    const size = file.read(buffer.subarray(0, this.#ownBytes));
    const data = buffer.subarray(0, size);
    return { data, entries: signature.update(data), isLast: size < this.#ownBytes };
  }

  #pieceOfThreads(): SignedPiece | undefined {
    const { file, sizeBytes, blockSizeBytes, threads, signature } = this.#options;
    if (this.#threads === 'failed') return undefined;
    if (this.#threads === 'not begun') {
      if (file.size % blockSizeBytes !== 0) return undefined;
      if (!threads.begin(file.fd, file.size, sizeBytes - file.size, blockSizeBytes)) return undefined;
      this.#threads = 'reading';
    }
    const piece = threads.next();
    if (piece === undefined) {
      // Read here, the error shows, if it comes again.
      threads.end();
      this.#threads = 'failed';
      return undefined;
    }
    signature.addEntries(piece.entries);
    file.passed(piece.data.length);
    return piece;
  }
}
