/** The WebAssembly kernel: MD4, rolling sums and the search for known blocks. Its source is in `kernel/`. */
import { readFileSync } from 'node:fs';

/** What the compiled kernel exports. Numbers are addresses and sizes in its memory, unless a comment says more. */
export interface KernelCalls {
  signBlocks(blockSizeBytes: number, count: number): void;
  openBlock(): void;
  absorbBlock(sizeBytes: number): void;
  closeBlock(sizeBytes: number): void;
  /** 0: no memory; the same for the next two. */
  openDelta(blockSizeBytes: number, strongSizeBytes: number, rabinKarp: number, blake2: number): number;
  growEntries(sizeBytes: number): number;
  startSearch(blocks: number, every: number): number;
  /** The number of entries that are left. */
  thinEntries(from: number, first: number, every: number): number;
  inputRoom(): number;
  inputAt(): number;
  inputCame(sizeBytes: number): void;
  knownRoom(): number;
  knownAt(): number;
  knownCame(sizeBytes: number): void;
  passKnown(): number;
  /** 0: wants input; 1: the output is full; 2: finished. */
  search(final: number): number;
  outputSize(): number;
  clearOutput(): void;
}

/** Whose delta the kernel makes. */
export interface DeltaOwner {
  /** Puts the entries of old blocks to an address of the kernel's memory. */
  fetchEntries(at: number, firstBlock: number, blocks: number): void;
}

/** Memory that a kernel may keep between files: enough for the index of a file of a few hundred megabytes. */
const KEPT_MEMORY_BYTES = 8 << 20;

/**
 * One instance of the kernel with a memory of its own. Any number of signatures, but only one delta at a time, may be
 * made with it. It belongs to one thread; the module it is made from may be shared.
 */
export class Kernel {
  /** The delta under way, which owns the search part of the memory. */
  deltaOwner: DeltaOwner | undefined;
  readonly signInput: number;
  readonly signOutput: number;
  readonly openBlockState: number;
  readonly deltaOutput: number;

  readonly #module: WebAssembly.Module;
  #calls: KernelCalls;
  #linear: WebAssembly.Memory;
  #bytes: Uint8Array;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
    const exports = this.#instantiate();
    this.#calls = exports as unknown as KernelCalls;
    this.#linear = exports.memory as WebAssembly.Memory;
    this.#bytes = new Uint8Array(this.#linear.buffer);
    const addressOf = (name: string) => (exports[name] as WebAssembly.Global).value;
    this.signInput = addressOf('SIGN_INPUT');
    this.signOutput = addressOf('SIGN_OUTPUT');
    this.openBlockState = addressOf('OPEN_BLOCK');
    this.deltaOutput = addressOf('DELTA_OUTPUT');
  }

  get calls(): KernelCalls {
    return this.#calls;
  }

  /** The memory. Ask again after any call: growing it makes a new array. */
  get memory(): Uint8Array {
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.#linear.buffer);
    return this.#bytes;
  }

  /**
   * Exchanges a memory that a large file has grown for a small one: WebAssembly cannot shrink it. Ends the delta
   * under way.
   */
  release(): void {
    this.deltaOwner = undefined;
    if (this.memory.byteLength <= KEPT_MEMORY_BYTES) return;
    const exports = this.#instantiate();
    this.#calls = exports as unknown as KernelCalls;
    this.#linear = exports.memory as WebAssembly.Memory;
    this.#bytes = new Uint8Array(this.#linear.buffer);
  }

  #instantiate(): Record<string, unknown> {
    // Numbers past 2 GiB come out of the kernel as negative ones.
    const fetchEntries = (at: number, firstBlock: number, blocks: number) =>
      this.deltaOwner?.fetchEntries(at >>> 0, firstBlock >>> 0, blocks);
    return new WebAssembly.Instance(this.#module, { env: { fetchEntries } }).exports;
  }
}

/** Compiles the kernel beside this file. The result may be posted to worker threads for `loadKernel`. */
export function compileKernel(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./kernel.wasm', import.meta.url)));
}

/** A kernel of its own for the calling thread. */
export function loadKernel(module: WebAssembly.Module = compileKernel()): Kernel {
  return new Kernel(module);
}
