/** The worker thread of a CompressPool. */
import { parentPort, workerData } from 'node:worker_threads';
import { type DeflateEffort, DeflateKernel } from './kernel-deflate.js';

/** What the pool starts a worker with. */
export interface WorkerStart {
  module: WebAssembly.Module;
  effort: DeflateEffort;
}

/** A chunk in shared memory: the dictionary at `offset`, the chunk right behind it. */
export interface CompressRequest {
  id: number;
  memory: SharedArrayBuffer;
  offset: number;
  dictionaryBytes: number;
  chunkBytes: number;
}

export type CompressReply =
  | { id: number; compressed: Uint8Array<ArrayBuffer> }
  | { id: number; error: unknown };

const { module, effort } = workerData as WorkerStart;
const port = parentPort!;
const kernel = new DeflateKernel(module);

port.on('message', ({ id, memory, offset, dictionaryBytes, chunkBytes }: CompressRequest) => {
  try {
    const dictionary = new Uint8Array(memory, offset, dictionaryBytes);
    const chunk = new Uint8Array(memory, offset + dictionaryBytes, chunkBytes);
    const compressed = kernel.compress(chunk, dictionary, effort);
    port.postMessage({ id, compressed } satisfies CompressReply, [compressed.buffer]);
  } catch (error) {
    port.postMessage({ id, error } satisfies CompressReply);
  }
});
