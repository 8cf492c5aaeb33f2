import { Worker } from 'node:worker_threads';
import {
  compileSigningKernel,
  createSigningMemory,
  entriesRoomBytes,
  SigningKernel,
  signingAreaAt,
} from '../rsync/signing-kernel.js';
import { controlBytes, type SigningThreadInput, SlotControl, type SlotPlaces } from './signing-slots.js';
import type { SourceFile } from './source-file.js';

const mostPieceBytes = 256 * 1024;
/** What the calling thread reads and signs at once. */
const ownBytes = 128 * 1024;
const shortestBlockBytes = 512;
const slotsPerThread = 3;
const mostThreads = 3;
/** A thread takes some thirty milliseconds to start; a smaller file is done by then. */
const worthStartingBytes = 128 * 1024 * 1024;
/** A file must be a few pieces for each thread. */
const worthAskingBytes = 16 * 1024 * 1024;

/** Bytes of a file, and the entries of its signature that belong to them. Valid until the next one is asked for. */
export interface SignedPiece {
  data: Uint8Array;
  entries: Uint8Array;
  /** The file ends with it. */
  isLast: boolean;
}

/** A thread, seen from the one that uses it. */
interface Signer {
  memory: Uint8Array;
  places: SlotPlaces[];
  control: SlotControl;
  /** Pieces asked for and pieces fetched, of all files. */
  asked: number;
  fetched: number;
}

/** The file that is being read. */
interface Reading {
  file: SourceFile;
  blockSizeBytes: number;
  pieceBytes: number;
  /** What is for the calling thread to read until it is the others' turn. */
  ownLeftBytes: number;
  ahead: ReadingAhead | 'not begun' | 'failed';
}

/** The part of the threads in it. */
interface ReadingAhead {
  /** Where the first round begins. A round is a piece of the calling thread, and one of each of the others. */
  offsetBytes: number;
  /** Pieces asked for. */
  asked: number;
  /** Which thread has the next piece to be fetched; as many as there are: that one is the calling thread's. */
  turn: number;
  /** Whose piece was fetched last, and is still being looked at. */
  held: Signer | undefined;
}

/**
 * Reads large files and makes their signatures, in threads and in the one that calls, which take the pieces of a file in
 * turn. The threads read ahead of what the caller wants to see. They start with the first file that is worth it; until they
 * run the caller does it all. Each has a memory of its own, which all see.
 */
export class SigningThreads {
  readonly #signers: Signer[] = [];
  readonly #threadCount: number;
  #own: { kernel: SigningKernel; memory: Uint8Array } | undefined;
  #reading: Reading | undefined;
  #isTried = false;
  readonly #startSigner: typeof startSigner;

  /** @param threadCount besides the calling one; none: files are not read by this at all */
  constructor(threadCount: number, start = startSigner) {
    this.#threadCount = Math.min(threadCount, mostThreads);
    this.#startSigner = start;
  }

