import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TundraError } from '../base/errors.js';
import { archivePlace, diskError } from '../base/local-disk.js';
import type { Opener } from '../seal/cipher.js';
import { type BringOptions, bringVolume, checkHashOnDisk, type FetchableVolume } from './bring.js';
import type { FetchedVolume, VolumeSource } from './fetcher.js';

export interface SpoolOptions extends BringOptions {
  opener: Opener;
  /** Where the volumes are kept: it outlives the run. */
  folder: string;
  /** Volumes there that are not wanted stay. */
  keepsOthers: boolean;
  /** How many bytes of volumes to keep there at most, unless one alone takes more. */
  budgetBytes: number;
  /** Resolves when a volume can be read. */
  ready(name: string): Promise<void>;
  /** Asks for a volume once more, which was ready and was sealed again. */
  again(name: string): Promise<void>;
  sizeOf(volume: FetchableVolume): number;
}

type SpoolState = 'waiting' | 'readable' | 'fetching' | 'spooled' | 'released';

interface SpoolEntry {
  volume: FetchableVolume;
  path: string;
  sizeBytes: number;
  state: SpoolState;
  /** The merge waits for it. */
  isWanted: boolean;
  fetched: Promise<FetchedVolume>;
  resolve(fetched: FetchedVolume): void;
  reject(error: unknown): void;
}

const fetchesAtOnce = 4;

/**
 * Brings volumes from cold storage to a folder of the local disk, each as soon as it can be read, and checks them there.
 * The folder is bounded: where it is full, what the merge needs next goes first, and what it has read makes room. What
 * a run that was broken off has left there is used again.
 */
export class VolumeSpool implements VolumeSource {
  readonly #options: SpoolOptions;
  readonly #entries = new Map<FetchableVolume, SpoolEntry>();
  readonly #fetching = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  /** @param order the volumes, as the merge comes to them */
  constructor(order: readonly FetchableVolume[], options: SpoolOptions) {
    this.#options = options;
    for (const volume of order) {
      const path = join(options.folder, volume.name);
      this.#entries.set(volume, newEntry(volume, path, options.sizeOf(volume)));
    }
  }

  /** Takes over what is there already, and removes what is not wanted. Returns the volumes that must be read. */
  async open(): Promise<FetchableVolume[]> {
    const { folder, keepsOthers } = this.#options;
    const failed = (error: unknown): never => {
      throw diskError(error, archivePlace, folder, 'cannot be used');
    };
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch(failed);
    const wanted = new Map([...this.#entries.values()].map((entry) => [entry.volume.name, entry]));
    for (const name of await readdir(folder).catch(failed)) {
      const entry = wanted.get(name);
      const isOther = entry === undefined && !name.endsWith('.part');
      if (isOther && keepsOthers) continue;
      if (entry === undefined || !(await this.#adopt(entry))) await rm(join(folder, name), { force: true });
    }
    return [...this.#entries.values()].filter(({ state }) => state === 'waiting').map(({ volume }) => volume);
  }

  async #adopt(entry: SpoolEntry): Promise<boolean> {
    const { volume } = entry;
    try {
      const { size } = await stat(entry.path);
      if (size !== entry.sizeBytes || volume.hash === undefined) return false;
      await checkHashOnDisk(volume, entry.path);
      const isChecked = await this.#options.opener.check(entry.path, volume, volume.name);
      entry.state = 'spooled';
      entry.resolve({ path: entry.path, isChecked });
      return true;
    } catch {
      return false;
    }
  }

  start(): void {
    for (const entry of this.#entries.values()) if (entry.state === 'waiting') this.#awaitThaw(entry);
  }

  async take(volume: FetchableVolume): Promise<FetchedVolume> {
    const entry = this.#entryOf(volume);
    entry.isWanted = true;
    this.#pump();
    return entry.fetched;
  }

  /** The volume has been read: it may make room. */
  async release(volume: FetchableVolume): Promise<void> {
    const entry = this.#entryOf(volume);
    if (entry.state === 'spooled') entry.state = 'released';
    this.#pump();
  }

  giveUp(): void {
    this.#closed.abort();
  }

  /** Ends what is under way. The spooled volumes stay for a later run. */
  async close(): Promise<void> {
    this.giveUp();
    await Promise.all(this.#fetching);
  }

  #entryOf(volume: FetchableVolume): SpoolEntry {
    const entry = this.#entries.get(volume);
    if (entry === undefined) throw new Error(`${volume.name} is not in the plan`);
    return entry;
  }

  #awaitThaw(entry: SpoolEntry): void {
    entry.state = 'waiting';
    this.#options.ready(entry.volume.name).then(
      () => {
        entry.state = 'readable';
        this.#pump();
      },
      (error) => entry.reject(error),
    );
  }

  /** Starts as many downloads as there may be. */
  #pump(): void {
    while (!this.#closed.signal.aborted && this.#fetching.size < fetchesAtOnce) {
      const readable = [...this.#entries.values()].filter(({ state }) => state === 'readable');
      const next = readable.find(({ isWanted }) => isWanted) ?? readable[0];
      if (next === undefined || !this.#makeRoom(next)) return;
      next.state = 'fetching';
      const fetching = this.#fetch(next).finally(() => {
        this.#fetching.delete(fetching);
        this.#pump();
      });
      this.#fetching.add(fetching);
    }
  }

  /** Whether a volume may be fetched now. What was read goes, oldest first, if that is what it takes. */
  #makeRoom(next: SpoolEntry): boolean {
    const held = [...this.#entries.values()].filter(
      ({ state, path }) =>
        path !== '' && (state === 'fetching' || state === 'spooled' || state === 'released'),
    );
    let overBytes =
      held.reduce((sum, { sizeBytes }) => sum + sizeBytes, next.sizeBytes) - this.#options.budgetBytes;
    for (const entry of held) {
      if (overBytes <= 0) return true;
      if (entry.state !== 'released') continue;
      overBytes -= entry.sizeBytes;
      const { path } = entry;
      entry.path = '';
      rm(path, { force: true }).catch(() => {});
    }
    return overBytes <= 0 || next.isWanted;
  }

  async #fetch(entry: SpoolEntry): Promise<void> {
    const { volume, path } = entry;
    const part = `${path}.part`;
    try {
      await bringVolume(volume, part, archivePlace, this.#options, this.#closed.signal);
      const isChecked = await this.#options.opener.check(part, volume, volume.name);
      await rename(part, path);
      entry.state = 'spooled';
      entry.resolve({ path, isChecked });
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      if (this.#closed.signal.aborted || !(error instanceof TundraError) || error.code !== 'backend-sealed') {
        entry.reject(error);
        return;
      }
      // It was ready, and has been sealed again before its turn came.
      try {
        await this.#options.again(volume.name);
        this.#awaitThaw(entry);
      } catch (failure) {
        entry.reject(failure);
      }
    }
  }
}

function newEntry(volume: FetchableVolume, path: string, sizeBytes: number): SpoolEntry {
  let resolve: SpoolEntry['resolve'] = () => {};
  let reject: SpoolEntry['reject'] = () => {};
  const fetched = new Promise<FetchedVolume>((whenFetched, whenFailed) => {
    resolve = whenFetched;
    reject = whenFailed;
  });
  // A failure is told to whoever takes the volume, which may be later or never.
  fetched.catch(() => {});
  return { volume, path, sizeBytes, state: 'waiting', isWanted: false, fetched, resolve, reject };
}
