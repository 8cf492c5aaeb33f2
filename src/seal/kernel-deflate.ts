/** The WebAssembly kernel that compresses. Its source is in `kernel/`. */
import { readFileSync } from 'node:fs';

/**
 * How hard to try: `fast` gives less than zlib's level 1, `balanced` about as much as level 6, `small` less than level 9.
 * Their order is their number in the kernel.
 */
export const deflateEfforts = ['fast', 'balanced', 'small'] as const;
export type DeflateEffort = (typeof deflateEfforts)[number];

/** What the compiled kernel exports. */
interface KernelCalls {
  /** Returns the size of the output. */
  compress(windowBytes: number, chunkBytes: number, effort: number): number;
}

/** How far back deflate looks. */
const WINDOW_BYTES = 32 * 1024;
/** What the kernel takes in one call. */
const CALL_BYTES = 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** One instance of the kernel with a memory of its own, 4 MB. It belongs to one thread. */
export class DeflateKernel {
  readonly #calls: KernelCalls;
  readonly #memory: Uint8Array;
  readonly #windowAt: number;
  readonly #outputAt: number;

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module);
    this.#calls = exports as unknown as KernelCalls;
    this.#memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
    this.#windowAt = (exports.WINDOW as WebAssembly.Global).value;
    this.#outputAt = (exports.OUTPUT as WebAssembly.Global).value;
  }

  /**
   * Raw deflate (RFC 1951) of a chunk that may refer to the last 32 KiB of `dictionary`, which came before it: whole
   * blocks, none of them marked last, that end on a byte boundary; nothing for an empty chunk. The array is new.
   */
  compress(chunk: Uint8Array, dictionary: Uint8Array, effort: DeflateEffort): Uint8Array<ArrayBuffer> {
    if (chunk.length <= CALL_BYTES) return this.#compressPart(chunk, dictionary, effort).slice();
    const parts: Uint8Array[] = [];
    for (let from = 0; from < chunk.length; from += CALL_BYTES) {
      const before = from === 0 ? dictionary : chunk.subarray(from - WINDOW_BYTES, from);
      parts.push(this.#compressPart(chunk.subarray(from, from + CALL_BYTES), before, effort).slice());
    }
    return Buffer.concat(parts);
  }

  /** The result lies in the kernel's memory. */
  #compressPart(chunk: Uint8Array, dictionary: Uint8Array, effort: DeflateEffort): Uint8Array<ArrayBuffer> {
    if (chunk.length === 0) return NOTHING;
    const window = dictionary.subarray(Math.max(0, dictionary.length - WINDOW_BYTES));
    this.#memory.set(window, this.#windowAt);
    this.#memory.set(chunk, this.#windowAt + window.length);
    const size = this.#calls.compress(window.length, chunk.length, deflateEfforts.indexOf(effort));
    return this.#memory.subarray(this.#outputAt, this.#outputAt + size) as Uint8Array<ArrayBuffer>;
  }
}

/** Upper bound for what a chunk compresses to: stored blocks take 5 bytes for 8 KiB at most; then comes an empty one. */
export function compressedBound(chunkBytes: number): number {
  return chunkBytes === 0 ? 0 : chunkBytes + (chunkBytes >> 10) + 64;
}

/** Compiles the kernel beside this file. The result may be posted to worker threads. */
export function compileDeflateKernel(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./deflate.wasm', import.meta.url)));
}
