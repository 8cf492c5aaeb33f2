import { TundraError } from '../../base/errors.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import type { ColdObject, ColdStorage } from '../backend.js';
import { isStorageFailure, joinFailures, namedFailure } from './failure.js';
import type { Store } from './multi-backend.js';

/** How the stores of a multi storage are asked. */
export interface ColdStores {
  description: string;
  stores: readonly Store[];
  /** The stores in the order in which a name is looked for. */
  readersOf(name: Latin1): readonly Store[];
  onWarning(text: string): void;
}

const order = { ready: 0, thawing: 1, sealed: 2 };

/** Whether an object can be read earlier than another copy of it. */
function isNearer(one: ColdObject, other: ColdObject): boolean {
  if (one.state !== other.state) return order[one.state] < order[other.state];
  return (one.readyAtMs ?? Number.POSITIVE_INFINITY) < (other.readyAtMs ?? Number.POSITIVE_INFINITY);
}

/**
 * The cold stores of a multi storage as one. Of an object that several of them hold the copy that can be read first
 * counts; what a store that is not cold holds too is not cold.
 */
export class MultiColdStorage implements ColdStorage {
  readonly #stores: ColdStores;
  /** Where the copy of each object lies that counted last. */
  readonly #chosen = new Map<Latin1, Store>();

  constructor(stores: ColdStores) {
    this.#stores = stores;
  }

  /** The cold store that an object is read from, as far as is known: reading it from another may be to ask for it. */
  chosenFor(name: Latin1): Store | undefined {
    return this.#chosen.get(name);
  }

  async survey(): Promise<ColdObject[]> {
    return [...(await this.#nearest()).values()].map(({ object }) => object);
  }

  async thaw(names: readonly Latin1[]): Promise<ColdObject[]> {
    const nearest = await this.#nearest();
    const wanted = new Map<Store, Latin1[]>();
    for (const name of new Set(names)) {
      const store = nearest.get(name)?.store ?? (await this.#find(name));
      if (store.backend.cold === undefined) continue;
      wanted.set(store, [...(wanted.get(store) ?? []), name]);
      this.#chosen.set(name, store);
    }
    const asked = await Promise.all(
      [...wanted].map(([store, chosen]) => named(store, () => store.backend.cold!.thaw(chosen))),
    );
    return asked.flat();
  }

  /** For each cold object the copy that can be read first. */
  async #nearest(): Promise<Map<Latin1, { object: ColdObject; store: Store }>> {
    const { stores, onWarning } = this.#stores;
    const isCold = ({ backend }: Store) => backend.cold !== undefined;
    const [surveys, listings] = await Promise.all([
      Promise.all(stores.filter(isCold).map((store) => named(store, () => store.backend.cold!.survey()))),
      Promise.allSettled(
        stores.filter((store) => !isCold(store)).map((store) => named(store, () => store.backend.list())),
      ),
    ]);
    const nearest = new Map<Latin1, { object: ColdObject; store: Store }>();
    for (const [index, store] of stores.filter(isCold).entries()) {
      for (const object of surveys[index]!) {
        const other = nearest.get(object.name);
        if (other === undefined || isNearer(object, other.object))
          nearest.set(object.name, { object, store });
      }
    }
    for (const listing of listings) {
      if (listing.status === 'fulfilled') for (const { name } of listing.value) nearest.delete(name);
      else if (!isStorageFailure(listing.reason)) throw listing.reason;
      else onWarning(`${listing.reason.message}; only cold stores count`);
    }
    this.#chosen.clear();
    for (const [name, { store }] of nearest) this.#chosen.set(name, store);
    return nearest;
  }

  /** The store that holds an object which no survey shows. */
  async #find(name: Latin1): Promise<Store> {
    const failures: TundraError[] = [];
    for (const store of this.#stores.readersOf(name)) {
      try {
        if ((await store.backend.stat(name)) !== undefined) return store;
      } catch (error) {
        if (!isStorageFailure(error)) throw error;
        failures.push(namedFailure(store.label, error));
      }
    }
    if (failures.length > 0) throw joinFailures(`could not find ${displayBytes(name)}`, failures);
    const text = `no store of ${this.#stores.description} has ${displayBytes(name)}`;
    throw new TundraError('backend-not-found', text);
  }
}

/** What a store gives; its errors begin with its name. */
async function named<Result>({ label }: Store, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw isStorageFailure(error) ? namedFailure(label, error) : error;
  }
}
