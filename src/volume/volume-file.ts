import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { giveBuffer } from '../base/buffer-pool.js';
import { errorOfPlain, TundraError } from '../base/errors.js';
import { onDisk, temporaryPlace, writeAllSync } from '../base/local-disk.js';
import type { WriteReply, WriteRequest } from './volume-file-worker.js';

/** A file below this size is written where it is made: that takes less than starting a thread. */
const HELD_BYTES = 1024 * 1024;
/** Pieces below this size are copied for the thread. */
const HANDED_BYTES = 16 * 1024;
/** What may be on its way to the thread. */
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;

/** A sealed file on the local disk. */
export interface WrittenFile {
  sizeBytes: number;
  sha1Hex: string;
}

/** What the thread tells a file. */
interface Listener {
  onWritten(sizeBytes: number): void;
  onEnd(sha1Hex: string): void;
  onError(error: Error): void;
}

/**
 * Writes sealed files to the local disk and hashes them: large ones in a thread of its own, beside the sealing. It starts
 * with the first of them, and never keeps the process alive while there is nothing to write.
 */
export class VolumeFiles {
  readonly #listeners = new Map<number, Listener>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** Begins a file that must not exist. Errors: those of `local-disk.ts`. */
  create(path: string): VolumeFile {
    return new VolumeFile(path, this);
  }

  /** For a file: begins it in the thread. */
  open(fd: number, path: string, listener: Listener): number {
    const id = ++this.#lastId;
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#listeners.set(id, listener);
    this.send({ id, kind: 'open', fd, path });
    return id;
  }

  /** For a file: what comes next. A piece that has a buffer of its own is gone afterwards. */
  send(request: WriteRequest): void {
    const buffer = request.kind === 'piece' ? request.piece.buffer : undefined;
    this.#worker?.postMessage(request, buffer === undefined ? [] : [buffer]);
  }

  /** For a file: nothing more is expected of the thread. */
  leave(id: number): void {
    this.#listeners.delete(id);
    if (this.#listeners.size === 0) this.#worker?.unref();
  }

  /** Ends the thread. Files that are not finished fail. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./volume-file-worker.js', import.meta.url), {
      name: 'write',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    worker.on('message', (reply: WriteReply) => {
      const listener = this.#listeners.get(reply.id);
      if (reply.kind === 'written') {
        listener?.onWritten(reply.piece.length);
        giveBuffer(reply.piece);
      } else if (reply.kind === 'end') listener?.onEnd(reply.sha1Hex);
      else listener?.onError(errorOfPlain(reply.error));
    });
    const lose = (error: Error) => {
      // Its end was told already: the next one may be at work.
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      const listeners = [...this.#listeners.values()];
      this.#listeners.clear();
      for (const listener of listeners) listener.onError(error);
    };
    worker.on('error', lose);
    worker.on('messageerror', (error) => {
      lose(error);
      void worker.terminate();
    });
    worker.on('exit', (status) =>
      lose(new TundraError('unexpected', `the writing thread ended with status ${status}`)),
    );
    return worker;
  }
}

/** A file that is being written. After an error only `abort` may be called. */
export class VolumeFile {
  readonly #path: string;
  readonly #files: VolumeFiles;
  readonly #fd: number;
  #isOpen = true;
  /** Before there is enough for the thread. */
  readonly #held: Uint8Array[] = [];
  /** The file in the thread. */
  #id: number | undefined;
  #sizeBytes = 0;
  #inFlightBytes = 0;
  #sha1Hex: string | undefined;
  #failure: Error | undefined;
  /** Those who wait for news of the thread. */
  #waiting: (() => void)[] = [];

  constructor(path: string, files: VolumeFiles) {
    this.#path = path;
    this.#files = files;
    this.#fd = onDisk(temporaryPlace, path, () => openSync(path, 'wx', 0o600));
  }

  /** Takes a piece over. Returns a promise when too much is in flight: wait for it before going on. */
  write(piece: Uint8Array): Promise<void> | undefined {
    this.#sizeBytes += piece.length;
    if (this.#id !== undefined) {
      this.#send(piece);
    } else {
      this.#held.push(piece);
      if (this.#sizeBytes > HELD_BYTES) this.#handOver();
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#inFlightBytes > IN_FLIGHT_BYTES ? this.#room() : undefined;
  }

  /** Ends the file. Errors: those of `local-disk.ts`, of all that was written. */
  async finish(): Promise<WrittenFile> {
    if (this.#id === undefined) this.#writeHere();
    else {
      this.#files.send({ id: this.#id, kind: 'end' });
      while (this.#sha1Hex === undefined) await this.#news();
    }
    this.#close();
    return { sizeBytes: this.#sizeBytes, sha1Hex: this.#sha1Hex as string };
  }

  /** Removes the file. */
  async abort(): Promise<void> {
    // What the thread has been given must not go to another file of this number.
    if (this.#id !== undefined && this.#sha1Hex === undefined && this.#failure === undefined) {
      this.#files.send({ id: this.#id, kind: 'end' });
      while (this.#sha1Hex === undefined && this.#failure === undefined) await this.#news().catch(() => {});
    }
    this.#close();
    await rm(this.#path, { force: true });
  }

  #handOver(): void {
    this.#id = this.#files.open(this.#fd, this.#path, {
      onWritten: (sizeBytes) => {
        this.#inFlightBytes -= sizeBytes;
        this.#wake();
      },
      onEnd: (sha1Hex) => {
        this.#sha1Hex = sha1Hex;
        this.#wake();
      },
      onError: (error) => {
        this.#failure ??= error;
        this.#wake();
      },
    });
    for (const piece of this.#held.splice(0)) this.#send(piece);
  }

  #send(piece: Uint8Array): void {
    const { buffer } = piece;
    const isWhole = piece.length === buffer.byteLength && buffer instanceof ArrayBuffer;
    // Small ones may lie in memory that node keeps for many.
    const own = isWhole && piece.length >= HANDED_BYTES ? new Uint8Array(buffer) : Uint8Array.from(piece);
    this.#inFlightBytes += own.length;
    this.#files.send({ id: this.#id as number, kind: 'piece', piece: own });
  }

  #writeHere(): void {
    const hash = createHash('sha1');
    for (const piece of this.#held.splice(0)) {
      hash.update(piece);
      onDisk(temporaryPlace, this.#path, () => writeAllSync(this.#fd, piece));
    }
    this.#sha1Hex = hash.digest('hex');
  }

  async #room(): Promise<void> {
    while (this.#inFlightBytes > IN_FLIGHT_BYTES) await this.#news();
  }

  /** Waits for the thread to tell something. */
  async #news(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#id !== undefined) this.#files.leave(this.#id);
    closeSync(this.#fd);
  }
}
