import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import {
  compileSigningKernel,
  createSigningMemory,
  entriesRoomBytes,
  signingAreaAt,
} from '../rsync/signing-kernel.js';
import { controlBytes, type SigningThreadInput, SlotControl, type SlotPlaces } from './signing-slots.js';

const mostPieceBytes = 1024 * 1024;
const shortestBlockBytes = 512;
const slotsPerThread = 2;
const mostThreads = 4;
/** A thread takes some thirty milliseconds to start; a smaller file is done by then. */
const worthStartingBytes = 128 * 1024 * 1024;
/** What is left of a file must be a few pieces for each thread. */
const worthAskingBytes = 16 * 1024 * 1024;

/** Bytes of a file, and the entries of its signature that belong to them. Valid until the next one is asked for. */
export interface SignedPiece {
  data: Uint8Array;
  entries: Uint8Array;
  /** The file ends with it. */
  isLast: boolean;
}

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
  fd: number;
  blockSizeBytes: number;
  pieceBytes: number;
  /** Where the next piece to be asked for begins. */
  offsetBytes: number;
  /** Which thread has the next piece to be fetched. */
  turn: number;
  /** Whose piece was fetched last, and is still being looked at. */
  held: Signer | undefined;
}

/**
 * Threads that read large files and make their signatures, ahead of the thread that makes deltas. Each has its own memory,
 * which all see; they take the pieces of a file in turn. They start with the first file that is worth it, and are of use once
 * they run: until then, and where there is one processor only, `begin` says no.
 */
export class SigningThreads {
  readonly #signers: Signer[] = [];
  #reading: Reading | undefined;

  /** Has the threads start if there is a file for which it pays. They keep no program from ending. */
  expect(fileSizeBytes: number): void {
    if (fileSizeBytes < worthStartingBytes || this.#signers.length > 0) return;
    const count = Math.min(availableParallelism(), mostThreads);
    if (count < 2) return;
    const module = compileSigningKernel();
    for (let i = 0; i < count; i++) this.#signers.push(startSigner(module));
  }

  /**
   * Has a file read from an offset on, if the threads run and it is worth it. Says whether.
   * @param leftBytes what there is from the offset on, as far as is known
   */
  begin(fd: number, offsetBytes: number, leftBytes: number, blockSizeBytes: number): boolean {
    const isReady = this.#signers.length > 0 && this.#signers.every(({ control }) => control.isReady);
    if (!isReady || leftBytes < worthAskingBytes) return false;
    if (blockSizeBytes < shortestBlockBytes || blockSizeBytes > mostPieceBytes) return false;
    const pieceBytes = Math.floor(mostPieceBytes / blockSizeBytes) * blockSizeBytes;
    this.#reading = { fd, blockSizeBytes, pieceBytes, offsetBytes, turn: 0, held: undefined };
    for (let i = 0; i < slotsPerThread; i++) for (const signer of this.#signers) this.#ask(signer);
    return true;
  }
  /** The next piece. Undefined: it could not be read. */
  next(): SignedPiece | undefined {
    const reading = this.#reading as Reading;
    if (reading.held) this.#ask(reading.held);
    const signer = this.#signers[reading.turn] as Signer;
    reading.turn = (reading.turn + 1) % this.#signers.length;
    reading.held = signer;
    const { memory, places, control } = signer;
    const slot = signer.fetched++ % slotsPerThread;
    const found = control.found(slot);
    if (found === undefined) return undefined;
    const { dataAt, entriesAt } = places[slot] as SlotPlaces;
    return {
      data: memory.subarray(dataAt, dataAt + found.sizeBytes),
      entries: memory.subarray(entriesAt, entriesAt + found.entriesBytes),
      isLast: found.sizeBytes < reading.pieceBytes,
    };
  }

  /** Ends the reading of the file: after that it may be closed. */
  end(): void {
    for (const signer of this.#signers) {
      while (signer.fetched < signer.asked) signer.control.found(signer.fetched++ % slotsPerThread);
    }
    this.#reading = undefined;
  }

  /** Ends the threads. */
  stop(): void {
    for (const { control, asked } of this.#signers.splice(0)) control.end(asked % slotsPerThread);
  }

  #ask(signer: Signer): void {
    const reading = this.#reading as Reading;
    const { fd, blockSizeBytes, pieceBytes, offsetBytes } = reading;
    const slot = signer.asked++ % slotsPerThread;
    signer.control.request(slot, { fd, offsetBytes, sizeBytes: pieceBytes, blockSizeBytes });
    reading.offsetBytes += pieceBytes;
  }
}

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
    // Next to nothing is on its heap.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
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
