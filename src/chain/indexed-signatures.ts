import { TundraError } from '../base/errors.js';
import { PlacedSignatures } from './placed-signatures.js';
import { digestOfSignatures, type IndexEntry } from './signature-index.js';
import { type OwnerIds, type PresentPath, SignatureIndexReader } from './signature-index-reader.js';
import type { SignatureIndexWriter } from './signature-index-writer.js';
import { fewSignatureFiles, type KnownSignatures, readBytesFor } from './signature-store.js';

/** The newest signatures of a chain by its index: of signature files only the data that is asked for is read. */
export class IndexedSignatures implements KnownSignatures {
  readonly #index: SignatureIndexReader;
  readonly #files: readonly string[];
  readonly #opened = new Map<number, PlacedSignatures>();
  #current: IndexEntry | undefined;

  private constructor(index: SignatureIndexReader, files: readonly string[]) {
    this.#index = index;
    this.#files = files;
  }

  /** Undefined where the index does not fit the signature files, or these cannot be looked at. */
  static open(path: string, files: readonly string[]): IndexedSignatures | undefined {
    let digest: Buffer;
    try {
      digest = digestOfSignatures(files);
    } catch {
      return undefined;
    }
    const index = SignatureIndexReader.open(path, digest);
    return index && new IndexedSignatures(index, files);
  }

  /** What the index holds, for a new trailer. */
  get body() {
    return this.#index.body;
  }

  next(): IndexEntry | undefined {
    this.#current = this.#index.next();
    return this.#current;
  }

  /** Passes by the next path where it is just the present one; else it is still the next. The path before must have been
   *  the same too. */
  pass(present: PresentPath, ids: OwnerIds): boolean {
    this.#current = undefined;
    return this.#index.pass(present, ids);
  }

  /** Adds the path that was passed by, where that was the last step, to another index. */
  copyPassed(writer: SignatureIndexWriter, follows: boolean): void {
    this.#index.copyPassed(writer, follows);
  }

  async *data(): AsyncGenerator<Uint8Array> {
    const entry = this.#current;
    if (entry === undefined) return;
    const file = this.#fileOf(entry);
    yield* file.data(entry.key, entry.startBytes);
    // A long chain may have hundreds of files, each of which takes some memory while it is open.
    if (file.hasPoints && this.#files.length > fewSignatureFiles) await file.close();
  }

  async close(): Promise<void> {
    this.#index.close();
    await Promise.all([...this.#opened.values()].map((file) => file.close()));
  }

  #fileOf({ file }: IndexEntry): PlacedSignatures {
    let opened = this.#opened.get(file);
    if (opened === undefined) {
      const path = this.#files[file];
      if (path === undefined) throw new TundraError('format', `the index has no signature file ${file}`);
      opened = new PlacedSignatures(path, readBytesFor(this.#files.length));
      this.#opened.set(file, opened);
    }
    return opened;
  }
}
