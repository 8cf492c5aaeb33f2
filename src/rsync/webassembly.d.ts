/** The part of the WebAssembly interface that the kernel needs: neither ES2023 nor Node's types declare it. */
declare namespace WebAssembly {
  /** Compiled code. May be posted to a worker thread. */
  class Module {
    constructor(bytes: Uint8Array);
    private readonly compiled: never;
  }
  class Instance {
    constructor(module: Module);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    readonly buffer: ArrayBuffer;
    private constructor();
  }
  class Global {
    readonly value: number;
    private constructor();
  }
}
