/** The worker thread of a CompressPool. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Chunk } from './deflate.js';
import { type DeflateEffort, DeflateKernel } from './kernel-deflate.js';

/** What the pool starts a worker with. */
export interface WorkerStart {
  module: WebAssembly.Module;
  effort: DeflateEffort;
}

export interface CompressRequest extends Chunk {
  id: number;
}

/** The buffer of the chunk comes back. */
export type CompressReply = { id: number; buffer: Uint8Array<ArrayBuffer> } & (
  | { compressed: Uint8Array<ArrayBuffer> }
  | { error: unknown }
);

const { module, effort } = workerData as WorkerStart;
const port = parentPort!;
const kernel = new DeflateKernel(module);

port.on('message', ({ id, buffer, windowAt, chunkAt, end }: CompressRequest) => {
  try {
    const [chunk, dictionary] = [buffer.subarray(chunkAt, end), buffer.subarray(windowAt, chunkAt)];
    const compressed = kernel.compress(chunk, dictionary, effort);
    port.postMessage({ id, buffer, compressed } satisfies CompressReply, [compressed.buffer, buffer.buffer]);
  } catch (error) {
    port.postMessage({ id, buffer, error } satisfies CompressReply, [buffer.buffer]);
  }
});