  /** Has the threads start if there is a file for which it pays. They keep no program from ending. */
  expect(fileSizeBytes: number): void {
    if (fileSizeBytes < worthStartingBytes || this.#threadCount === 0 || this.#isTried) return;
    this.#isTried = true;
    try {
      const module = compileSigningKernel();
      const memory = createSigningMemory(ownBytes + entriesRoomBytes(ownBytes / shortestBlockBytes));
      for (let i = 0; i < this.#threadCount; i++) this.#signers.push(this.#startSigner(module));
      this.#own = { kernel: new SigningKernel(module, memory), memory: new Uint8Array(memory.buffer) };
    } catch {
      // The system has no more threads or memory to give: files are read without these.
      this.stop();
    }
  }

  /**
   * Begins to read a file, if it is worth it. Says whether: then `end` must be called before the file is closed.
   * @param fileSizeBytes as far as is known
   */
  begin(file: SourceFile, fileSizeBytes: number, blockSizeBytes: number): boolean {
    if (this.#own === undefined || fileSizeBytes < worthAskingBytes) return false;
    if (blockSizeBytes < shortestBlockBytes || blockSizeBytes > ownBytes) return false;
    const pieceBytes = mostPieceBytes - (mostPieceBytes % blockSizeBytes);
    this.#reading = { file, blockSizeBytes, pieceBytes, ownLeftBytes: 0, ahead: 'not begun' };
    return true;
  }

  /** The next piece of the file. */
  next(): SignedPiece {
    const reading = this.#reading as Reading;
    if (reading.ownLeftBytes === 0) {
      if (reading.ahead === 'not begun') this.#readAhead(reading);
      const piece = typeof reading.ahead === 'object' ? this.#fetch(reading, reading.ahead) : undefined;
      if (piece !== undefined) return piece;
      reading.ownLeftBytes = reading.pieceBytes;
    }
    return this.#ownPiece(reading);
  }

  end(): void {
    this.#drain();
    this.#reading = undefined;
  }

  /** Ends the threads. */
  stop(): void {
    for (const { control, asked } of this.#signers.splice(0)) control.end(asked % slotsPerThread);
  }

  /** Whether all threads run: those that are not needed yet may take a while. */
  get haveStarted(): boolean {
    return this.#signers.length > 0 && this.#signers.every(({ control }) => control.isReady);
  }

  #ownPiece(reading: Reading): SignedPiece {
    const { file, blockSizeBytes } = reading;
    const { kernel, memory } = this.#own!;
    const wanted = Math.min(ownBytes - (ownBytes % blockSizeBytes), reading.ownLeftBytes);
    const size = file.read(memory.subarray(signingAreaAt, signingAreaAt + wanted));
    reading.ownLeftBytes -= size;
    const entriesAt = signingAreaAt + ownBytes;
    const entriesEnd = kernel.sign(signingAreaAt, size, blockSizeBytes, entriesAt);
    const data = memory.subarray(signingAreaAt, signingAreaAt + size);
    return { data, entries: memory.subarray(entriesAt, entriesEnd), isLast: size < wanted };
  }

  /** Has the threads begin, if they have started. */
  #readAhead(reading: Reading): void {
    if (!this.haveStarted) return;
    const turn = this.#signers.length;
    const ahead: ReadingAhead = { offsetBytes: reading.file.size, asked: 0, turn, held: undefined };
    reading.ahead = ahead;
    for (let i = 0; i < slotsPerThread; i++) {
      for (const signer of this.#signers) this.#ask(signer, reading, ahead);
    }
  }

  /** The next piece of the threads; undefined where it is the calling thread's turn. */
  #fetch(reading: Reading, ahead: ReadingAhead): SignedPiece | undefined {
    if (ahead.held) this.#ask(ahead.held, reading, ahead);
    ahead.held = this.#signers[ahead.turn];
    ahead.turn = ahead.held === undefined ? 0 : ahead.turn + 1;
    if (ahead.held === undefined) return undefined;
    const { memory, places, control } = ahead.held;
    const slot = ahead.held.fetched++ % slotsPerThread;
    const found = control.found(slot);
    if (found === undefined) {
      // Read by the calling thread, the error shows, if it comes again.
      this.#drain();
      reading.ahead = 'failed';
      return undefined;
    }
    const { sizeBytes, entriesBytes } = found;
    const { dataAt, entriesAt } = places[slot] as SlotPlaces;
    reading.file.passed(sizeBytes);
    return {
      data: memory.subarray(dataAt, dataAt + sizeBytes),
      entries: memory.subarray(entriesAt, entriesAt + entriesBytes),
      isLast: sizeBytes < reading.pieceBytes,
    };
  }

  #ask(signer: Signer, { file, blockSizeBytes, pieceBytes }: Reading, ahead: ReadingAhead): void {
    const round = Math.floor(ahead.asked / this.#signers.length);
    const offsetBytes = ahead.offsetBytes + (ahead.asked + round + 1) * pieceBytes;
    ahead.asked++;
    const slot = signer.asked++ % slotsPerThread;
    signer.control.request(slot, { fd: file.fd, offsetBytes, sizeBytes: pieceBytes, blockSizeBytes });
  }

  /** Waits for what is under way. */
  #drain(): void {
    for (const signer of this.#signers) {
      while (signer.fetched < signer.asked) signer.control.found(signer.fetched++ % slotsPerThread);
    }
  }
}

/** Errors: those of a system that has no thread or no memory to give. */
function startSigner(module: WebAssembly.Module): Signer {
  const roomBytes = mostPieceBytes + entriesRoomBytes(mostPieceBytes / shortestBlockBytes);
  const memory = createSigningMemory(slotsPerThread * roomBytes);
  const places: SlotPlaces[] = [];
  for (let slot = 0; slot < slotsPerThread; slot++) {
    const dataAt = signingAreaAt + slot * roomBytes;
    places.push({ dataAt, entriesAt: dataAt + mostPieceBytes });
  }
  const control = new SharedArrayBuffer(controlBytes(slotsPerThread));
  const worker = new Worker(new URL('./signing-thread.js', import.meta.url), {
    workerData: { module, memory, places, control } satisfies SigningThreadInput,
    name: 'sign',
    // Options of this process, such as a way to read its program, are not for the thread.
    execArgv: [],
    // Next to nothing is on its heap; a limit of all of it would end the thread, for which others wait.
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
  });
  worker.unref();
  // One that does not start is never ready: then the files are read without them.
  worker.on('error', () => {});
  return {
    memory: new Uint8Array(memory.buffer),
    places,
    control: new SlotControl(control, slotsPerThread),
    asked: 0,
    fetched: 0,
  };
}
