import { TundraError } from '../../base/errors.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import type { ColdObject, ColdStorage, StoredObject, ThawState } from '../backend.js';
import { retryAfterOf, statusFailure } from './failure.js';
import type { HttpAnswer } from './http.js';
import type { ObjectHead } from './object-head.js';
import { sideBySide } from './side-by-side.js';

/** What the archive's states mean. */
const states: ReadonlyMap<string, ThawState> = new Map([
  ['sealed', 'sealed'],
  ['unsealing', 'thawing'],
  ['unsealed', 'ready'],
]);

/** An object as the archive describes it, in a listing or in its headers. */
export type ArchivedObject = StoredObject & Pick<ObjectHead, 'retrievalState' | 'retrievalDelaySeconds'>;

/** What the archive is asked by. */
export interface ArchiveCalls {
  description: string;
  list(): Promise<ArchivedObject[]>;
  look(name: Latin1): Promise<ArchivedObject | undefined>;
  /** Asks for an object's bytes; 429 comes as an answer. */
  request(name: Latin1): Promise<HttpAnswer>;
}

/** How long a 429 says that an object is still sealed. Undefined if it is no answer of that kind. */
export function sealedForMs({ status, headers }: HttpAnswer): number | undefined {
  // Without a time it only slows a caller down.
  return status === 429 ? retryAfterOf(headers, Date.now()) : undefined;
}

/** The error for an object that cannot be read yet. */
export function sealedFailure(name: Latin1, description: string, retryAfterMs: number): TundraError {
  const minutes = Math.ceil(retryAfterMs / 60_000);
  const text = `${displayBytes(name)} in ${description} is sealed, and can be read in about ${minutes} minutes`;
  return new TundraError('backend-sealed', text, { retryAfterMs });
}

/**
 * Public Cloud Archive: Swift whose objects are sealed once written. A GET of a sealed one starts its unsealing and is
 * answered by 429 with the seconds it takes; so is any further one until it is done. Listings and HEAD tell how objects
 * stand and start nothing.
 */
export class SwiftArchive implements ColdStorage {
  readonly #calls: ArchiveCalls;

  constructor(calls: ArchiveCalls) {
    this.#calls = calls;
  }

  async survey(): Promise<ColdObject[]> {
    const objects = await this.#calls.list();
    return objects.map((object) => this.#coldObject(object)).filter((object) => object !== undefined);
  }

  async thaw(names: readonly Latin1[]): Promise<ColdObject[]> {
    const listed = new Map((await this.#calls.list()).map((object) => [object.name, object]));
    const results = await sideBySide([...new Set(names)], (name) => this.#thaw(name, listed.get(name)));
    return results.filter((object) => object !== undefined);
  }

  /** Asks for one object, unless that was done already. Undefined if it is in no archive. */
  async #thaw(name: Latin1, listed: ArchivedObject | undefined): Promise<ColdObject | undefined> {
    const { description, look, request } = this.#calls;
    // A listing may not show yet what was stored just now.
    const found = listed ?? (await look(name));
    if (found === undefined) {
      throw new TundraError('backend-not-found', `${displayBytes(name)} is not in ${description}`);
    }
    const object = this.#coldObject(found);
    if (object?.state !== 'sealed') return object;
    const answer = await request(name);
    await answer.drop();
    if (answer.status !== 429) return { ...object, state: 'ready' };
    const waitMs = sealedForMs(answer);
    if (waitMs !== undefined) return { ...object, state: 'thawing', readyAtMs: Date.now() + waitMs };
    const action = `ask for ${displayBytes(name)} in ${description}`;
    throw statusFailure(action, answer.status, answer.headers, Date.now());
  }

  #coldObject(object: ArchivedObject): ColdObject | undefined {
    const { name, sizeBytes, retrievalState, retrievalDelaySeconds } = object;
    if (retrievalState === undefined) return undefined;
    const state = states.get(retrievalState) ?? 'sealed';
    const isTold = state === 'thawing' && retrievalDelaySeconds !== undefined;
    return {
      name,
      sizeBytes,
      state,
      storageClass: 'pca',
      store: this.#calls.description,
      ...(isTold && { readyAtMs: Date.now() + retrievalDelaySeconds * 1000 }),
    };
  }
}
