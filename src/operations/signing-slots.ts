/**
 * The slots of a signing thread: in each of them it reads a piece of a file and makes the signature's entries of it. They
 * are used in turn. Whoever wants a piece fills in the slot and waits; the thread does not know what file it works at.
 */

/** Where a slot's bytes and entries are in the thread's memory. */
export interface SlotPlaces {
  dataAt: number;
  entriesAt: number;
}

export interface PieceRequest {
  fd: number;
  offsetBytes: number;
  sizeBytes: number;
  blockSizeBytes: number;
}

/** What there is in a slot. */
export interface PieceFound {
  /** Fewer than asked for is the end of the file. */
  sizeBytes: number;
  entriesBytes: number;
}

/** What the thread is started with. */
export interface SigningThreadInput {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  places: readonly SlotPlaces[];
  control: SharedArrayBuffer;
}

const free = 0;
const wanted = 1;
const filled = 2;
const failed = 3;
const ended = 4;

const fieldCount = 4;

/** The size of the memory for the control of so many slots. */
export function controlBytes(slotCount: number): number {
  return 8 * (1 + slotCount) + 8 * fieldCount * slotCount;
}

/**
 * How things stand with the slots, in shared memory.
 *
 * | offset         | size  | meaning                                                                    |
 * |----------------|-------|----------------------------------------------------------------------------|
 * | 0              | 4     | 1: the thread has started                                                  |
 * | 8 + 8 n        | 4     | slot n of N: 0 free, 1 wanted, 2 filled, 3 could not be read, 4 the end    |
 * | 8 + 8 N + 32 n | 4 x 8 | numbers of slot n: of the request (in the order of its fields), or of what |
 * |                |       | was found                                                                  |
 */
export class SlotControl {
  readonly #states: Int32Array;
  readonly #numbers: Float64Array;

  constructor(control: SharedArrayBuffer, slotCount: number) {
    this.#states = new Int32Array(control, 0, 2 * (1 + slotCount));
    this.#numbers = new Float64Array(control, 8 * (1 + slotCount));
  }

  get isReady(): boolean {
    return Atomics.load(this.#states, 0) === 1;
  }

  /** The thread says that it has started. */
  setReady(): void {
    Atomics.store(this.#states, 0, 1);
  }

  request(slot: number, { fd, offsetBytes, sizeBytes, blockSizeBytes }: PieceRequest): void {
    this.#numbers.set([fd, offsetBytes, sizeBytes, blockSizeBytes], fieldCount * slot);
    this.#set(slot, wanted);
  }

  /** Waits for what was asked for. Undefined: it could not be read. */
  found(slot: number): PieceFound | undefined {
    const state = this.#waitUntil(slot, (now) => now !== wanted);
    const [sizeBytes, entriesBytes] = this.#numbers.subarray(fieldCount * slot);
    this.#set(slot, free);
    return state === filled ? { sizeBytes: sizeBytes!, entriesBytes: entriesBytes! } : undefined;
  }

  /** Nothing more is asked for; `slot` is the one that comes next. */
  end(slot: number): void {
    this.#set(slot, ended);
  }

  /** The thread waits for a request. Undefined: there will be none. */
  requested(slot: number): PieceRequest | undefined {
    // What was put there before may not have been fetched yet.
    const state = this.#waitUntil(slot, (now) => now === wanted || now === ended);
    if (state === ended) return undefined;
    const [fd, offsetBytes, sizeBytes, blockSizeBytes] = this.#numbers.subarray(fieldCount * slot);
    return {
      ...{ fd: fd!, offsetBytes: offsetBytes! },
      ...{ sizeBytes: sizeBytes!, blockSizeBytes: blockSizeBytes! },
    };
  }

  /** The thread's answer; undefined: the piece could not be read. */
  answer(slot: number, piece: PieceFound | undefined): void {
    if (piece) this.#numbers.set([piece.sizeBytes, piece.entriesBytes], fieldCount * slot);
    this.#set(slot, piece ? filled : failed);
  }

  #set(slot: number, state: number): void {
    const at = 2 * (1 + slot);
    Atomics.store(this.#states, at, state);
    Atomics.notify(this.#states, at);
  }

  #waitUntil(slot: number, isIt: (state: number) => boolean): number {
    const at = 2 * (1 + slot);
    for (;;) {
      const now = Atomics.load(this.#states, at);
      if (isIt(now)) return now;
      Atomics.wait(this.#states, at, now);
    }
  }
}
