/** A raw deflate stream (RFC 1951), decompressed by the kernel. */

/** What the compiled kernel exports. */
export interface InflateCalls {
  /** Begins a stream. */
  open(): void;
  /** Where the next input goes. */
  makeRoom(): number;
  /** Goes on with so many bytes more; returns how that ended (`state.ts` in the kernel). */
  inflate(moreInput: number): number;
  outputStart(): number;
  outputEnd(): number;
  unusedInput(): number;
  adler32(at: number, sizeBytes: number, adler: number): number;
}

/** One instance of the kernel: what serves one stream. */
export interface InflateEngine {
  readonly calls: InflateCalls;
  /** All of its memory. */
  readonly memory: Uint8Array;
  readonly inputEnd: number;
}

/**
 * What is wrong with compressed data. The codes and texts are those that Node's zlib gives: `Z_DATA_ERROR` for damage,
 * `Z_BUF_ERROR` for what is cut short, `Z_NEED_DICT` for what takes a dictionary.
 */
export class InflateError extends Error {
  override readonly name = 'InflateError';
  readonly code: 'Z_DATA_ERROR' | 'Z_BUF_ERROR' | 'Z_NEED_DICT';

  constructor(code: InflateError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export function damagedData(how: string): InflateError {
  return new InflateError('Z_DATA_ERROR', how);
}

export function cutShort(): InflateError {
  return new InflateError('Z_BUF_ERROR', 'unexpected end of file');
}

const WANTS_INPUT = 0;
const OUTPUT_FULL = 1;
const ENDED = 2;
/** By the number that the kernel gives, from 3 on. */
const damages = [
  'invalid block type',
  'invalid stored block lengths',
  'too many length or distance symbols',
  'invalid code lengths set',
  'invalid bit length repeat',
  'invalid code -- missing end-of-block',
  'invalid literal/lengths set',
  'invalid distances set',
  'invalid literal/length code',
  'invalid distance code',
  'invalid distance too far back',
];

export const NOTHING = new Uint8Array(0);

/** The life of one stream on an engine, which may serve another one afterwards. */
export class RawInflate {
  readonly #engine: InflateEngine;
  #held: Uint8Array = NOTHING;
  #isLast = false;
  #status = WANTS_INPUT;

  constructor(engine: InflateEngine) {
    this.#engine = engine;
    engine.calls.open();
  }

  get wantsInput(): boolean {
    return this.#status === WANTS_INPUT && this.#held.length === 0 && !this.#isLast;
  }

  get ended(): boolean {
    return this.#status === ENDED;
  }

  /** When it has ended: how many bytes at the end of the last ones that were pushed follow the compressed data. */
  get unusedBytes(): number {
    return this.ended ? this.#engine.calls.unusedInput() + this.#held.length : 0;
  }

  /** Begins another stream, in the place of this one. */
  restart(): void {
    this.#engine.calls.open();
    this.#held = NOTHING;
    this.#isLast = false;
    this.#status = WANTS_INPUT;
  }

  /** The bytes are held till more input is wanted. */
  push(bytes: Uint8Array, isLast: boolean): void {
    this.#held = bytes;
    this.#isLast = isLast;
  }

  /** The next output, up to about 96 KiB: a view of the engine's memory. Empty: more input is wanted, or it has ended. */
  next(): Uint8Array {
    const { calls, memory } = this.#engine;
    while (this.#status <= OUTPUT_FULL) {
      if (this.#status === WANTS_INPUT && this.#held.length === 0) {
        if (this.#isLast) throw cutShort();
        return NOTHING;
      }
      this.#status = calls.inflate(this.#status === WANTS_INPUT ? this.#feed() : 0);
      const [start, end] = [calls.outputStart(), calls.outputEnd()];
      // What came before the damage is given out first.
      if (end > start) return memory.subarray(start, end);
    }
    if (this.#status > ENDED) throw damagedData(damages[this.#status - ENDED - 1] as string);
    return NOTHING;
  }

  /** Copies to the engine what it has room for, and returns how much that is. */
  #feed(): number {
    const { calls, memory, inputEnd } = this.#engine;
    const at = calls.makeRoom();
    const part = this.#held.subarray(0, inputEnd - at);
    memory.set(part, at);
    this.#held = this.#held.subarray(part.length);
    return part.length;
  }
}
