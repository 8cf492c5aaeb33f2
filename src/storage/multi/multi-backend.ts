import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import type { EventSink } from '../../base/events.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import type { PutSource, StorageBackend, StoredObject } from '../backend.js';
import { MultiColdStorage } from './cold-stores.js';
import type { MultiOptions } from './config.js';
import { firstToThaw, isStorageFailure, joinFailures, namedFailure } from './failure.js';

/** One of the storages, and what is routed to it. */
export interface Store {
  /** For people: what the configuration calls it, and its address without secrets. */
  label: string;
  backend: StorageBackend;
  /** Beginnings of the names that belong here. */
  prefixes: readonly Latin1[];
}

/**
 * Several stores as one storage.
 *
 * A name that begins with a prefix of some stores is eligible there only; any other name, everywhere. Writes go to
 * eligible stores. Reads ask the eligible stores first and then the others, so that whatever is listed can be read, also
 * after the prefixes have changed.
 */
export class MultiBackend implements StorageBackend {
  readonly description: string;
  readonly promises;
  readonly localPathOf?: (name: string) => string | undefined;
  readonly cold?: MultiColdStorage;
  readonly #stores: readonly Store[];
  readonly #options: Pick<MultiOptions, 'mode' | 'onfail'>;
  readonly #onEvent: EventSink | undefined;
  /** Whose turn it is to take a new object. Every run begins with the first store, as the peer's do. */
  #turn = 0;
  /** Where each object of a stripe lies: replacing it elsewhere would leave the old one to be read. */
  readonly #places = new Map<string, Store>();
  #knowsPlaces = false;

  constructor(
    description: string,
    stores: readonly Store[],
    options: Pick<MultiOptions, 'mode' | 'onfail'>,
    onEvent?: EventSink | undefined,
  ) {
    this.description = description;
    this.#stores = stores;
    this.#options = options;
    this.#onEvent = onEvent;
    this.promises = {
      atomicPut: stores.every(({ backend }) => backend.promises.atomicPut),
      consistentList: stores.every(({ backend }) => backend.promises.consistentList),
    };
    if (stores.some(({ backend }) => backend.localPathOf)) {
      this.localPathOf = (name) => {
        for (const { backend } of this.#readers(name)) {
          const path = backend.localPathOf?.(name);
          if (path !== undefined) return path;
        }
        return undefined;
      };
    }
    if (stores.some(({ backend }) => backend.cold)) {
      this.cold = new MultiColdStorage({
        description,
        stores,
        readersOf: (name) => this.#readers(name),
        onWarning: (text) => this.#warn(text),
      });
    }
  }

  /**
   * Stores an object. With `onfail=continue` it is enough that one store takes it, and the others are told as warnings:
   * a mirror that was away may then still hold an older object of that name.
   */
  async put(name: string, source: PutSource): Promise<void> {
    if (this.#options.mode === 'mirror') return this.#putToAll(name, source);
    if (!this.#knowsPlaces) await this.list();
    const place = this.#places.get(name);
    const taker = await this.#putToOne(place ? [place] : this.#takeTurn(), name, source);
    this.#places.set(name, taker);
  }

  async #putToAll(name: string, source: PutSource): Promise<void> {
    const failures: TundraError[] = [];
    const stores = this.#eligible(name);
    for (const store of stores) {
      try {
        // Each is to have a copy of its own.
        await store.backend.put(name, { ...source, isSpare: false });
      } catch (error) {
        if (!isStorageFailure(error)) throw error;
        const failure = namedFailure(store.label, error);
        if (this.#options.onfail === 'abort') throw failure;
        failures.push(failure);
      }
    }
    if (failures.length === stores.length) throw joinFailures(`no store took ${name}`, failures);
    for (const failure of failures) this.#warn(`${failure.message}; other stores have taken ${name}`);
  }

  /** All stores, from the one whose turn it is; the turn passes on at once, so that calls side by side spread out. */
  #takeTurn(): Store[] {
    const turn = this.#turn;
    this.#turn = (turn + 1) % this.#stores.length;
    return [...this.#stores.slice(turn), ...this.#stores.slice(0, turn)];
  }

  /** Stores an object in the first store that takes it, or with `onfail=abort` in the first one. */
  async #putToOne(stores: readonly Store[], name: string, source: PutSource): Promise<Store> {
    const failures: TundraError[] = [];
    for (const store of stores) {
      try {
        await store.backend.put(name, source);
        for (const failure of failures) this.#warn(`${failure.message}; ${store.label} has taken ${name}`);
        return store;
      } catch (error) {
        if (!isStorageFailure(error)) throw error;
        failures.push(namedFailure(store.label, error));
        if (this.#options.onfail === 'abort') break;
      }
    }
    throw joinFailures(`no store took ${name}`, failures);
  }

  async get(name: string): Promise<ByteStream> {
    const stream = await this.#firstThatHas(name, async ({ backend }) => {
      try {
        return await backend.get(name);
      } catch (error) {
        if (error instanceof TundraError && error.code === 'backend-not-found') return undefined;
        throw error;
      }
    });
    if (stream !== undefined) return stream;
    throw new TundraError('backend-not-found', `no store of ${this.description} has ${displayBytes(name)}`);
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    return this.#firstThatHas(name, ({ backend }) => backend.stat(name));
  }

