import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { isWithin, type PathKey } from '../base/path-key.js';
import type { FileChange, VolumeRecord } from '../format/manifest.js';
import { type ListedFile, listedFiles } from './metadata.js';
import { endIndex, type IndexBody } from './signature-index.js';
import { SignatureIndexReader } from './signature-index-reader.js';
import { SignatureIndexWriter } from './signature-index-writer.js';
import { SignatureStore } from './signature-store.js';

/** What a volume may hold. */
export type VolumeRange = Pick<VolumeRecord, 'number' | 'startKey' | 'endKey'>;

/** A set of a chain, with what its metadata tells. */
export interface MappedSet {
  /** As the manifest has them, ascending. */
  volumes: readonly VolumeRange[];
  /** The plain manifest, to read its file list from. */
  manifest(): ByteStream;
  /** Its local signature file. */
  signatures: string;
}

export interface RestoreMap {
  /** For each set, the numbers of the volumes that hold bytes of what is wanted. */
  needed: Set<number>[];
  /** Paths that are wanted. */
  entries: number;
}

/** A map is of one run: there is nothing it could be out of step with. */
const mapDigest = Buffer.alloc(20);

/** Opens the index that `mapRestore` has written. */
export function openRestoreMap(indexPath: string): SignatureIndexReader {
  const reader = SignatureIndexReader.open(indexPath, mapDigest);
  if (reader === undefined) throw new TundraError('unexpected', `${indexPath} is gone or damaged`);
  return reader;
}

/**
 * Finds the very volumes that a restore needs, from hot metadata alone: the signatures tell which sets have something of
 * a path, and what came last; the file lists, whether a set holds a file whole or as a difference to what was before.
 *
 * What there is to restore goes to an index at `indexPath`: each wanted path with the set that has its newest state.
 * Volumes that are left out may tell of deletions, so that only with this list the rest is read rightly.
 *
 * @param sets of one chain, oldest first
 * Errors: those of the signature files and manifests.
 */
export async function mapRestore(
  sets: readonly MappedSet[],
  wanted: PathKey,
  indexPath: string,
): Promise<RestoreMap> {
  const needed = sets.map(() => new Set<number>());
  const ranges = sets.map(({ volumes }) => new VolumeRanges(volumes));
  const lists = sets.map(({ manifest }) => new FileList(manifest()));
  const store = new SignatureStore(sets.map(({ signatures }) => signatures));
  const index = new SignatureIndexWriter(indexPath);
  let entries = 0;
  let body: IndexBody;
  try {
    for (;;) {
      const next = store.next();
      const newest = next instanceof Promise ? await next : next;
      if (newest === undefined) break;
      const { key } = newest;
      if (!isWithin(key, wanted)) {
        // Behind the wanted paths in order: nothing more can come.
        if (key > wanted) break;
        continue;
      }
      const changes = await Promise.all(store.versions().map(({ file }) => lists[file]!.changeOf(key)));
      if (newest.kind === 'deleted') continue;
      entries++;
      index.add({
        key,
        kind: newest.kind,
        attributes: newest.attributes,
        file: newest.file,
        startBytes: newest.startBytes,
        changeTimeMs: 0,
      });
      for (const { file } of contributing(store.versions(), changes)) {
        for (const number of ranges[file]!.holding(key)) needed[file]!.add(number);
      }
    }
    body = index.finish();
  } catch (error) {
    index.abandon();
    throw error;
  } finally {
    await store.close();
    await Promise.all(lists.map((list) => list.close()));
  }
  endIndex(indexPath, body, mapDigest);
  return { needed, entries };
}

type Version = ReturnType<SignatureStore['versions']>[number];

/** The versions that the newest one is made of, newest first: differences down to a whole copy. */
function contributing(versions: readonly Version[], changes: readonly (FileChange | undefined)[]): Version[] {
  const found: Version[] = [];
  for (let i = versions.length - 1; i >= 0; i--) {
    const version = versions[i]!;
    const isFile = version.kind === 'signature';
    // What comes after something that was no file can be no difference to it.
    if (found.length > 0 && !isFile) break;
    found.push(version);
    // A file that the list does not tell of may be a difference.
    if (!isFile || changes[i] === 'new') break;
  }
  return found;
}

/** Finds the volumes of a set that hold a path. Paths are asked for in order. */
class VolumeRanges {
  readonly #volumes: readonly VolumeRange[];
  #first = 0;

  constructor(volumes: readonly VolumeRange[]) {
    this.#volumes = volumes;
  }

  holding(key: PathKey): number[] {
    const volumes = this.#volumes;
    while (this.#first < volumes.length && volumes[this.#first]!.endKey < key) this.#first++;
    const numbers: number[] = [];
    for (let i = this.#first; i < volumes.length && volumes[i]!.startKey <= key; i++) {
      numbers.push(volumes[i]!.number);
    }
    return numbers;
  }
}

/** The file list of a manifest as it streams in. One that is not in path order tells nothing. */
class FileList {
  readonly #entries: AsyncGenerator<ListedFile>;
  #head: ListedFile | undefined;
  #isAtEnd = false;

  constructor(manifest: ByteStream) {
    this.#entries = listedFiles(manifest);
  }

  /** What the set did to a path. Paths are asked for in order. */
  async changeOf(key: PathKey): Promise<FileChange | undefined> {
    while (!this.#isAtEnd && (this.#head === undefined || this.#head.key < key)) {
      const { done, value } = await this.#entries.next();
      const isInOrder = done !== true && (this.#head === undefined || value.key > this.#head.key);
      this.#isAtEnd = !isInOrder;
      this.#head = isInOrder ? value : undefined;
    }
    return this.#head?.key === key ? this.#head.change : undefined;
  }

  async close(): Promise<void> {
    await this.#entries.return(undefined);
  }
}
