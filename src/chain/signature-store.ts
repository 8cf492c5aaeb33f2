import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import type { Attributes } from '../base/attributes.js';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { PathHeap } from '../base/path-heap.js';
import type { PathKey } from '../base/path-key.js';
import { parseSigtarName, type SigtarKind } from '../format/sigtar.js';
import type { TarHeader } from '../format/tar/header.js';
import { TarReader } from '../format/tar/read.js';
import { isGzipped } from './archive.js';

const piecesAhead = 4;

/** What the signatures of a chain say of one path. */
export interface SignatureEntry {
  key: PathKey;
  /** `signature`: a regular file, its signature can be read; `snapshot`: any other type; `deleted`: gone. */
  kind: SigtarKind;
  /** Attributes as the sigtar holds them; owner and group still by number and name. */
  attributes: Attributes;
  /** Which signature file of the chain tells it, 0 for the full set's. */
  file: number;
  /** Where it begins in the plain bytes of that file. */
  startBytes: number;
  /** From the index, see `IndexEntry`; the files do not tell: 0. */
  changeTimeMs: number;
}

/** The newest signatures of a chain, as a comparison reads them. */
export interface KnownSignatures {
  /** Goes on to the next path; undefined at the end. A promise only where bytes must be read first. */
  next(): SignatureEntry | undefined | Promise<SignatureEntry | undefined>;
  /** The data of the entry that `next` gave, piece by piece: the signature of a regular file. */
  data(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/**
 * The newest signature of each path of a chain, in path order: a streaming merge over the signature files of its sets.
 * Memory grows with the number of sets by a few buffers each, never with the number of paths.
 */
export class SignatureStore implements KnownSignatures {
  readonly #sources: SignatureSource[];
  readonly #waiting = new PathHeap<SignatureSource>();
  /** Sources that stand on the current path, oldest first; before the first call, all of them. */
  #current: SignatureSource[];

  /** @param files local signature files, plain or gzipped by their name, oldest set first */
  constructor(files: readonly string[]) {
    this.#sources = files.map((file, age) => new SignatureSource(file, age, files.length));
    this.#current = this.#sources;
  }

  /**
   * Goes on to the next path. Returns its newest entry, also when that says `deleted`; undefined at the end.
   * Returns a promise only when bytes must be read first.
   */
  next(): SignatureEntry | undefined | Promise<SignatureEntry | undefined> {
    const sources = this.#current;
    for (let i = 0; i < sources.length; i++) {
      if (!(sources[i] as SignatureSource).advance()) return this.#finishLater(sources, i);
    }
    return this.#settle(sources);
  }

  /** What each set says of the path of the entry that `next` gave, oldest first. */
  versions(): SignatureEntry[] {
    return this.#current.map(({ entry }) => entry as SignatureEntry);
  }

  /** The data of the entry that `next` gave, piece by piece: the signature of a regular file. */
  async *data(): AsyncGenerator<Uint8Array> {
    const newest = this.#current.at(-1);
    if (newest !== undefined) yield* newest.data();
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  async #finishLater(sources: SignatureSource[], from: number): Promise<SignatureEntry | undefined> {
    for (let i = from; i < sources.length; i++) {
      const source = sources[i] as SignatureSource;
      while (!source.advance()) await source.fill();
    }
    return this.#settle(sources);
  }

  /** Puts the sources that went on back in order and takes out those that stand on the lowest path. */
  #settle(moved: SignatureSource[]): SignatureEntry | undefined {
    const waiting = this.#waiting;
    for (const source of moved) waiting.push(source);
    const lowest = waiting.peek()?.key;
    const current: SignatureSource[] = [];
    while (lowest !== undefined && waiting.peek()?.key === lowest) {
      current.push(waiting.pop() as SignatureSource);
    }
    this.#current = current;
    return current.at(-1)?.entry;
  }
}

/** One signature file, read entry by entry. */
class SignatureSource {
  readonly age: number;
  readonly #reader: TarReader;
  readonly #file: string;
  entry: SignatureEntry | undefined;
  key: PathKey | undefined;

  /**
   * @param age 0 for the full set, counting up
   * @param filesAtOnce how many are read side by side
   */
  constructor(file: string, age: number, filesAtOnce: number) {
    const readBytes = readBytesFor(filesAtOnce);
    this.age = age;
    this.#file = file;
    this.#reader = new TarReader(openSignatureFile(file, readBytes), file);
  }

  /** Moves to the next entry if it is buffered; false asks for `fill`. At the end `entry` is undefined. */
  advance(): boolean {
    const header = this.#reader.poll();
    if (header === 'more') return false;
    this.entry = header === undefined ? undefined : entryOf(header, this.age, this.#reader.entryAt);
    const key = this.entry?.key;
    if (key !== undefined && this.key !== undefined && key <= this.key) {
      throw new TundraError('format', `${this.#file}: signatures are not in path order`);
    }
    this.key = key;
    return true;
  }

  fill(): Promise<void> {
    return this.#reader.fill();
  }

  async *data(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = this.#reader.pollBody();
      if (piece === undefined) return;
      if (piece === 'more') await this.#reader.fill();
      else yield piece;
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

function entryOf(header: TarHeader, file: number, startBytes: number): SignatureEntry {
  const { kind, key } = parseSigtarName(header.name);
  return { key, kind, attributes: header, file, startBytes, changeTimeMs: 0 };
}

/** With more files than that open at once, each is to take little memory. */
export const fewSignatureFiles = 16;

/** How much to read at once of each of so many signature files. */
export function readBytesFor(filesAtOnce: number): number {
  return filesAtOnce > fewSignatureFiles ? 16 * 1024 : 128 * 1024;
}

/** Streams a local signature file as plain bytes. Damage is a TundraError that says which file to remove. */
export async function* openSignatureFile(file: string, readBytes: number): ByteStream {
  const raw = createReadStream(file, { highWaterMark: readBytes });
  // Unpacking runs ahead by some pieces, so that reader and thread pool work at the same time.
  const ahead = { chunkSize: readBytes, readableHighWaterMark: piecesAhead * readBytes };
  const plain = isGzipped(file) ? raw.pipe(createGunzip(ahead)) : raw;
  raw.on('error', (error) => plain.destroy(error));
  try {
    for await (const piece of plain) yield piece as Buffer;
  } catch (cause) {
    if (cause instanceof TundraError) throw cause;
    throw damagedSignatures(file, cause);
  } finally {
    raw.destroy();
    plain.destroy();
  }
}

export function damagedSignatures(file: string, cause: unknown): TundraError {
  return new TundraError('bad-archive-dir', `${file} is damaged`, {
    cause,
    advice: 'Remove this file: the next run fetches it again from the storage.',
  });
}