  /**
   * All objects of all stores. A store that cannot be listed is an error, unless other mirrors were listed for all that
   * is routed to it: half a listing would look like a damaged backup.
   */
  async list(): Promise<StoredObject[]> {
    const results = await Promise.allSettled(this.#stores.map(({ backend }) => backend.list()));
    const failures: TundraError[] = [];
    const answered = this.#stores.filter((_, index) => results[index]!.status === 'fulfilled');
    const union = new Map<string, { object: StoredObject; store: Store }>();
    for (const [index, result] of results.entries()) {
      const store = this.#stores[index]!;
      if (result.status === 'fulfilled') {
        for (const object of result.value) {
          if (!union.has(object.name)) union.set(object.name, { object, store });
        }
        continue;
      }
      if (!isStorageFailure(result.reason)) throw result.reason;
      const failure = namedFailure(store.label, result.reason);
      if (!this.#isMirrored(store, answered)) failures.push(failure);
      else this.#warn(`${failure.message}; the listing is made from the other stores`);
    }
    if (failures.length > 0) throw joinFailures('could not list all stores', failures);
    if (this.#options.mode === 'stripe') {
      for (const [name, { store }] of union) if (!this.#places.has(name)) this.#places.set(name, store);
      this.#knowsPlaces = true;
    }
    return [...union.values()].map(({ object }) => object);
  }

  /** Removes objects from every store that has them; a store that fails does not keep the others from being asked. */
  async remove(names: readonly string[]): Promise<void> {
    const failures: TundraError[] = [];
    for (const { label, backend } of this.#stores) {
      try {
        // One listing costs less than asking for every name, where it can be relied on.
        const present = backend.promises.consistentList
          ? new Set((await backend.list()).map(({ name }) => name))
          : undefined;
        const chosen = names.filter((name) => present?.has(name) ?? true);
        if (chosen.length > 0) await backend.remove(chosen);
      } catch (error) {
        if (!isStorageFailure(error)) throw error;
        failures.push(namedFailure(label, error));
      }
    }
    if (failures.length > 0) throw joinFailures('could not remove from all stores', failures);
    for (const name of names) this.#places.delete(name);
  }

  async close(): Promise<void> {
    const results = await Promise.allSettled(this.#stores.map(({ backend }) => backend.close()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** The stores that a name is written to. */
  #eligible(name: string): readonly Store[] {
    const matching = this.#stores.filter(({ prefixes }) =>
      prefixes.some((prefix) => name.startsWith(prefix)),
    );
    return matching.length > 0 ? matching : this.#stores;
  }

  /**
   * The stores in the order in which a name is looked for. Cold ones come after all others, since asking them may cost;
   * where it is known which of them to read from, only that one.
   */
  #readers(name: string): Store[] {
    const stores = [...new Set([...this.#eligible(name), ...this.#stores])];
    const chosen = this.cold?.chosenFor(name);
    if (chosen !== undefined) return [chosen, ...stores.filter(({ backend }) => backend.cold === undefined)];
    return [
      ...stores.filter(({ backend }) => backend.cold === undefined),
      ...stores.filter(({ backend }) => backend.cold !== undefined),
    ];
  }

  /**
   * The first answer that is not undefined. If there is none, but some store could not answer, its error; before all
   * others that the object is sealed, since it is there then.
   */
  async #firstThatHas<Found>(
    name: string,
    look: (store: Store) => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    const failures: TundraError[] = [];
    for (const store of this.#readers(name)) {
      try {
        const found = await look(store);
        if (found === undefined) continue;
        for (const failure of failures)
          this.#warn(`${failure.message}; ${store.label} has ${displayBytes(name)}`);
        return found;
      } catch (error) {
        if (!isStorageFailure(error)) throw error;
        failures.push(namedFailure(store.label, error));
      }
    }
    const sealed = firstToThaw(failures);
    if (sealed !== undefined) throw sealed;
    if (failures.length > 0) throw joinFailures(`could not find ${displayBytes(name)}`, failures);
    return undefined;
  }

  /** Whether stores that answered hold all that a store should hold. */
  #isMirrored(store: Store, answered: readonly Store[]): boolean {
    if (this.#options.mode !== 'mirror' || answered.length === 0) return false;
    return store.prefixes.every((prefix) => answered.some((other) => other.prefixes.includes(prefix)));
  }

  #warn(text: string): void {
    this.#onEvent?.({ kind: 'message', level: 'warning', text });
  }
}
