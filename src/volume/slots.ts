/**
 * A ring of fixed slots of shared memory through which one thread hands packed bytes to another without allocating. The
 * writer fills slots in turn and blocks while the next one is still being read; that is the
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
  readonly #copy: Buffer;

  constructor(ring: SlotRing) {
    this.#ring = ring;
    this.#flags = new Int32Array(ring.flags);
    this.#copy = Buffer.allocUnsafeSlow(ring.slotBytes);
  }

  /**
   * Copies the first bytes of a slot and gives it back to the writer. The copy is overwritten by the next one.
   *
   * What is copied within memory of one thread afterwards goes fast; from shared memory to a place that is not as far from
   * a multiple of eight the engine copies byte after byte.
   */
  take(index: number, sizeBytes: number): Buffer {
    const bytes = this.#copy.subarray(0, sizeBytes);
    bytes.set(slotBytesOf(this.#ring, index).subarray(0, sizeBytes));
    Atomics.store(this.#flags, index, 0);
    Atomics.notify(this.#flags, index);
    return bytes;
  }
}

function slotBytesOf(ring: SlotRing, index: number): Buffer {
  return Buffer.from(ring.data, index * ring.slotBytes, ring.slotBytes);
}
