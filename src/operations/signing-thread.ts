/** Reads pieces of files and makes the entries of their signatures, as it is asked to by the source side of a backup. */
import { readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { SigningKernel } from '../rsync/signing-kernel.js';
import {
  type PieceFound,
  type PieceRequest,
  type SigningThreadInput,
  SlotControl,
  type SlotPlaces,
} from './signing-slots.js';

/** Read and signed at once, so that what is signed still is in the processor's cache. */
const readBytes = 128 * 1024;

class SigningThread {
  readonly #kernel: SigningKernel;
  readonly #bytes: Uint8Array;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    this.#kernel = new SigningKernel(module, memory);
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** Throws what the file system throws. */
  piece(request: PieceRequest, { dataAt, entriesAt }: SlotPlaces): PieceFound {
    const { blockSizeBytes, sizeBytes } = request;
    const stepBytes = Math.max(1, Math.floor(readBytes / blockSizeBytes)) * blockSizeBytes;
    let entriesEnd = entriesAt;
    let done = 0;
    for (let size = stepBytes; size === stepBytes && done < sizeBytes; done += size) {
      size = this.#read(request, dataAt, done, Math.min(stepBytes, sizeBytes - done));
      entriesEnd = this.#kernel.sign(dataAt + done, size, blockSizeBytes, entriesEnd);
    }
    return { sizeBytes: done, entriesBytes: entriesEnd - entriesAt };
  }

  /** Fewer bytes than asked for are the end of the file. */
  #read({ fd, offsetBytes }: PieceRequest, dataAt: number, from: number, sizeBytes: number): number {
    let filled = 0;
    while (filled < sizeBytes) {
      const at = from + filled;
      const size = readSync(fd, this.#bytes, dataAt + at, sizeBytes - filled, offsetBytes + at);
      if (size === 0) break;
      filled += size;
    }
    return filled;
  }
}

const { module, memory, places, control } = workerData as SigningThreadInput;
const slots = new SlotControl(control, places.length);
const thread = new SigningThread(module, memory);
slots.setReady();
for (let slot = 0; ; slot = (slot + 1) % places.length) {
  const request = slots.requested(slot);
  if (request === undefined) break;
  let piece: PieceFound | undefined;
  try {
    piece = thread.piece(request, places[slot]!);
  } catch {
    // Whoever wants it is waiting, reads it by itself then, and gets the error.
  }
  slots.answer(slot, piece);
}
