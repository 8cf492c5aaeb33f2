import { messageOf, TundraError } from '../base/errors.js';
import type { ThawCounts } from '../base/events.js';
import type { ColdObject, ColdStorage } from '../storage/backend.js';

export interface ThawOptions {
  cold: ColdStorage;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Waits, at most until the signal is given; that is no error. */
  sleep(ms: number, signal: AbortSignal): Promise<unknown>;
  onProgress(progress: ThawCounts): void;
  onWarning(text: string): void;
  /** An object that this run asked for can be read. */
  onThawed(object: ColdObject, waitedMs: number): void;
}

interface Waited {
  object: ColdObject;
  /** When this run asked for it. */
  askedAtMs: number | undefined;
  /** The storage has refused it and said so: until then it is not ready, whatever a listing says. */
  notBeforeMs: number;
  /** It can be read, or nobody will wait for it any more. */
  isSettled: boolean;
  ready: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
/** Beyond this the wait is long, and nobody is asked more than once a minute. */
const longWaitMs = 2 * minuteMs;
/** A storage may come to other terms than it said at first. */
const longestSleepMs = 10 * minuteMs;
/** What a storage says in whole seconds may be this much early. */
const roundingMs = 300;
/** A network may be gone for long in a wait of hours. */
const mostFailures = 30;

/**
 * Has objects of cold storage thawed, all at once, and tells as each of them can be read. How they stand is asked for
 * with one listing for all, when the storage's own answer says that something will have changed.
 */
export class Thaw {
  readonly #options: ThawOptions;
  readonly #waited = new Map<string, Waited>();
  #startedAtMs = 0;
  #failures = 0;
  #watching = Promise.resolve();
  #isWatching = false;
  #stopped = false;
  #sleeping = new AbortController();

  constructor(options: ThawOptions) {
    this.#options = options;
  }

