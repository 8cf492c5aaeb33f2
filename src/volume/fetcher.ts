import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { TundraError } from '../base/errors.js';
import { Gate } from '../base/gate.js';
import { diskError, temporaryPlace } from '../base/local-disk.js';
import type { Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';

/** A volume to fetch. */
export interface FetchableVolume {
  name: string;
  hash: { algorithm: string; hex: string } | undefined;
  encrypted: boolean;
  compressed: boolean;
}

/** A volume that can be opened. */
export interface FetchedVolume {
  path: string;
  /** Whether its integrity was checked already. */
  isChecked: boolean;
}

export interface FetcherOptions {
  backend: StorageBackend;
  /** Names a new file for a volume on its way. */
  spoolPath(name: string): string;
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
 * Brings volumes to the local disk and checks their hashes and integrity, a few ahead of the reader, in the order they will be asked
 * for. On a storage that is a local folder they are read in place.
 */
export class VolumeFetcher {
  readonly #options: FetcherOptions;
  readonly #order: readonly FetchableVolume[];
  readonly #fetched = new Map<FetchableVolume, Promise<Fetched>>();
  readonly #atOnce = new Gate(fetchesAtOnce);
  #next = 0;
  #closed = false;

  /** @param order the volumes, as the merge comes to them */
  constructor(order: readonly FetchableVolume[], options: FetcherOptions) {
    this.#order = order;
    this.#options = options;
  }

  /** Begins to fetch the first volumes. */
  start(): void {
    for (const first of this.#order.slice(0, this.#options.ahead)) this.#start(first);
  }

  /** The local file of a volume, once its hash has been checked. */
  async take(volume: FetchableVolume): Promise<FetchedVolume> {
    const wanted = this.#start(volume);
    this.#next = Math.max(this.#next, this.#order.indexOf(volume) + 1);
    for (const next of this.#order.slice(this.#next, this.#next + this.#options.ahead)) this.#start(next);
    return wanted;
  }

  /** The volume has been read. */
  async release(volume: FetchableVolume): Promise<void> {
    const fetched = this.#fetched.get(volume);
    this.#fetched.delete(volume);
    await removeSpooled(fetched);
  }

  /** Removes all that was fetched; what is still on its way is given up. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#fetched.values()].map(removeSpooled));
    this.#fetched.clear();
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
    this.#throwIfClosed(volume.name);
    const { path, isSpooled } = await this.#bring(volume);
    try {
      return { path, isSpooled, isChecked: await this.#options.opener.check(path, volume, volume.name) };
    } catch (error) {
      if (isSpooled) await rm(path, { force: true });
      throw error;
    }
  }

  async #bring({ name, hash }: FetchableVolume): Promise<Pick<Fetched, 'path' | 'isSpooled'>> {
    const { backend, spoolPath } = this.#options;
    const digest = newDigest(name, hash?.algorithm ?? 'SHA1');
    const local = backend.localPathOf?.(name);
    if (local !== undefined) {
      if (hash !== undefined) this.#check(name, hash, await hashFile(local, digest, name));
      return { path: local, isSpooled: false };
    }
    const path = spoolPath(name);
    const failed = (error: unknown): never => {
      throw diskError(error, temporaryPlace, path, 'cannot be written');
    };
    const file = await open(path, 'wx', 0o600).catch(failed);
    try {
      for await (const piece of await backend.get(name)) {
        this.#throwIfClosed(name);
        digest.update(piece);
        for (let done = 0; done < piece.length; )
          done += (await file.write(piece, done).catch(failed)).bytesWritten;
      }
      if (hash !== undefined) this.#check(name, hash, digest.digest('hex'));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return { path, isSpooled: true };
  }

  #throwIfClosed(name: string): void {
    if (this.#closed) throw new TundraError('generic', `${name} is not wanted any more`);
  }

  #check(name: string, expected: { algorithm: string; hex: string }, actual: string): void {
    if (actual === expected.hex.toLowerCase()) return;
    throw new TundraError(
      'hash-mismatch',
      `Invalid data - ${expected.algorithm} hash mismatch for file:\n ${name}\n` +
        ` Calculated hash: ${actual}\n Manifest hash: ${expected.hex}`,
      {
        advice:
          'The volume is damaged on the storage or on its way. Try again; if it stays so, restore an earlier time.',
      },
    );
  }
}

async function removeSpooled(fetching: Promise<Fetched> | undefined): Promise<void> {
  const fetched = await fetching?.catch(() => undefined);
  if (fetched?.isSpooled) await rm(fetched.path, { force: true });
}

function newDigest(name: string, algorithm: string): Hash {
  try {
    return createHash(algorithm.toLowerCase());
  } catch (cause) {
    throw new TundraError(
      'unreadable-manifests',
      `${name}: the manifest has a hash of an unknown kind: ${algorithm}`,
      { cause },
    );
  }
}

async function hashFile(path: string, digest: Hash, name: string): Promise<string> {
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 512 * 1024 }))
      digest.update(piece as Buffer);
  } catch (cause) {
    throw new TundraError('backend-not-found', `${name} cannot be read from the storage`, { cause });
  }
  return digest.digest('hex');
}
