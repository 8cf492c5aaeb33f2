import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';

export interface NappingLimits {
  /** How many streams are open at a time, beside those that stay open. */
  mostOpen: number;
  /** What has come further than that stays open. */
  farBytes: number;
  /** What it costs to open a stream, as so many bytes to pass over. */
  openingBytes: number;
}

/**
 * Streams of which only so many are open at a time: another one is closed then, and opened again, and passed over up to where it
 * was, when more of it is wanted. Where that is needed often a stream stays open: what is passed over is in all not more than
 * twice of what was given, and two openings.
 *
 * A piece stays as it is for as long as a piece of the stream would, also when that is closed.
 */
export class NappingStreams {
  readonly #limits: NappingLimits;
  /** Those that are open and may nap sooner or later, the one used last at the end. */
  readonly #open = new Set<Napper>();
  readonly #waiting: (() => void)[] = [];

  constructor(limits: NappingLimits) {
    this.#limits = limits;
  }

  /** @param open may be called again and again, and gives the same bytes each time */
  async *stream(open: () => ByteStream): ByteStream {
    const napper = new Napper(this.#limits);
    try {
      for (;;) {
        if (napper.isNapping) {
          await this.#makeRoom(napper);
          napper.wake(open);
        } else if (this.#open.delete(napper)) {
          this.#open.add(napper);
        }
        const piece = await napper.next();
        if (piece === undefined) return;
        if (!napper.mayNap) this.#open.delete(napper);
        napper.isResting = true;
        this.#callOne();
        yield piece;
        napper.isResting = false;
      }
    } finally {
      this.#open.delete(napper);
      this.#callOne();
      await napper.close();
    }
  }

  /** Waits until one more may be open, and counts it. */
  async #makeRoom(next: Napper): Promise<void> {
    while (this.#open.size >= this.#limits.mostOpen) {
      const resting = [...this.#open].find(({ isResting }) => isResting);
      if (resting === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      this.#open.delete(resting);
      // What goes wrong with that is not this stream's: if it matters, the other one meets it again.
      await resting.close().catch(() => {});
    }
    this.#open.add(next);
  }

  #callOne(): void {
    this.#waiting.shift()?.();
  }
}

/** One of the streams. */
class Napper {
  readonly #limits: NappingLimits;
  #pieces: AsyncIterator<Uint8Array> | undefined;
  #givenBytes = 0;
  #passedOverBytes = 0;
  /** Still to be passed over. */
  #behindBytes = 0;
  /** Somebody is at work on a piece: it may be closed meanwhile. */
  isResting = false;

  constructor(limits: NappingLimits) {
    this.#limits = limits;
  }

  get isNapping(): boolean {
    return this.#pieces === undefined;
  }

  /** Whether to come here again would be worth it. */
  get mayNap(): boolean {
    const { farBytes, openingBytes } = this.#limits;
    const paid = this.#passedOverBytes + this.#givenBytes + openingBytes;
    return this.#givenBytes <= farBytes && paid <= 2 * (this.#givenBytes + openingBytes);
  }

  wake(open: () => ByteStream): void {
    this.#pieces = open()[Symbol.asyncIterator]();
    this.#behindBytes = this.#givenBytes;
    if (this.#givenBytes > 0) this.#passedOverBytes += this.#givenBytes + this.#limits.openingBytes;
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const { value, done } = await (this.#pieces as AsyncIterator<Uint8Array>).next();
      if (done) {
        if (this.#behindBytes === 0) return undefined;
        throw new TundraError('unexpected', 'a volume was cut short by another program while it was read');
      }
      const piece = value.subarray(this.#behindBytes);
      this.#behindBytes -= value.length - piece.length;
      this.#givenBytes += piece.length;
      if (piece.length > 0) return piece;
    }
  }

  async close(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = undefined;
    await pieces?.return?.();
  }
}
