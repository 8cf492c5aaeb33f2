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
  /** How many bytes of volumes to keep there at most, unless the merge cannot go on without one more. */
  budgetBytes: number;
  /** Resolves when a volume can be read. */
  ready(name: string): Promise<void>;
  /**
   * Asks once more for a volume that was ready and was refused, and for those of others that were sealed again too; tells
   * the names of those that must be waited for. In `retryAfterMs` the refused one will be ready, if that is known.
   */
  again(refused: string, others: readonly string[], retryAfterMs: number | undefined): Promise<string[]>;
  sizeOf(volume: FetchableVolume): number;
}

/** How a volume stands. Those that are being fetched, or are here, take room. */
type SpoolState = 'waiting' | 'readable' | 'fetching' | 'here' | 'released' | 'gone';

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
/** A prefix can make names longer than a file's name may be. */
const longestFileName = 200;

/**
 * Brings volumes from cold storage to a folder of the local disk, each as soon as it can be read, and checks them there.
 * The folder is bounded: where it is full, what the merge waits for goes first, and what it has read makes room. What a
 * run that was broken off has left there is used again.
 */
export class VolumeSpool implements VolumeSource {
  readonly #options: SpoolOptions;
  readonly #entries = new Map<FetchableVolume, SpoolEntry>();
  readonly #fetching = new Set<Promise<void>>();
  readonly #closed = new AbortController();
  /** What had to go is gone. */
  #roomMade = Promise.resolve();

  /** @param order the volumes, as the merge comes to them */
  constructor(order: readonly FetchableVolume[], options: SpoolOptions) {
    this.#options = options;
    for (const volume of order) {
      const path = join(options.folder, volume.name.slice(-longestFileName));
      this.#entries.set(volume, newEntry(volume, path, options.sizeOf(volume)));
    }
  }

