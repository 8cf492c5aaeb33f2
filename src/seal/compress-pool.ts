import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { giveBuffer } from '../base/buffer-pool.js';
import type { CompressReply, CompressRequest, WorkerStart } from './compress-worker.js';
import type { Chunk, ChunkCompressor } from './deflate.js';
import {
  compileDeflateKernel,
  compressedBound,
  type DeflateEffort,
  DeflateKernel,
} from './kernel-deflate.js';

/** A chunk below this is compressed on the spot: it takes a fraction of a millisecond. */
const INLINE_BYTES = 32 * 1024;
/** So is what comes first: it takes some milliseconds, and starting threads some thirty each. */
const EARLY_BYTES = 4 * 1024 * 1024;
/** Chunks a worker has at once: the next one is there when it is done with one, however busy this thread is. */
const JOBS_PER_WORKER = 2;
const MAX_THREADS = 8;

export interface CompressPoolOptions {
  /** `fast` if absent. */
  effort?: DeflateEffort | undefined;
  /** Worker threads, 8 at most; as many as there are processors if absent. */
  threads?: number | undefined;
}

interface Job {
  chunk: Chunk;
  resolve(compressed: Uint8Array): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  assignments: Map<number, Job>;
}

/**
 * Compresses chunks in worker threads. They start after the first megabytes, and never keep the process alive while
 * nothing is to be done. Chunks go to them and come back without being copied.
 */
export class CompressPool implements ChunkCompressor {
  readonly #effort: DeflateEffort;
  readonly #threadCount: number;
  readonly #threads: Thread[] = [];
  readonly #waiting: Job[] = [];
  #module: WebAssembly.Module | undefined;
  #inlineKernel: DeflateKernel | undefined;
  #earlyBytesLeft = EARLY_BYTES;
  #lastId = 0;
  #isClosed = false;

  constructor(options: CompressPoolOptions = {}) {
    this.#effort = options.effort ?? 'fast';
    this.#threadCount = Math.max(1, Math.min(MAX_THREADS, options.threads ?? availableParallelism()));
  }

  boundBytes(chunkBytes: number): number {
    return compressedBound(chunkBytes);
  }

  /** After an error of a worker thread the promises of its chunks reject; a later chunk starts another one. */
  async compress(chunk: Chunk): Promise<Uint8Array> {
    if (this.#isClosed) throw closedError();
    const sizeBytes = chunk.end - chunk.chunkAt;
    if (sizeBytes < INLINE_BYTES || sizeBytes <= this.#earlyBytesLeft) {
      this.#earlyBytesLeft -= sizeBytes;
      return this.#compressHere(chunk);
    }
    this.#earlyBytesLeft = 0;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ chunk, resolve, reject });
      this.#assign();
    });
  }

  /** Ends the threads. Chunks that are not ready reject, and so does any later one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const threads = this.#threads.splice(0);
    for (const job of this.#waiting.splice(0)) job.reject(closedError());
    for (const { assignments } of threads) for (const job of assignments.values()) job.reject(closedError());
    this.#inlineKernel = undefined;
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#threadWithRoom();
      if (thread === undefined) return;
      const job = this.#waiting.shift()!;
      try {
        this.#send(thread, job);
      } catch (error) {
        job.reject(error);
      }
    }
  }

  /** An idle thread, or a new one, or the one with least to do; undefined if all have enough. */
  #threadWithRoom(): Thread | undefined {
    const least = this.#threads.reduce<Thread | undefined>(
      (best, thread) => (best && best.assignments.size <= thread.assignments.size ? best : thread),
      undefined,
    );
    if (least?.assignments.size === 0) return least;
    if (this.#threads.length < this.#threadCount) return this.#start();
    return least && least.assignments.size < JOBS_PER_WORKER ? least : undefined;
  }

  #start(): Thread {
    const workerData: WorkerStart = { module: this.#compiled(), effort: this.#effort };
    const worker = new Worker(new URL('./compress-worker.js', import.meta.url), {
      workerData,
      name: 'compress',
      // Options of this process, such as a way to read its program, are not for the thread.
      execArgv: [],
      // Next to nothing is on its heap.
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    const thread: Thread = { worker, assignments: new Map() };
    worker.unref();
    worker.on('message', (reply: CompressReply) => this.#receive(thread, reply));
    worker.on('messageerror', (error) => this.#lose(thread, error));
    worker.on('error', (error) => this.#lose(thread, error));
    worker.on('exit', (code) =>
      this.#lose(thread, new Error(`a compressing thread ended with code ${code}`)),
    );
    this.#threads.push(thread);
    return thread;
  }

  #send(thread: Thread, job: Job): void {
    const id = ++this.#lastId;
    const request: CompressRequest = { id, ...job.chunk };
    thread.worker.postMessage(request, [request.buffer.buffer]);
    if (thread.assignments.size === 0) thread.worker.ref();
    thread.assignments.set(id, job);
  }

  #receive(thread: Thread, reply: CompressReply): void {
    const job = thread.assignments.get(reply.id);
    if (job === undefined) return;
    thread.assignments.delete(reply.id);
    if (thread.assignments.size === 0) thread.worker.unref();
    giveBuffer(reply.buffer);
    if ('error' in reply) job.reject(reply.error);
    else job.resolve(reply.compressed);
    this.#assign();
  }

  /** A thread that is no more: the buffers it has are lost. */
  #lose(thread: Thread, error: unknown): void {
    const index = this.#threads.indexOf(thread);
    if (index < 0) return;
    this.#threads.splice(index, 1);
    for (const job of thread.assignments.values()) job.reject(error);
    thread.assignments.clear();
    void thread.worker.terminate();
    this.#assign();
  }

  #compressHere({ buffer, windowAt, chunkAt, end }: Chunk): Uint8Array {
    this.#inlineKernel ??= new DeflateKernel(this.#compiled());
    const [chunk, dictionary] = [buffer.subarray(chunkAt, end), buffer.subarray(windowAt, chunkAt)];
    const compressed = this.#inlineKernel.compress(chunk, dictionary, this.#effort);
    giveBuffer(buffer);
    return compressed;
  }

  #compiled(): WebAssembly.Module {
    this.#module ??= compileDeflateKernel();
    return this.#module;
  }
}

function closedError(): Error {
  return new Error('the compressing threads were closed');
}
