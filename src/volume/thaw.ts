import { messageOf, TundraError } from '../base/errors.js';
import type { ThawCounts } from '../base/events.js';
import type { ColdObject, ColdStorage } from '../storage/backend.js';

export interface ThawOptions {
  cold: ColdStorage;
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(ms: number): Promise<unknown>;
  onProgress(progress: ThawCounts): void;
  onWarning(text: string): void;
  /** An object that this run asked for can be read. */
  onThawed(object: ColdObject, waitedMs: number): void;
}

interface Waited {
  object: ColdObject;
  askedAtMs: number | undefined;
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
  #watching: Promise<void> | undefined;
  #stopped = false;
  #wake = () => {};

  constructor(options: ThawOptions) {
    this.#options = options;
  }

  /** Looks how the objects stand and asks for those that nobody has asked for yet. Names that are not in cold storage
   *  count as ready. */
  async begin(names: readonly string[]): Promise<void> {
    this.#startedAtMs = this.#options.now();
    const wanted = new Set(names);
    const found = (await this.#options.cold.survey()).filter(({ name }) => wanted.has(name));
    for (const object of found) this.#waited.set(object.name, newWaited(object));
    await this.#ask(found.filter(({ state }) => state === 'sealed').map(({ name }) => name));
    for (const waited of this.#waited.values()) if (waited.object.state === 'ready') waited.resolve();
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

  /** Asks for an object again that was ready and could not be read any more. */
  async again(name: string): Promise<void> {
    const before = this.#waited.get(name)?.object;
    const [object] = await this.#options.cold.thaw([name]);
    if (object === undefined) throw new TundraError('backend', `${name} is sealed, and cannot be asked for`);
    const waited = newWaited({ ...before, ...object });
    waited.askedAtMs = this.#options.now();
    this.#waited.set(name, waited);
    if (object.state === 'ready') waited.resolve();
    this.#watch();
  }

  /** Resolves when all can be read. */
  async allReady(): Promise<void> {
    await Promise.all([...this.#waited.values()].map(({ ready }) => ready));
  }

  /** Waits no longer. What was asked for goes on thawing. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
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
    }
  }

  #watch(): void {
    this.#watching ??= this.#poll().finally(() => {
      this.#watching = undefined;
    });
  }

  async #poll(): Promise<void> {
    for (let failures = 0; !this.#stopped && this.#pending().length > 0; ) {
      await this.#sleep(this.#delayMs());
      if (this.#stopped) return;
      try {
        await this.#look();
        failures = 0;
      } catch (error) {
        failures++;
        this.#options.onWarning(`could not ask how the thaw stands: ${messageOf(error)}`);
        if (failures < mostFailures && error instanceof TundraError) continue;
        for (const waited of this.#pending()) waited.reject(error);
        return;
      }
    }
  }

  async #look(): Promise<void> {
    const states = new Map((await this.#options.cold.survey()).map((object) => [object.name, object]));
    const sealed: string[] = [];
    for (const waited of this.#pending()) {
      const { name } = waited.object;
      const object = states.get(name);
      if (object === undefined) {
        waited.reject(new TundraError('backend-not-found', `${name} has gone from the storage`));
        this.#waited.delete(name);
        continue;
      }
      waited.object = object;
      if (object.state === 'sealed') sealed.push(name);
      if (object.state !== 'ready') continue;
      waited.resolve();
      if (waited.askedAtMs !== undefined) {
        this.#options.onThawed(object, this.#options.now() - waited.askedAtMs);
      }
    }
    // Asked for and not on its way: the storage has forgotten it, or it was sealed again before anybody looked.
    await this.#ask(sealed);
    this.#report();
  }

  #pending(): Waited[] {
    return [...this.#waited.values()].filter(({ object }) => object.state !== 'ready');
  }

  /** Until something will have changed. */
  #delayMs(): number {
    const nowMs = this.#options.now();
    const known = this.#pending().flatMap(({ object }) => object.readyAtMs ?? []);
    const soonestMs = known.length === 0 ? undefined : Math.max(Math.min(...known) - nowMs, 0) + roundingMs;
    const elapsedMs = nowMs - this.#startedAtMs;
    const wantedMs = soonestMs ?? elapsedMs / 4;
    const isLong = elapsedMs > longWaitMs || wantedMs > longWaitMs;
    return Math.min(Math.max(wantedMs, isLong ? minuteMs : secondMs), longestSleepMs);
  }

  async #sleep(ms: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (!this.#stopped) await Promise.race([this.#options.sleep(ms), woken]);
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
  let resolve = () => {};
  let reject: Waited['reject'] = () => {};
  const ready = new Promise<void>((whenReady, whenFailed) => {
    resolve = whenReady;
    reject = whenFailed;
  });
  // A failure is told to whoever waits, which may be later or never.
  ready.catch(() => {});
  return { object, askedAtMs: undefined, ready, resolve, reject };
}
