import { setTimeout as sleep } from 'node:timers/promises';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';

/**
 * A thread that is ended while it is inside koffi takes the whole process with it: a native call that finds its thread
 * ending cannot even throw. So native calls go through a gate, which is closed before their thread is ended.
 */

const key = 'tundra native gate';
const open = 0;
const inside = 1;
const closed = 2;

/** The outer side, for whoever starts a thread and ends it. */
export class NativeGate {
  readonly #state: Int32Array;

  private constructor(state: Int32Array) {
    this.#state = state;
  }

  /** The gate of the thread that is started next. */
  static ofNextThread(): NativeGate {
    const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    setEnvironmentData(key, state);
    return new NativeGate(state);
  }

  /** Resolves when the thread is outside, and will not go in any more: it then waits to be ended. */
  async close(): Promise<void> {
    while (Atomics.compareExchange(this.#state, 0, open, closed) === inside) await sleep(1);
  }
}

const state = isMainThread ? undefined : (getEnvironmentData(key) as Int32Array | undefined);

/** Makes a native call. In a thread whose gate is closed it does not come back. */
export function throughNativeGate<T>(call: () => T): T {
  if (state === undefined) return call();
  while (Atomics.compareExchange(state, 0, open, inside) === closed) Atomics.wait(state, 0, closed);
  try {
    return call();
  } finally {
    Atomics.store(state, 0, open);
  }
}
