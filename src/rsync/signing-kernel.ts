/** The part of the kernel that makes signatures, in a memory shared between threads. Its source is `kernel/signing.ts`. */
import { readFileSync } from 'node:fs';

const pageBytes = 64 * 1024;
/** What the kernel keeps for itself at the beginning of the memory. */
const ownBytes = pageBytes;

/** The size of the entries of a signature of whole blocks, and of a short one behind them. */
export function entriesRoomBytes(blocks: number): number {
  return (blocks + 1) * 12;
}

export function compileSigningKernel(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./signing.wasm', import.meta.url)));
}

/** Memory for one kernel, with so many bytes to use from `signingAreaAt` on: at most 60 MiB. */
export function createSigningMemory(areaBytes: number): WebAssembly.Memory {
  const pages = Math.ceil((ownBytes + areaBytes) / pageBytes);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export const signingAreaAt = ownBytes;

/**
 * Makes entries of signatures where the data is. Every memory has one kernel at most; other threads may look at what is
 * in it.
 */
export class SigningKernel {
  readonly #sign: (dataAt: number, sizeBytes: number, blockSizeBytes: number, entriesAt: number) => number;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#sign = exports.sign as typeof this.sign;
  }

  /**
   * Puts the entries of the blocks at an address to another one. What is left behind the last whole block counts as a file's
   * short last block. Returns where the entries end.
   */
  sign(dataAt: number, sizeBytes: number, blockSizeBytes: number, entriesAt: number): number {
    return this.#sign(dataAt, sizeBytes, blockSizeBytes, entriesAt);
  }
}
