import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { displayBytes } from '../../base/path-key.js';
import type { BackendPromises, ColdObject, PutSource, StorageBackend, StoredObject } from '../backend.js';
import { openLocal } from '../local/local-backend.js';
import { recordsFolderName, type ThawRecord, ThawRecords } from './thaw-records.js';
import { type ThawTimes, thawDurationMs } from './thaw-times.js';

/**
 * Opens the cold storage in a folder (a native path), which is made if it is missing. Objects are plain files; how their
 * thaws stand is kept in the folder as well, by the clock on the wall. An object that is stored again is sealed again, also
 * if that fails. Reading and asking write to the folder: a line of the log for each.
 *
 * @param now milliseconds since the epoch; a test passes its own
 */
export async function openColdFile(
  folder: string,
  description: string,
  times: ThawTimes,
  now: () => number = Date.now,
): Promise<StorageBackend> {
  const files = await openLocal(folder, description);
  return new ColdFileBackend(files, new ThawRecords(folder), times, now);
}

/** There is no `localPathOf`: it would be a way around the seal. */
class ColdFileBackend implements StorageBackend {
  readonly description: string;
  readonly promises: BackendPromises;
  readonly cold = {
    survey: () => this.#survey(),
    thaw: (names: readonly string[]) => this.#thaw(names),
  };
  readonly #files: StorageBackend;
  readonly #records: ThawRecords;
  readonly #times: ThawTimes;
  readonly #now: () => number;

  constructor(files: StorageBackend, records: ThawRecords, times: ThawTimes, now: () => number) {
    this.description = files.description;
    this.promises = files.promises;
    this.#files = files;
    this.#records = records;
    this.#times = times;
    this.#now = now;
  }

  async put(name: string, source: PutSource): Promise<void> {
    if (name === recordsFolderName) {
      throw new TundraError('backend', `${name} cannot name an object in ${this.description}`);
    }
    // Before, lest a kill in the middle leave a new object that can be read; after, for thaws asked for meanwhile.
    await this.#records.forget(name);
    await this.#files.put(name, source);
    await this.#records.forget(name);
  }

  /** As the contract says; of an object that is not ready, `retryAfterMs` tells when it is, or would be if asked for. */
  async get(name: string): Promise<ByteStream> {
    const stream = await this.#files.get(name);
    const nowMs = this.#now();
    const record = this.#records.read(name);
    const state = stateOf(record, nowMs);
    if (state === 'ready') {
      await this.#records.log('get', name, nowMs);
      return stream;
    }
    await this.#records.log('refused', name, nowMs);
    const what = `${displayBytes(name)} in ${this.description} is`;
    // Trying again is for whoever asks for thaws, not for the retries around every call: hence no `retry`.
    if (state === 'thawing') {
      const readyAtMs = record!.readyAtMs;
      throw new TundraError('backend-sealed', `${what} thawing until ${new Date(readyAtMs).toISOString()}`, {
        advice: 'It was asked for: read it when it is ready.',
        retryAfterMs: readyAtMs - nowMs,
      });
    }
    const durationMs = thawDurationMs(this.#times, name);
    throw new TundraError('backend-sealed', `${what} sealed`, {
      advice: `Ask for its thaw first, which takes ${durationMs / 1000} s here; reading it does not start one.`,
      retryAfterMs: durationMs,
    });
  }

  list(): Promise<StoredObject[]> {
    return this.#files.list();
  }

  stat(name: string): Promise<StoredObject | undefined> {
    return this.#files.stat(name);
  }

  async remove(names: readonly string[]): Promise<void> {
    await this.#files.remove(names);
    for (const name of names) await this.#records.forget(name);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  async #survey(): Promise<ColdObject[]> {
    const objects = await this.#files.list();
    const records = await this.#records.readAll(objects.map(({ name }) => name));
    const nowMs = this.#now();
    return objects.map((object) => this.#coldObject(object, records.get(object.name), nowMs));
  }

  async #thaw(names: readonly string[]): Promise<ColdObject[]> {
    const objects: StoredObject[] = [];
    for (const name of new Set(names)) {
      const object = await this.#files.stat(name);
      if (object === undefined) {
        const text = `${displayBytes(name)} is not there in ${this.description}`;
        throw new TundraError('backend-not-found', text);
      }
      objects.push(object);
    }
    const asked: ColdObject[] = [];
    for (const object of objects) {
      const { name } = object;
      const nowMs = this.#now();
      let record = this.#records.read(name);
      if (stateOf(record, nowMs) === 'sealed') {
        const readyAtMs = nowMs + thawDurationMs(this.#times, name);
        const readyUntilMs = readyAtMs + this.#times.keepMs;
        record = await this.#records.start(name, { askedAtMs: nowMs, readyAtMs, readyUntilMs });
      }
      asked.push(this.#coldObject(object, record, nowMs));
    }
    return asked;
  }

  #coldObject(object: StoredObject, record: ThawRecord | undefined, nowMs: number): ColdObject {
    const state = stateOf(record, nowMs);
    return {
      ...object,
      state,
      storageClass: 'cold+file',
      store: this.description,
      ...(state === 'thawing' && { readyAtMs: record!.readyAtMs }),
      ...(state === 'ready' && { readyUntilMs: record!.readyUntilMs }),
    };
  }
}

function stateOf(record: ThawRecord | undefined, nowMs: number): ColdObject['state'] {
  if (record === undefined || nowMs >= record.readyUntilMs) return 'sealed';
  return nowMs < record.readyAtMs ? 'thawing' : 'ready';
}
