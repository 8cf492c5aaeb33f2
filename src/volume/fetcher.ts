import { rm } from 'node:fs/promises';
import { Gate } from '../base/gate.js';
import { temporaryPlace } from '../base/local-disk.js';
import type { CheckedFile, Opener } from '../seal/cipher.js';
import {
  type BringOptions,
  bringVolume,
  checkHashOnDisk,
  type FetchableVolume,
  throwIfAborted,
} from './bring.js';
import { HashThread } from './hash-thread.js';

export type { FetchableVolume } from './bring.js';

/** A volume that can be opened. */
export interface FetchedVolume {
  path: string;
  /** If its integrity was checked already. */
  checked: CheckedFile | undefined;
}

/** Where opened volumes come from. */
export interface VolumeSource {
  /** Begins to fetch. */
  start(): void;
  /** The local file of a volume, once its hash has been checked. */
  take(volume: FetchableVolume): Promise<FetchedVolume>;
  /** The volume has been read. */
  release(volume: FetchableVolume): Promise<void>;
  /** Fetches no more: what is on its way ends with an error. What was fetched stays until it is closed. */
  giveUp(): void;
  close(): Promise<void>;
}

export interface FetcherOptions extends BringOptions {
  /** Names a new file for a volume on its way. */
  spoolPath(name: string): string;
  /** How many volumes are in use at once: with so many the reader begins. */
  inUse: number;
  /** How many volumes to have ready beside those in use. */
  ahead: number;
  opener: Opener;
}

/** More at once would take memory without being faster. */
const fetchesAtOnce = 4;

interface Fetched extends FetchedVolume {
  /** Whether the file is ours to remove. */
  isSpooled: boolean;
}

/**
 * Brings volumes to the local disk and checks their hashes, or else their integrity, a few ahead of the reader, in the order they will be asked
 * for. On a storage that is a local folder they are read in place.
 */
export class VolumeFetcher implements VolumeSource {
  readonly #options: FetcherOptions;
  readonly #order: readonly FetchableVolume[];
  readonly #fetched = new Map<FetchableVolume, Promise<Fetched>>();
  readonly #atOnce = new Gate(fetchesAtOnce);
  readonly #hashThread = new HashThread();
  readonly #closed = new AbortController();
  /** Not to be fetched ahead once more. */
  readonly #released = new Set<FetchableVolume>();

  /** @param order the volumes, as the merge comes to them */
  constructor(order: readonly FetchableVolume[], options: FetcherOptions) {
    this.#order = order;
    this.#options = options;
  }

  start(): void {
    const { inUse, ahead } = this.#options;
    for (const first of this.#order.slice(0, Math.max(inUse, ahead))) this.#start(first);
  }

  async take(volume: FetchableVolume): Promise<FetchedVolume> {
    const wanted = this.#start(volume);
    const next = this.#order.indexOf(volume) + 1;
    for (const following of this.#order.slice(next, next + this.#options.ahead)) {
      if (!this.#released.has(following)) this.#start(following);
    }
    return wanted;
  }

  async release(volume: FetchableVolume): Promise<void> {
    const fetched = this.#fetched.get(volume);
    this.#fetched.delete(volume);
    this.#released.add(volume);
    await removeSpooled(fetched);
  }

  giveUp(): void {
    this.#closed.abort();
  }

  /** Removes all that was fetched; what is still on its way is given up. */
  async close(): Promise<void> {
    this.giveUp();
    await Promise.all([...this.#fetched.values()].map(removeSpooled));
    this.#fetched.clear();
    await this.#hashThread.close();
  }

  #start(volume: FetchableVolume): Promise<Fetched> {
    let fetching = this.#fetched.get(volume);
    if (fetching === undefined) {
      fetching = this.#atOnce.run(() => this.#fetch(volume));
      // A failure is told to whoever takes the volume, which may be later or never.
      fetching.catch(() => {});
      this.#fetched.set(volume, fetching);
    }
    return fetching;
  }

  async #fetch(volume: FetchableVolume): Promise<Fetched> {
    throwIfAborted(this.#closed.signal, volume.name);
    const { backend, spoolPath } = this.#options;
    const local = backend.localPathOf?.(volume.name);
    if (local !== undefined) return this.#checkInPlace(volume, local);
    const path = spoolPath(volume.name);
    await bringVolume(volume, path, temporaryPlace, this.#options, this.#closed.signal);
    try {
      return { path, isSpooled: true, checked: await this.#check(volume, path) };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** What is checked is the file as it stands before its hash is compared; a wrong hash is told before all else. */
  async #checkInPlace(volume: FetchableVolume, path: string): Promise<Fetched> {
    let hashing: Promise<void> | undefined;
    const compareHash = () => {
      hashing ??= checkHashOnDisk(volume, path, this.#hashThread);
      hashing.catch(() => {});
      return hashing;
    };
    const checked = await this.#check(volume, path, compareHash).catch(async (error: unknown) => {
      await compareHash();
      throw error;
    });
    compareHash();
    // Beside the hash: the key is there by then. What is wrong with it is told by whoever opens the volume.
    if (volume.encrypted && volume.hash !== undefined)
      await this.#options.opener.checkKey(path, volume.name).catch(() => {});
    await compareHash();
    return { path, isSpooled: false, checked };
  }

  #check(volume: FetchableVolume, path: string, onStamped?: () => void): Promise<CheckedFile | undefined> {
    return this.#options.opener.check(path, volume, volume.name, volume.hash !== undefined, onStamped);
  }
}

async function removeSpooled(fetching: Promise<Fetched> | undefined): Promise<void> {
  const fetched = await fetching?.catch(() => undefined);
  if (fetched?.isSpooled) await rm(fetched.path, { force: true });
}
