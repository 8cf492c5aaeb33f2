import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import type { Stash } from './stash.js';

export interface NappingLimits {
  /** How many streams are open at a time, beside those that stay open. */
  mostOpen: number;
  /** What has come further than that is not opened again. */
  farBytes: number;
  /** What it costs to open a stream, as so many bytes to pass over. */
  openingBytes: number;
}

/** Where streams that are not worth opening again leave the rest of their bytes. */
export interface StashRoom {
  stash: Stash;
  /** Of one stream. Where more is left, it stays open. */
  mostBytes: number;
  /** Pieces are copied, and no larger than that. */
  pieceBytes: number;
}

/**
 * Streams of which only so many are open at a time: another one is closed then, and opened again, and passed over up to where it
 * was, when more of it is wanted. Where that is needed often, what is left of the stream goes to a stash, or else it stays
 * open: what is passed over is in all not more than twice of what was given, and two openings.
 *
 * A piece stays as it is until the next one is asked for, also when its stream is closed; without a stash only if that is
 * so for the pieces of the stream itself.
 */
export class NappingStreams {
  readonly #limits: NappingLimits;
  readonly #room: StashRoom | undefined;
  /** Those that are open and may nap sooner or later, the one used last at the end. */
  readonly #open = new Set<Napper>();
  readonly #waiting: (() => void)[] = [];

  constructor(limits: NappingLimits, room?: StashRoom) {
    this.#limits = limits;
    this.#room = room;
  }

  /** @param open may be called again and again, and gives the same bytes each time */
  async *stream(open: () => ByteStream): ByteStream {
    const napper = new Napper(this.#limits, this.#room);
    try {
      for (;;) {
        await napper.settled;
        if (napper.isNapping) {
          await this.#makeRoom(napper);
          napper.wake(open);
        } else if (this.#open.delete(napper)) {
          this.#open.add(napper);
        }
        const piece = await napper.next();
        if (piece === undefined) return;
        if (napper.staysOpen) this.#open.delete(napper);
        napper.isResting = true;
        this.#callOne();
        yield piece;
        napper.isResting = false;
      }
    } finally {
      this.#open.delete(napper);
      this.#callOne();
      await napper.settled;
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
      await resting.giveUp();
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
  readonly #room: StashRoom | undefined;
  #pieces: AsyncIterator<Uint8Array> | undefined;
  /** What has come of it and was not given: valid until more comes. */
  #rest: Uint8Array = noBytes;
  #copy: Uint8Array | undefined;
  #givenBytes = 0;
  #passedOverBytes = 0;
  /** Still to be passed over. */
  #behindBytes = 0;
  /** What lies in the stash and was not given. */
  #stashedAt = 0;
  #stashedBytes = 0;
  /** All that was left has gone to the stash: up to the end, or to an error. */
  #isStashed = false;
  #failure: { error: unknown } | undefined;
  /** There was too much left for the stash. */
  #staysOpen = false;
  /** Somebody is at work on a piece: it may be closed meanwhile. */
  isResting = false;
  /** Resolves when what was begun with it meanwhile is done. */
  settled: Promise<void> = Promise.resolve();

  constructor(limits: NappingLimits, room: StashRoom | undefined) {
    this.#limits = limits;
    this.#room = room;
  }

  get isNapping(): boolean {
    return this.#pieces === undefined && !this.#isStashed;
  }

  get staysOpen(): boolean {
    return this.#staysOpen || (this.#room === undefined && !this.#mayNap);
  }

  /** Whether to come here again would be worth it. */
  get #mayNap(): boolean {
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
    if (this.#room !== undefined && this.#stashedBytes > 0) return this.#nextStashed(this.#room);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#rest.length === 0 && (this.#isStashed || !(await this.#fill()))) return undefined;
    const piece = this.#rest.subarray(0, this.#room?.pieceBytes);
    this.#rest = this.#rest.subarray(piece.length);
    this.#givenBytes += piece.length;
    return this.#room === undefined ? piece : this.#copied(piece, this.#room);
  }

  /** Frees what the stream holds: it is opened again for more, or was not worth that, and the rest goes to the stash. */
  giveUp(): Promise<void> {
    // What goes wrong with that is not the others': if it matters, this one meets it again.
    this.settled = (
      this.#mayNap || this.#room === undefined ? this.close() : this.#putAway(this.#room)
    ).catch(() => {});
    return this.settled;
  }

  async close(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = undefined;
    this.#rest = noBytes;
    await pieces?.return?.();
  }

  /** Reads on, past what was given before; false at the end. */
  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { value, done } = await (this.#pieces as AsyncIterator<Uint8Array>).next();
      if (done) {
        if (this.#behindBytes === 0) return false;
        throw new TundraError('unexpected', 'a volume was cut short by another program while it was read');
      }
      this.#rest = value.subarray(this.#behindBytes);
      this.#behindBytes -= value.length - this.#rest.length;
    }
    return true;
  }

  async #putAway({ stash, mostBytes }: StashRoom): Promise<void> {
    await stash.inTurn(async () => {
      this.#stashedAt = stash.sizeBytes;
      try {
        while (await this.#fill()) {
          if (this.#stashedBytes + this.#rest.length > mostBytes || !stash.append(this.#rest)) {
            this.#staysOpen = true;
            return;
          }
          this.#stashedBytes += this.#rest.length;
          this.#rest = noBytes;
        }
      } catch (error) {
        this.#failure = { error };
      }
      this.#isStashed = true;
    });
    if (this.#isStashed) await this.close();
  }

  #nextStashed({ stash, pieceBytes }: StashRoom): Uint8Array {
    this.#copy ??= new Uint8Array(pieceBytes);
    const piece = this.#copy.subarray(0, this.#stashedBytes);
    stash.read(this.#stashedAt, piece);
    this.#stashedAt += piece.length;
    this.#stashedBytes -= piece.length;
    this.#givenBytes += piece.length;
    return piece;
  }

  #copied(piece: Uint8Array, { pieceBytes }: StashRoom): Uint8Array {
    this.#copy ??= new Uint8Array(pieceBytes);
    this.#copy.set(piece);
    return this.#copy.subarray(0, piece.length);
  }
}

const noBytes = new Uint8Array(0);
