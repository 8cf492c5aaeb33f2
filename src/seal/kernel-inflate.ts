/** The WebAssembly kernel that decompresses. Its source is in `inflate-kernel/`. */
import { readFileSync } from 'node:fs';
import { type InflateCalls, type InflateEngine, RawInflate } from './kernel-inflate-raw.js';
import { WrappedInflate } from './kernel-inflate-wrapping.js';

export { InflateError } from './kernel-inflate-raw.js';

/** Engines of closed streams that are kept for the next ones. */
const MOST_IDLE = 8;

/**
 * Engines for the streams of one thread: instances of the kernel with a memory of 192 KiB each. To make one takes a
 * fraction of a millisecond, so that some are kept when their streams are closed.
 */
export class InflateKernel {
  readonly #module: WebAssembly.Module;
  readonly #idle: InflateEngine[] = [];

  constructor(module: WebAssembly.Module = compileInflateKernel()) {
    this.#module = module;
  }

  take(): InflateEngine {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const { exports } = new WebAssembly.Instance(this.#module);
    const addressOf = (name: string) => (exports[name] as WebAssembly.Global).value;
    return {
      calls: exports as unknown as InflateCalls,
      memory: new Uint8Array((exports.memory as WebAssembly.Memory).buffer),
      inputEnd: addressOf('INPUT') + addressOf('INPUT_SIZE'),
    };
  }

  giveBack(engine: InflateEngine): void {
    if (this.#idle.length < MOST_IDLE) this.#idle.push(engine);
  }
}

/**
 * Decompresses one stream synchronously, in memory that does not grow: push bytes while it wants some, and take what
 * comes out with `next`. Of gzip, the members one behind the other are one stream.
 *
 * Errors, by `next`, when all that came before the damage was taken: InflateError, which has code and text of
 * zlib's; `Z_BUF_ERROR` where the last bytes were pushed and the stream has not ended.
 */
export class InflateStream {
  readonly #kernel: InflateKernel;
  #engine: InflateEngine | undefined;
  readonly #layer: RawInflate | WrappedInflate;
  /** What every further call meets again. */
  #failure: unknown;

  constructor(kernel: InflateKernel, wrapping: 'raw' | 'zlib' | 'gzip' = 'raw') {
    this.#kernel = kernel;
    this.#engine = kernel.take();
    this.#layer =
      wrapping === 'raw' ? new RawInflate(this.#engine) : new WrappedInflate(this.#engine, wrapping);
  }

  /** Whether nothing more comes out before `push`. */
  get wantsInput(): boolean {
    return this.#layer.wantsInput;
  }

  /** Whether all was read and taken. */
  get ended(): boolean {
    return this.#layer.ended;
  }

  /** When it has ended: how many of the last bytes that were pushed follow the compressed data. */
  get unusedBytes(): number {
    return this.#layer.unusedBytes;
  }

  /** Gives compressed bytes, any number, when some are wanted. They must stay as they are until more are wanted. */
  push(bytes: Uint8Array, isLast: boolean): void {
    if (!this.wantsInput) throw new RangeError('no input is wanted');
    this.#layer.push(bytes, isLast);
  }

  /**
   * The next bytes, up to about 96 KiB: a view of the kernel's memory that holds until the next call. Empty: more input is
   * wanted, or the stream has ended.
   */
  next(): Uint8Array {
    if (this.#engine === undefined) throw new RangeError('the stream is closed');
    try {
      if (this.#failure === undefined) return this.#layer.next();
    } catch (error) {
      this.#failure = error;
    }
    throw this.#failure;
  }

  /** Gives its memory free. May be called twice. */
  close(): void {
    if (this.#engine === undefined) return;
    this.#kernel.giveBack(this.#engine);
    this.#engine = undefined;
  }
}

/** Compiles the kernel beside this file. The result may be posted to worker threads. */
export function compileInflateKernel(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./inflate.wasm', import.meta.url)));
}