  /** Takes over what is there already, as far as there is room, and removes what is not wanted. Returns the volumes that
   *  must be read. */
  async open(): Promise<FetchableVolume[]> {
    const { folder, budgetBytes, keepsOthers } = this.#options;
    const failed = (error: unknown): never => {
      throw diskError(error, archivePlace, folder, 'cannot be used');
    };
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch(failed);
    const found = new Set((await readdir(folder).catch(failed)).map((name) => join(folder, name)));
    const remove = async (path: string) => {
      found.delete(path);
      await rm(path, { recursive: true, force: true }).catch(failed);
    };
    const entries = [...this.#entries.values()];
    let heldBytes = 0;
    for (const entry of entries) {
      const { path, sizeBytes } = entry;
      if (!found.has(path)) continue;
      if (heldBytes + sizeBytes > budgetBytes || !(await this.#adopt(entry))) {
        await remove(path);
        continue;
      }
      found.delete(path);
      heldBytes += sizeBytes;
    }
    for (const path of found) if (!keepsOthers || path.endsWith('.part')) await remove(path);
    return entries.filter(({ state }) => state === 'waiting').map(({ volume }) => volume);
  }

  /** Takes a file for the volume if it is that. */
  async #adopt(entry: SpoolEntry): Promise<boolean> {
    const { volume, path, sizeBytes } = entry;
    try {
      const { size } = await stat(path);
      if (size !== sizeBytes || volume.hash === undefined) return false;
      await checkHashOnDisk(volume, path);
    } catch {
      return false;
    }
    await this.#keep(entry);
    return true;
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
    if (entry.state === 'here') entry.state = 'released';
    this.#pump();
  }

  /** Fetches no more, and waits for no thaw: whoever waits for a volume gets an error. */
  giveUp(): void {
    this.#closed.abort();
    for (const { volume, reject } of this.#entries.values()) {
      reject(new TundraError('generic', `${volume.name} is not wanted any more`));
    }
  }

  /** Ends what is under way. The volumes that are here stay for a later run. */
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
      const inTheWay = next && this.#inTheWayOf(next);
      if (next === undefined || inTheWay === undefined) return;
      for (const entry of inTheWay) this.#remove(entry);
      next.state = 'fetching';
      const fetching = this.#fetch(next).finally(() => {
        this.#fetching.delete(fetching);
        this.#pump();
      });
      this.#fetching.add(fetching);
    }
  }

  /** What was read and must go, oldest first, to make room for a volume; undefined if there cannot be room. */
  #inTheWayOf({ sizeBytes, isWanted }: SpoolEntry): SpoolEntry[] | undefined {
    const entries = [...this.#entries.values()];
    let overBytes = entries
      .filter(({ state }) => state === 'fetching' || state === 'here' || state === 'released')
      .reduce((sum, held) => sum + held.sizeBytes, sizeBytes - this.#options.budgetBytes);
    const inTheWay: SpoolEntry[] = [];
    for (const entry of entries) {
      if (overBytes <= 0) break;
      if (entry.state !== 'released') continue;
      inTheWay.push(entry);
      overBytes -= entry.sizeBytes;
    }
    return overBytes <= 0 || isWanted ? inTheWay : undefined;
  }

  #remove(entry: SpoolEntry): void {
    entry.state = 'gone';
    this.#roomMade = this.#roomMade.then(() => rm(entry.path, { force: true }).catch(() => {}));
  }

  async #fetch(entry: SpoolEntry): Promise<void> {
    const { volume, path } = entry;
    const part = `${path}.part`;
    const { signal } = this.#closed;
    try {
      await this.#roomMade;
      await bringVolume(volume, part, archivePlace, this.#options, signal);
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      const isSealed = error instanceof TundraError && error.code === 'backend-sealed';
      if (signal.aborted || !isSealed) {
        entry.state = 'gone';
        entry.reject(withAdvice(diskError(error, archivePlace, path, 'cannot be written')));
        return;
      }
      await this.#thawAgain(entry, error);
      return;
    }
    await this.#keep(entry);
  }

  /**
   * The volume was ready, and has been sealed again before its turn came. So may have been those that come next: as many
   * as there is room for are asked for with it, lest each be waited for in turn.
   */
  async #thawAgain(entry: SpoolEntry, { retryAfterMs }: TundraError): Promise<void> {
    const others = this.#nextReadable(this.#options.budgetBytes - entry.sizeBytes);
    const names = others.map(({ volume }) => volume.name);
    try {
      const waiting = new Set(await this.#options.again(entry.volume.name, names, retryAfterMs));
      for (const other of others) {
        if (other.state === 'readable' && waiting.has(other.volume.name)) this.#awaitThaw(other);
      }
      this.#awaitThaw(entry);
    } catch (error) {
      entry.state = 'gone';
      entry.reject(error);
    }
  }

  /** What the merge comes to next and was ready when it was looked at last, up to so many bytes. */
  #nextReadable(limitBytes: number): SpoolEntry[] {
    const next: SpoolEntry[] = [];
    let sizeBytes = 0;
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'readable') continue;
      sizeBytes += entry.sizeBytes;
      if (sizeBytes > limitBytes) break;
      next.push(entry);
    }
    return next;
  }

  /** The volume is here, with the right hash. It stays for a later run also if this one cannot open it. */
  async #keep(entry: SpoolEntry): Promise<void> {
    const { volume, path } = entry;
    entry.state = 'here';
    try {
      const hasHash = volume.hash !== undefined;
      entry.resolve({ path, checked: await this.#options.opener.check(path, volume, volume.name, hasHash) });
    } catch (error) {
      entry.reject(error);
    }
  }
}

/** A full disk can also be left more room by keeping less on it. */
function withAdvice(error: TundraError): TundraError {
  if (error.code !== 'no-free-space') return error;
  return new TundraError(error.code, error.message, {
    cause: error,
    advice:
      'Free some space there, choose another folder with --archive-dir, or keep less there with --spool-size. ' +
      'The same command goes on from what is there.',
  });
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