  /** Looks how the objects stand and asks for those that nobody has asked for yet. Names that are not in cold storage
   *  count as ready. */
  async begin(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    this.#startedAtMs = this.#options.now();
    const wanted = new Set(names);
    const found = (await this.#options.cold.survey()).filter(({ name }) => wanted.has(name));
    for (const object of found) this.#waited.set(object.name, newWaited(object));
    await this.#ask(found.filter(({ state }) => state === 'sealed').map(({ name }) => name));
    for (const waited of this.#pending()) if (waited.object.state === 'ready') waited.resolve();
    this.#report();
    this.#watch();
  }

  /** How the objects stand. */
  get objects(): ColdObject[] {
    return [...this.#waited.values()].map(({ object }) => object);
  }

  /** Resolves when an object can be read. */
  ready(name: string): Promise<void> {
    return this.#waited.get(name)?.ready ?? Promise.resolve();
  }

  /**
   * Asks once more for an object that was ready and was refused, and for those of others that were sealed again too.
   *
   * @param retryAfterMs how long it will take, as the refusal said
   * @returns the names of those that must be waited for again
   */
  async again(refused: string, others: readonly string[] = [], retryAfterMs = 0): Promise<string[]> {
    const askedAtMs = this.#options.now();
    const objects = await this.#options.cold.thaw([refused, ...others]);
    if (!objects.some(({ name }) => name === refused))
      throw new TundraError('backend', `${refused} is sealed, and cannot be asked for`);
    const again = objects.filter(({ name, state }) => name === refused || state !== 'ready');
    for (const object of again) {
      const waited = newWaited(object);
      if (object.state === 'ready') {
        // The storage contradicts itself. To believe it at once would be to ask again and again without a pause.
        waited.notBeforeMs = askedAtMs + retryAfterMs;
        waited.object = { ...object, state: 'thawing', readyAtMs: waited.notBeforeMs };
      } else {
        waited.askedAtMs = askedAtMs;
      }
      this.#waited.set(object.name, waited);
    }
    // They may be ready before the others are.
    this.#sleeping.abort();
    this.#watch();
    return again.map(({ name }) => name);
  }

  /** Resolves when all can be read. */
  async allReady(): Promise<void> {
    await Promise.all([...this.#waited.values()].map(({ ready }) => ready));
  }

  /** Waits no longer: what is not ready now never will be, for those who wait here. What was asked for goes on thawing. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sleeping.abort();
    await this.#watching;
  }

  async #ask(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const askedAtMs = this.#options.now();
    for (const object of await this.#options.cold.thaw(names)) {
      const waited = this.#waited.get(object.name);
      if (waited === undefined) continue;
      waited.object = object;
      waited.askedAtMs = askedAtMs;
      if (object.state === 'ready') waited.resolve();
    }
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#watching = this.#poll();
  }

  async #poll(): Promise<void> {
    while (!this.#stopped && this.#pending().length > 0) {
      await this.#sleep();
      if (this.#stopped) break;
      try {
        await this.#look();
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        this.#options.onWarning(`could not ask how the thaw stands: ${messageOf(error)}`);
        if (this.#failures < mostFailures && error instanceof TundraError) continue;
        this.#failures = 0;
        for (const waited of this.#pending()) waited.reject(error);
      }
    }
    // At once with the last look at what is pending: who comes later must find that nobody watches.
    this.#isWatching = false;
  }

  async #look(): Promise<void> {
    const { cold, now, onThawed } = this.#options;
    const states = new Map((await cold.survey()).map((object) => [object.name, object]));
    const sealed: string[] = [];
    for (const waited of this.#pending()) {
      const object = states.get(waited.object.name);
      if (object === undefined) {
        await this.#lookFor(waited);
        continue;
      }
      if (object.state === 'ready' && now() < waited.notBeforeMs) continue;
      waited.object = object;
      if (object.state === 'sealed') sealed.push(object.name);
      if (object.state !== 'ready') continue;
      waited.resolve();
      if (waited.askedAtMs !== undefined) onThawed(object, now() - waited.askedAtMs);
    }
    // Asked for and not on its way: the storage has forgotten it, or it was sealed again before anybody looked.
    await this.#ask(sealed);
    this.#report();
  }

  /** An object that the listing does not show any more may have got into hot storage, be gone, or be shown again later. */
  async #lookFor(waited: Waited): Promise<void> {
    const { name } = waited.object;
    try {
      const [object = { ...waited.object, state: 'ready' as const }] = await this.#options.cold.thaw([name]);
      waited.object = object;
      if (object.state === 'ready') waited.resolve();
    } catch (error) {
      if (!(error instanceof TundraError) || error.code !== 'backend-not-found') throw error;
      waited.reject(new TundraError('backend-not-found', `${name} has gone from the storage`));
    }
  }

  #pending(): Waited[] {
    return [...this.#waited.values()].filter(({ isSettled }) => !isSettled);
  }

  /** Until something will have changed. */
  #delayMs(): number {
    const nowMs = this.#options.now();
    const known = this.#pending().flatMap(({ object }) => object.readyAtMs ?? []);
    const soonestMs = known.length === 0 ? undefined : Math.max(Math.min(...known) - nowMs, 0) + roundingMs;
    const elapsedMs = nowMs - this.#startedAtMs;
    const wantedMs = soonestMs ?? elapsedMs / 4;
    const isLong = elapsedMs > longWaitMs || wantedMs > longWaitMs;
    const leastMs = isLong ? minuteMs : Math.min(secondMs * 2 ** this.#failures, minuteMs);
    return Math.min(Math.max(wantedMs, leastMs), longestSleepMs);
  }

  async #sleep(): Promise<void> {
    while (!this.#stopped) {
      this.#sleeping = new AbortController();
      const { signal } = this.#sleeping;
      await this.#options.sleep(this.#delayMs(), signal);
      if (!signal.aborted) return;
    }
  }

  #report(): void {
    this.#options.onProgress(progressOf(this.objects));
  }
}

/** Sums up how objects stand. */
export function progressOf(objects: readonly ColdObject[]): ThawCounts {
  const states: ThawCounts['states'] = {
    sealed: { objects: 0, sizeBytes: 0 },
    thawing: { objects: 0, sizeBytes: 0 },
    ready: { objects: 0, sizeBytes: 0 },
  };
  let readyAtMs: number | undefined;
  let isKnown = true;
  for (const object of objects) {
    const sum = states[object.state];
    sum.objects++;
    sum.sizeBytes += object.sizeBytes;
    if (object.state === 'ready') continue;
    if (object.readyAtMs === undefined) isKnown = false;
    else readyAtMs = Math.max(readyAtMs ?? 0, object.readyAtMs);
  }
  return { states, readyAtMs: isKnown ? readyAtMs : undefined };
}

function newWaited(object: ColdObject): Waited {
  let whenReady = () => {};
  let whenFailed: Waited['reject'] = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    whenReady = resolve;
    whenFailed = reject;
  });
  // A failure is told to whoever waits, which may be later or never.
  ready.catch(() => {});
  const waited: Waited = {
    object,
    askedAtMs: undefined,
    notBeforeMs: 0,
    isSettled: false,
    ready,
    resolve: () => {
      waited.isSettled = true;
      whenReady();
    },
    reject: (error) => {
      waited.isSettled = true;
      whenFailed(error);
    },
  };
  return waited;
}
