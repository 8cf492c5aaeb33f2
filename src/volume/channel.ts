import type { ByteStream } from '../base/bytes.js';
import { errorOfPlain, type PlainError, plainError } from '../base/errors.js';

/**
 * A stream of bytes from one thread to another through shared memory. The sender is on its event loop and must not block:
 * where it waits for a free slot, the receiver has it called. The receiver blocks its thread while it waits, so that it
 * needs no event loop of its own.
 *
 * Each slot has a length: what it holds; 0 the end; negative, an error as JSON of that length.
 */
export interface Channel {
  slotBytes: number;
  slotCount: number;
  data: SharedArrayBuffer;
  /** 32-bit numbers at the places below, then the length of each slot. */
  state: SharedArrayBuffer;
}

/** How many slots are filled and not taken yet. */
const filledAt = 0;
/** How many slots are free. */
const freeAt = 1;
/** 1 while the sender waits for a free slot. */
const waitingAt = 2;
const lengthsAt = 3;

export function createChannel(slotBytes: number, slotCount: number): Channel {
  const state = new SharedArrayBuffer(4 * (lengthsAt + slotCount));
  new Int32Array(state)[freeAt] = slotCount;
  return { slotBytes, slotCount, data: new SharedArrayBuffer(slotBytes * slotCount), state };
}

/** The sending side. */
export class ChannelSender {
  readonly #channel: Channel;
  readonly #state: Int32Array;
  readonly #bytes: Buffer;
  #slot = 0;
  #wake = () => {};
  #stopped = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#state = new Int32Array(channel.state);
    this.#bytes = Buffer.from(channel.data);
  }

  /** The receiver has freed a slot while this side was waiting. */
  slotFreed(): void {
    this.#wake();
  }

  /** The receiver wants no more. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /** Sends a stream to its end, or to its error. Resolves, and ends the stream, also when the receiver stops. */
  async send(stream: ByteStream): Promise<void> {
    try {
      for await (const piece of stream) {
        for (let at = 0; at < piece.length; ) {
          if (!(await this.#room())) return;
          const part = piece.subarray(at, at + this.#channel.slotBytes);
          this.#fill(part, part.length);
          at += part.length;
        }
      }
      if (await this.#room()) this.#fill(new Uint8Array(0), 0);
    } catch (error) {
      if (!(await this.#room())) return;
      const text = errorText(error, this.#channel.slotBytes);
      this.#fill(text, -text.length);
    }
  }

  /** Waits for a free slot; false if none is wanted any more. */
  async #room(): Promise<boolean> {
    while (!this.#stopped && Atomics.load(this.#state, freeAt) === 0) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      Atomics.store(this.#state, waitingAt, 1);
      // One may have been freed before the receiver could see that we wait.
      if (Atomics.load(this.#state, freeAt) === 0) await woken;
    }
    return !this.#stopped;
  }

  #fill(bytes: Uint8Array, length: number): void {
    this.#bytes.set(bytes, this.#slot * this.#channel.slotBytes);
    Atomics.store(this.#state, lengthsAt + this.#slot, length);
    this.#slot = (this.#slot + 1) % this.#channel.slotCount;
    Atomics.sub(this.#state, freeAt, 1);
    Atomics.add(this.#state, filledAt, 1);
    Atomics.notify(this.#state, filledAt);
  }
}

/** An error as JSON that fits a slot, which holds 1 KiB or more: what is too long is cut. */
function errorText(error: unknown, slotBytes: number): Buffer {
  const plain = plainError(error);
  // JSON makes up to six bytes of a character; half a KiB is left for the rest.
  const limit = Math.floor((slotBytes - 512) / 12);
  const message = plain.message.slice(0, limit);
  return Buffer.from(
    JSON.stringify({ ...plain, message, advice: plain.advice?.slice(0, limit), stack: undefined }),
  );
}

/** The receiving side. A piece is valid until the next one is asked for. `callSender` must have the sender's `slotFreed`
 *  called. */
export async function* receive(channel: Channel, callSender: () => void): ByteStream {
  const { slotBytes, slotCount } = channel;
  const state = new Int32Array(channel.state);
  const bytes = Buffer.from(channel.data);
  for (let slot = 0; ; slot = (slot + 1) % slotCount) {
    while (Atomics.load(state, filledAt) === 0) Atomics.wait(state, filledAt, 0);
    Atomics.sub(state, filledAt, 1);
    const length = Atomics.load(state, lengthsAt + slot);
    const start = slot * slotBytes;
    if (length === 0) return;
    if (length < 0)
      throw errorOfPlain(JSON.parse(bytes.toString('utf8', start, start - length)) as PlainError);
    yield bytes.subarray(start, start + length);
    Atomics.add(state, freeAt, 1);
    if (Atomics.exchange(state, waitingAt, 0) === 1) callSender();
  }
}
