import { TundraError } from '../base/errors.js';

/** What becomes of each share. */
const atWork = 0;
const done = 1;
const givenUp = 2;

/** How far the shares of a run are: one 32-bit number each, in memory that all threads see. */
export class ShareProgress {
  readonly memory: SharedArrayBuffer;
  readonly #states: Int32Array;

  /** @param shares how many there are, or the `memory` of them that another thread began with */
  constructor(shares: number | SharedArrayBuffer) {
    this.memory =
      typeof shares === 'number' ? new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * shares) : shares;
    this.#states = new Int32Array(this.memory);
  }

  /** A share has done all that it does. */
  finish(share: number): void {
    this.#end(share, done);
  }

  /** Nothing more is wanted of any share: those at work end with an error as soon as they see it. */
  giveUp(): void {
    for (const share of this.#states.keys()) this.#end(share, givenUp);
  }

  /** Blocks this thread until the shares behind one are finished. Error: `generic` if they are given up. */
  waitForLater(share: number): void {
    for (let later = share + 1; later < this.#states.length; later++) {
      Atomics.wait(this.#states, later, atWork);
      this.requireWanted(later);
    }
  }

  /** Error: `generic` if a share was given up. */
  requireWanted(share: number): void {
    if (Atomics.load(this.#states, share) === givenUp)
      throw new TundraError('generic', 'the run was given up');
  }

  #end(share: number, how: number): void {
    Atomics.compareExchange(this.#states, share, atWork, how);
    Atomics.notify(this.#states, share);
  }
}
