import { setTimeout as sleep } from 'node:timers/promises';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';

/**
 * A thread that is ended while it is inside koffi takes the whole process with it: a native call that finds its thread
 * ending cannot even throw. So native calls go through a gate, which is closed before their thread is ended: by whoever ends
 * it, and when the process ends, which ends all of its threads.
 */

const key = 'tundra native gate';
/** A gate's state is 0 or more of these. */
const inside = 1;
const closed = 2;

/** A call that takes longer than this hangs, as one to a network's file system may. */
const longestCallMs = 2000;

/** Of the threads that may still run. */
const gates = new Set<NativeGate>();

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
    const gate = new NativeGate(state);
    if (gates.size === 0) process.once('exit', closeAll);
    gates.add(gate);
    return gate;
  }

  /** Resolves when the thread is outside, and will not go in any more: it then waits to be ended. */
  async close(): Promise<void> {
    Atomics.or(this.#state, 0, closed);
    while (Atomics.load(this.#state, 0) !== closed) await sleep(1);
  }

  /** The same, without letting anything else run meanwhile; gives up at `deadlineMs`. */
  closeNow(deadlineMs: number): void {
    Atomics.or(this.#state, 0, closed);
    Atomics.wait(this.#state, 0, inside | closed, Math.max(0, deadlineMs - Date.now()));
  }

  /** To be called when the thread has ended. */
  forget(): void {
    gates.delete(this);
    if (gates.size === 0) process.off('exit', closeAll);
  }
}

function closeAll(): void {
  const deadlineMs = Date.now() + longestCallMs;
  for (const gate of gates) gate.closeNow(deadlineMs);
}

const state = isMainThread ? undefined : (getEnvironmentData(key) as Int32Array | undefined);

/** Makes a native call. In a thread whose gate is closed it does not come back. */
export function throughNativeGate<T>(call: () => T): T {
  if (state === undefined) return call();
  while (Atomics.compareExchange(state, 0, 0, inside) === closed) Atomics.wait(state, 0, closed);
  try {
    return call();
  } finally {
    Atomics.and(state, 0, closed);
    Atomics.notify(state, 0);
  }
}
