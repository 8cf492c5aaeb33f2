import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { errorOfPlain, TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import type { Latin1 } from '../base/path-key.js';
import type { SourceEntry } from '../source/entry.js';
import { unpackEntries } from '../source/entry-batch.js';
import type { Owners } from '../source/owners.js';
import type { WalkMessage } from './walk-thread.js';

export const entriesPerBatch = 256;
/** How far the walk may run ahead. */
const batchesAhead = 64;
const announcedAt = 0;
const freeAt = 1;

/** Counts messages on their way between the walk and its reader; either side may block on it. */
export class WalkGate {
  readonly #counts: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#counts = new Int32Array(buffer);
  }

  static create(): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(8);
    new Int32Array(buffer)[freeAt] = batchesAhead;
    return buffer;
  }

  /** The walk waits until its reader has room for a batch. */
  enter(): void {
    take(this.#counts, freeAt);
  }

  /** The walk has sent a message. */
  announce(): void {
    give(this.#counts, announcedAt);
  }

  /** The reader waits for a message. */
  wait(): void {
    take(this.#counts, announcedAt);
  }

  /** The reader has taken a batch. */
  leave(): void {
    give(this.#counts, freeAt);
  }
}

function take(counts: Int32Array, at: number): void {
  for (;;) {
    const count = Atomics.load(counts, at);
    if (count === 0) Atomics.wait(counts, at, 0);
    else if (Atomics.compareExchange(counts, at, count, count - 1) === count) return;
  }
}

function give(counts: Int32Array, at: number): void {
  Atomics.add(counts, at, 1);
  Atomics.notify(counts, at, 1);
}

/** The entries that a walking thread sends; blocks its own thread while there is none. */
export function* entriesOfWalk(
  root: Latin1,
  port: MessagePort,
  gateBuffer: SharedArrayBuffer,
  owners: Owners,
  onWarnings: (events: OperationEvent[], errors: number) => void,
): Generator<SourceEntry> {
  const gate = new WalkGate(gateBuffer);
  for (;;) {
    gate.wait();
    const received = receiveMessageOnPort(port) as { message: WalkMessage } | undefined;
    if (received === undefined) throw new TundraError('unexpected', 'a message of the walk was lost');
    const { message } = received;
    if (message.kind === 'end') return;
    if (message.kind === 'failed') throw errorOfPlain(message.error);
    if (message.events.length > 0) onWarnings(message.events, message.errors);
    yield* unpackEntries(message.batch, root, owners);
    gate.leave();
  }
}
