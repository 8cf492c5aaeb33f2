/** The part of the WebAssembly interface that the kernel needs: neither ES2023 nor Node's types declare it. */
declare namespace WebAssembly {
  /** Compiled code. May be posted to a worker thread. */
  class Module {
    constructor(bytes: Uint8Array);
    private readonly compiled: never;
  }
  class Instance {
    constructor(module: Module, imports?: { env: Record<string, Memory | ((...numbers: number[]) => void)> });
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    /** A SharedArrayBuffer where the memory was made here: then it may be posted to a worker thread. */
    readonly buffer: ArrayBuffer;
    /** Sizes in pages of 64 KiB. */
    constructor(descriptor: { initial: number; maximum: number; shared: true });
  }
  class Global {
    readonly value: number;
    private constructor();
  }
}
