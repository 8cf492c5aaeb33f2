import { TundraError } from '../base/errors.js';
import { displayKey } from '../base/path-key.js';
import {
  digestOfSignatures,
  type IndexEntry,
  type OwnerIds,
  type PresentPath,
  SignatureIndexReader,
} from './signature-index.js';
import { type KnownSignatures, SignatureSource } from './signature-store.js';

/** The newest signatures of a chain by its index: a signature file is unpacked only as far as data of it is asked for. */
export class IndexedSignatures implements KnownSignatures {
  readonly #index: SignatureIndexReader;
  readonly #files: readonly string[];
  readonly #sources = new Map<number, SignatureSource>();
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

  /** The path that was passed by, where that was the last step. */
  passed(): IndexEntry {
    return this.#index.passed();
  }

  async *data(): AsyncGenerator<Uint8Array> {
    const entry = this.#current;
    if (entry === undefined) return;
    const source = this.#sourceOf(entry.file);
    while (source.key === undefined || source.key < entry.key) {
      while (!source.advance()) await source.fill();
      if (source.entry === undefined) break;
    }
    if (source.key !== entry.key) {
      throw new TundraError('format', `no signature of ${displayKey(entry.key)} is where the index has it`);
    }
    yield* source.data();
  }

  async close(): Promise<void> {
    this.#index.close();
    await Promise.all([...this.#sources.values()].map((source) => source.close()));
  }

  #sourceOf(file: number): SignatureSource {
    let source = this.#sources.get(file);
    if (source === undefined) {
      const path = this.#files[file];
      if (path === undefined) throw new TundraError('format', `the index has no signature file ${file}`);
      source = new SignatureSource(path, file, this.#files.length);
      this.#sources.set(file, source);
    }
    return source;
  }
}
