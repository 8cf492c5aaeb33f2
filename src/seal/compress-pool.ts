import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { CompressReply, CompressRequest, WorkerStart } from './compress-worker.js';
import type { ChunkCompressor } from './deflate.js';
import {
  compileDeflateKernel,
  compressedBound,
  type DeflateEffort,
  DeflateKernel,
} from './kernel-deflate.js';

/** A chunk below this is compressed on the spot: it takes a fraction of a millisecond. */
const INLINE_BYTES = 32 * 1024;
/** So is what comes first: it takes some milliseconds, and starting a thread some thirty. */
const EARLY_BYTES = 1024 * 1024;
const WINDOW_BYTES = 32 * 1024;
/** Chunks a worker has at once: the next one is there when it is done with one, however busy this thread is. */
const JOBS_PER_WORKER = 2;
const MAX_THREADS = 8;

export interface CompressPoolOptions {
  /** `fast` if absent. */
  effort?: DeflateEffort | undefined;
  /** Worker threads; as many as there are processors, 8 at most, if absent. */
  threads?: number | undefined;
}

interface Job {
  chunk: Uint8Array;
  dictionary: Uint8Array;
  resolve(compressed: Uint8Array): void;
  reject(error: unknown): void;
}

/** A job that a worker has, and the memory it was copied to, if it was not shared already. */
interface Assignment extends Job {
  slot: SharedArrayBuffer | undefined;
}

interface Thread {
  worker: Worker;
  assignments: Map<number, Assignment>;
}

/**
 * Compresses chunks in worker threads. They start after the first megabyte, and never keep the process alive while
 * nothing is to be done. A chunk that lies in shared memory right behind its dictionary is not copied.
 */
export class CompressPool implements ChunkCompressor {
  readonly #effort: DeflateEffort;
  readonly #threadCount: number;
  readonly #threads: Thread[] = [];
  readonly #waiting: Job[] = [];
  readonly #freeSlots: SharedArrayBuffer[] = [];
  #module: WebAssembly.Module | undefined;
  #inlineKernel: DeflateKernel | undefined;
  #earlyBytesLeft = EARLY_BYTES;
  #lastId = 0;
  #isClosed = false;

  constructor(options: CompressPoolOptions = {}) {
    this.#effort = options.effort ?? 'fast';
    this.#threadCount = Math.max(1, options.threads ?? Math.min(MAX_THREADS, availableParallelism()));
  }

  boundBytes(chunkBytes: number): number {
    return compressedBound(chunkBytes);
  }

  /** After an error of a worker thread the promises of its chunks reject; a later chunk starts another one. */
  async compress(chunk: Uint8Array, dictionary: Uint8Array): Promise<Uint8Array> {
    if (this.#isClosed) throw closedError();
    if (chunk.length < INLINE_BYTES || chunk.length <= this.#earlyBytesLeft) {
      this.#earlyBytesLeft -= chunk.length;
      return this.#kernelHere().compress(chunk, dictionary, this.#effort);
    }
    this.#earlyBytesLeft = 0;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ chunk, dictionary, resolve, reject });
      this.#assign();
    });
  }

  /** Ends the threads. Chunks that are not ready reject, and so does any later one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const threads = this.#threads.splice(0);
    for (const job of this.#waiting.splice(0)) job.reject(closedError());
    for (const { assignments } of threads) for (const job of assignments.values()) job.reject(closedError());
    this.#freeSlots.length = 0;
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
    const { chunk, dictionary } = job;
    const id = ++this.#lastId;
    const sizes = { dictionaryBytes: dictionary.length, chunkBytes: chunk.length };
    const shared = sharedOffset(chunk, dictionary);
    let slot: SharedArrayBuffer | undefined;
    let request: CompressRequest;
    if (shared !== undefined) {
      request = { id, memory: chunk.buffer as SharedArrayBuffer, offset: shared, ...sizes };
    } else {
      slot = this.#takeSlot(dictionary.length + chunk.length);
      const bytes = new Uint8Array(slot);
      bytes.set(dictionary);
      bytes.set(chunk, dictionary.length);
      request = { id, memory: slot, offset: 0, ...sizes };
    }
    thread.worker.postMessage(request);
    if (thread.assignments.size === 0) thread.worker.ref();
    thread.assignments.set(id, { ...job, slot });
  }

  #receive(thread: Thread, reply: CompressReply): void {
    const job = thread.assignments.get(reply.id);
    if (job === undefined) return;
    thread.assignments.delete(reply.id);
    if (thread.assignments.size === 0) thread.worker.unref();
    if (job.slot) this.#freeSlots.push(job.slot);
    if ('error' in reply) job.reject(reply.error);
    else job.resolve(reply.compressed);
    this.#assign();
  }

  /** A thread that is no more: its memory may still be in use, so that it is not used again. */
  #lose(thread: Thread, error: unknown): void {
    const index = this.#threads.indexOf(thread);
    if (index < 0) return;
    this.#threads.splice(index, 1);
    for (const job of thread.assignments.values()) job.reject(error);
    thread.assignments.clear();
    void thread.worker.terminate();
    this.#assign();
  }

  #takeSlot(sizeBytes: number): SharedArrayBuffer {
    const slot = this.#freeSlots.pop();
    if (slot !== undefined && slot.byteLength >= sizeBytes) return slot;
    return new SharedArrayBuffer(Math.max(sizeBytes, WINDOW_BYTES + 512 * 1024));
  }

  #kernelHere(): DeflateKernel {
    this.#inlineKernel ??= new DeflateKernel(this.#compiled());
    return this.#inlineKernel;
  }

  #compiled(): WebAssembly.Module {
    this.#module ??= compileDeflateKernel();
    return this.#module;
  }
}

/** Where both begin in a memory that is shared, if the chunk follows right behind the dictionary there. */
function sharedOffset(chunk: Uint8Array, dictionary: Uint8Array): number | undefined {
  if (!(chunk.buffer instanceof SharedArrayBuffer)) return undefined;
  if (dictionary.length === 0) return chunk.byteOffset;
  const follows = dictionary.byteOffset + dictionary.length === chunk.byteOffset;
  return dictionary.buffer === chunk.buffer && follows ? dictionary.byteOffset : undefined;
}

function closedError(): Error {
  return new Error('the compressing threads were closed');
}
