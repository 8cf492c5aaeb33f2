import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { errorOfPlain, TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import type { Latin1 } from '../base/path-key.js';
import type { SourceEntry } from '../source/entry.js';
import { EntryBatchReader } from '../source/entry-batch.js';
import type { Owners } from '../source/owners.js';
import type { WalkMessage } from './walk-thread.js';

export const entriesPerBatch = 256;
/** How far the walk may run ahead. */
const batchesAhead = 256;
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

/** The entries that a walking thread sends. Blocks its own thread while there is none. */
export class WalkReader implements Iterable<SourceEntry> {
  readonly #port: MessagePort;
  readonly #gate: WalkGate;
  readonly #onWarnings: (events: OperationEvent[], errors: number) => void;
  /** What it stands at. */
  readonly at: EntryBatchReader;
  #isHeld = false;
  #isInBatch = false;
  #isEnded = false;

  constructor(
    root: Latin1,
    walk: { port: MessagePort; gate: SharedArrayBuffer },
    owners: Owners,
    onWarnings: (events: OperationEvent[], errors: number) => void,
  ) {
    this.#port = walk.port;
    this.#gate = new WalkGate(walk.gate);
    this.#onWarnings = onWarnings;
    this.at = new EntryBatchReader(root, owners);
  }

  /** Steps to the next entry; false at the end. Errors: those of the walk. */
  next(): boolean {
    if (this.#isHeld) {
      this.#isHeld = false;
      return true;
    }
    while (!this.#isInBatch || !this.at.next()) {
      if (this.#isInBatch) this.#gate.leave();
      this.#isInBatch = !this.#isEnded && this.#receive();
      if (!this.#isInBatch) return false;
    }
    return true;
  }

  /** The next step goes nowhere. */
  hold(): void {
    this.#isHeld = true;
  }

  /** The entries from the next step on, as objects. */
  *[Symbol.iterator](): Generator<SourceEntry> {
    while (this.next()) yield this.at.entry();
  }

  /** Begins a batch; false if there is none any more. */
  #receive(): boolean {
    this.#gate.wait();
    const received = receiveMessageOnPort(this.#port) as { message: WalkMessage } | undefined;
    if (received === undefined) throw new TundraError('unexpected', 'a message of the walk was lost');
    const { message } = received;
    if (message.kind === 'failed') throw errorOfPlain(message.error);
    this.#isEnded = message.kind === 'end';
    if (message.kind === 'end') return false;
    if (message.events.length > 0) this.#onWarnings(message.events, message.errors);
    this.at.begin(message.batch);
    return true;
  }
}
