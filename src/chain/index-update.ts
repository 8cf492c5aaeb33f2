import { rmSync } from 'node:fs';
import type { LocalArchive } from './archive.js';
import { digestOfSignatures, endIndex, type IndexBody, type IndexEntry } from './signature-index.js';
import { SignatureIndexReader } from './signature-index-reader.js';
import { SignatureIndexWriter } from './signature-index-writer.js';

/** The index in the local archive; duplicity takes it for no file of its own. */
export const indexName = 'tundra-signatures.index';

/** The index as it should be after a set: the one there was, or another. */
export type UpdatedIndex = { kind: 'kept'; body: IndexBody } | { kind: 'new'; path: string; body: IndexBody };

export interface IndexUpdateOptions {
  /** The signature files it was made of, oldest first. */
  files: readonly string[];
  /** The index that fits them; undefined if there is none. */
  oldPath: string | undefined;
  newPath: string;
}

/**
 * Makes the index of a chain as it is after the set in the making, path by path. As long as nothing changes, nothing is
 * written. The index only saves time: where it cannot be written there is none, which is no error.
 */
export class IndexUpdate {
  readonly #options: IndexUpdateOptions;
  #writer: SignatureIndexWriter | undefined;
  /** Entries that stand as they were, while nothing is written. */
  #kept = 0;
  /** Whether the path before was passed by, and its entry copied. */
  #isPassing = false;
  #failed = false;

  constructor(options: IndexUpdateOptions) {
    this.#options = options;
    if (options.oldPath === undefined) this.#begin();
  }

  /** The path is as it was. */
  keep(entry: IndexEntry): void {
    if (this.#writer === undefined) this.#kept++;
    else this.#add(entry);
  }

  /** The path that was passed by is as it was. */
  keepPassed(known: Pick<SignatureIndexReader, 'copyPassed'>): void {
    const writer = this.#writer;
    if (writer === undefined) {
      this.#kept++;
      return;
    }
    try {
      known.copyPassed(writer, this.#isPassing);
      this.#isPassing = true;
    } catch {
      this.#fail(writer);
    }
  }

  /** The path is new, or is not as it was. */
  replace(entry: IndexEntry): void {
    this.#begin();
    this.#add(entry);
  }

  /** The path that comes next is gone. */
  drop(): void {
    this.#begin();
    this.#isPassing = false;
  }

  /** Ends the index; undefined if it could not be written. `keepIndex` makes it count. */
  finish(oldBody: IndexBody | undefined): UpdatedIndex | undefined {
    if (this.#writer === undefined) {
      return this.#failed || oldBody === undefined ? undefined : { kind: 'kept', body: oldBody };
    }
    let body: IndexBody | undefined;
    this.#try((writer) => {
      body = writer.finish();
    });
    return body && { kind: 'new', path: this.#options.newPath, body };
  }

  #begin(): void {
    if (this.#writer !== undefined || this.#failed) return;
    const { files, oldPath, newPath } = this.#options;
    try {
      this.#writer = new SignatureIndexWriter(newPath);
    } catch {
      this.#failed = true;
      return;
    }
    if (this.#kept === 0 || oldPath === undefined) return;
    this.#try((writer) => {
      const old = SignatureIndexReader.open(oldPath, digestOfSignatures(files));
      if (old === undefined) throw new Error('the index has gone');
      try {
        for (; this.#kept > 0; this.#kept--) {
          if (!old.skip()) throw new Error('the index is another one');
          old.copyPassed(writer, true);
        }
      } finally {
        old.close();
      }
    });
  }

  #add(entry: IndexEntry): void {
    this.#isPassing = false;
    this.#try((writer) => writer.add(entry));
  }

  #try(write: (writer: SignatureIndexWriter) => void): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    try {
      write(writer);
    } catch {
      this.#fail(writer);
    }
  }

  #fail(writer: SignatureIndexWriter): void {
    this.#failed = true;
    this.#writer = undefined;
    try {
      writer.abandon();
      rmSync(this.#options.newPath, { force: true });
    } catch {
      // A disk that cannot be written: whatever else is on it tells that.
    }
  }
}

/** Makes an index count for the signature files that the archive has now. A failure is no error: the index only saves time. */
export async function keepIndex(
  archive: LocalArchive,
  index: UpdatedIndex,
  files: readonly string[],
): Promise<void> {
  const path = index.kind === 'new' ? index.path : archive.pathOf(indexName);
  try {
    endIndex(path, index.body, digestOfSignatures(files));
    if (index.kind === 'new') await archive.keepAs(path, indexName);
  } catch {
    rmSync(path, { force: true });
  }
}
