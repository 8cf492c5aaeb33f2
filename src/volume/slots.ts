/**
 * A ring of fixed slots of shared memory through which one thread hands packed bytes to another without copying or
 * allocating. The writer fills slots in turn and blocks while the next one is still being read; that is the
 * back-pressure of a backup, in bytes.
 */
export interface SlotRing {
  slotBytes: number;
  slotCount: number;
  data: SharedArrayBuffer;
  /** One 32-bit flag a slot: 0 free, 1 handed over. */
  flags: SharedArrayBuffer;
}

export function createSlotRing(slotBytes: number, slotCount: number): SlotRing {
  return {
    slotBytes,
    slotCount,
    data: new SharedArrayBuffer(slotBytes * slotCount),
    flags: new SharedArrayBuffer(4 * slotCount),
  };
}

/** The filling side. It may block its thread, so it must not run on the main one. */
export class SlotWriter {
  readonly #ring: SlotRing;
  readonly #flags: Int32Array;
  #next = 0;

  constructor(ring: SlotRing) {
    this.#ring = ring;
    this.#flags = new Int32Array(ring.flags);
  }

  /** Waits for the next slot and returns it. */
  take(): { index: number; bytes: Buffer } {
    const index = this.#next;
    this.#next = (index + 1) % this.#ring.slotCount;
    while (Atomics.load(this.#flags, index) !== 0) Atomics.wait(this.#flags, index, 1);
    Atomics.store(this.#flags, index, 1);
    return { index, bytes: slotBytesOf(this.#ring, index) };
  }
}

/** The reading side. */
export class SlotReader {
  readonly #ring: SlotRing;
  readonly #flags: Int32Array;

  constructor(ring: SlotRing) {
    this.#ring = ring;
    this.#flags = new Int32Array(ring.flags);
  }

  bytes(index: number): Buffer {
    return slotBytesOf(this.#ring, index);
  }

  /** Gives a slot back to the writer. */
  release(index: number): void {
    Atomics.store(this.#flags, index, 0);
    Atomics.notify(this.#flags, index);
  }
}

function slotBytesOf(ring: SlotRing, index: number): Buffer {
  return Buffer.from(ring.data, index * ring.slotBytes, ring.slotBytes);
}
