import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import type { ColdStorage, PutSource, StorageBackend, StoredObject } from '../backend.js';
import type { RetryOptions } from '../wrappers/retry.js';
import { type ArchivedObject, SwiftArchive, sealedFailure, sealedForMs } from './cold.js';
import type { Container } from './container.js';
import { statusFailure } from './failure.js';
import type { HttpAnswer } from './http.js';
import { putLargeObject, putStretch } from './large-upload.js';
import { listObjects } from './listing.js';
import { headOf, type ObjectHead } from './object-head.js';
import { readObject } from './reading.js';
import { removeObject, removeSegments } from './removal.js';
import { segmentSizeFor } from './segment-names.js';
import { sideBySide } from './side-by-side.js';
import { checksumsOf, SourceCursor } from './source-cursor.js';

export interface SwiftSettings {
  description: string;
  container: Container;
  /** What the paths of all objects begin with: empty, or with a slash at its end. */
  prefix: Latin1;
  /** Its objects are sealed once written. */
  isArchive: boolean;
  /** From which size on objects are stored in segments; 0 for only where they must be. */
  segmentSizeBytes: number;
  /** How often what was begun is taken up again. */
  tries: RetryOptions;
  timeoutMs: number;
  /** How many entries of a listing are asked for at a time; undefined for what the storage gives. */
  listPageSize?: number | undefined;
  onWarning(text: string): void;
  /** Called when the storage is closed. */
  release(): Promise<void>;
}

/** The objects below a prefix of a Swift container. */
export class SwiftBackend implements StorageBackend {
  readonly description: string;
  readonly promises = { atomicPut: true, consistentList: false };
  readonly cold?: ColdStorage;
  readonly #settings: SwiftSettings;
  readonly #container: Container;

  constructor(settings: SwiftSettings) {
    this.#settings = settings;
    this.#container = settings.container;
    this.description = settings.description;
    if (!settings.isArchive) return;
    this.cold = new SwiftArchive({
      description: this.description,
      list: () => this.#list(true),
      look: async (name) => {
        const head = await this.#head(name);
        return head && { name, ...head };
      },
      request: (name) => this.#request(name, {}, [429]),
    });
  }

  async put(name: string, source: PutSource): Promise<void> {
    const { segmentSizeBytes, tries, onWarning } = this.#settings;
    const path = this.#pathOf(name);
    const segmentBytes = segmentSizeFor(source.sizeBytes, segmentSizeBytes);
    const sums = await checksumsOf(source, segmentBytes ?? Number.POSITIVE_INFINITY, displayBytes(name));
    await this.#container.ensure();
    const action = this.#action('store', name);
    const old = await headOf(this.#container, path, action);
    let segments: readonly Latin1[] = [];
    if (segmentBytes === undefined) await this.#putPlain(path, source, sums[0]!, action);
    else {
      const what = { action, owner: this.description, container: this.#container, path, old };
      segments = await putLargeObject({ ...what, source, segmentBytes, sums, tries, nowMs: Date.now() });
    }
    try {
      // Uploads that were interrupted have left segments too.
      if (segmentBytes !== undefined)
        await removeSegments(this.#container, path, { kind: 'static' }, segments, action);
      if (old !== undefined) await removeSegments(this.#container, path, old.kind, segments, action);
    } catch (error) {
      if (!(error instanceof TundraError)) throw error;
      onWarning(`${this.description}: segments of an older ${displayBytes(name)} stay: ${error.message}`);
    }
  }

  async get(name: string): Promise<ByteStream> {
    const { isArchive, tries, timeoutMs } = this.#settings;
    return readObject({
      owner: this.description,
      name: displayBytes(name),
      tries,
      idleMs: timeoutMs,
      request: async (headers) => {
        const answer = await this.#request(name, headers, isArchive ? [412, 429] : [412]);
        if (answer.status !== 429) return answer;
        await answer.drop();
        const waitMs = sealedForMs(answer);
        if (waitMs !== undefined) throw sealedFailure(name, this.description, waitMs);
        throw statusFailure(this.#action('read', name), answer.status, answer.headers, Date.now());
      },
    });
  }

  async list(): Promise<StoredObject[]> {
    const objects = await this.#list(false);
    return objects.map(({ name, sizeBytes }) => ({ name, sizeBytes }));
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    const head = await this.#head(name);
    return head && { name, sizeBytes: head.sizeBytes };
  }

  async remove(names: readonly string[]): Promise<void> {
    await sideBySide(names, (name) => this.#remove(name));
  }

  async close(): Promise<void> {
    await this.#settings.release();
  }

  async #putPlain(path: Latin1, source: PutSource, etag: string, action: string): Promise<void> {
    const cursor = new SourceCursor(source);
    const stretch = { etag, from: 0, sizeBytes: source.sizeBytes };
    try {
      await putStretch(this.#container, `${this.#container.name}/${path}`, cursor, stretch, action);
    } catch (error) {
      throw cursor.failure ? cursor.failure.error : error;
    } finally {
      await cursor.close();
    }
  }

  /** All objects with their real sizes. */
  async #list(withRetrieval: boolean): Promise<ArchivedObject[]> {
    const { prefix, listPageSize } = this.#settings;
    const action = `list ${this.description}`;
    const objects: ArchivedObject[] = [];
    const options = { action, prefix, isFlat: true, withRetrieval, pageSize: listPageSize };
    for await (const { path, ...object } of listObjects(this.#container, options)) {
      if (path.length > prefix.length) objects.push({ ...object, name: path.slice(prefix.length) });
    }
    // The manifest of a dynamic large object is listed as empty.
    const empty = objects.filter(({ sizeBytes }) => sizeBytes === 0);
    const heads = await sideBySide(empty, ({ name }) => this.#head(name));
    const sizes = new Map(empty.map(({ name }, index) => [name, heads[index]?.sizeBytes]));
    return objects
      .map((object) => (sizes.has(object.name) ? { ...object, sizeBytes: sizes.get(object.name) } : object))
      .filter((object): object is ArchivedObject => object.sizeBytes !== undefined);
  }

  #remove(name: string): Promise<void> {
    const { isArchive } = this.#settings;
    return removeObject(this.#container, this.#pathOf(name), isArchive, this.#action('remove', name));
  }

  #head(name: string): Promise<ObjectHead | undefined> {
    return headOf(this.#container, this.#pathOf(name), this.#action('look for', name));
  }

  #request(name: string, headers: Record<string, string>, accept: readonly number[]): Promise<HttpAnswer> {
    const path = `${this.#container.name}/${this.#pathOf(name)}`;
    return this.#container.call({ action: this.#action('read', name), method: 'GET', path, headers, accept });
  }

  #action(verb: string, name: string): string {
    return `${verb} ${displayBytes(name)} in ${this.description}`;
  }

  #pathOf(name: string): Latin1 {
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
      const text = `${JSON.stringify(name)} cannot name an object in ${this.description}`;
      throw new TundraError('backend', text);
    }
    return this.#settings.prefix + name;
  }
}
