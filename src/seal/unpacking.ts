import type { ByteStream } from '../base/bytes.js';
import { areManyFilesOpen, fileBytes } from './file-bytes.js';
import { bytesReadHere } from './file-reader.js';
import { inflate } from './inflate.js';
import { inflateHere } from './inflate-here.js';

/** How a sealed file is read and decompressed. */
export interface Unpacking {
  /** The bytes of a local file; a piece is valid until the next one is asked for. */
  fileBytes(path: string, pieceBytes?: number): ByteStream;
  inflate: typeof inflate;
  /** How large the pieces of plaintext are at most. */
  readonly pieceBytes: number;
  /** How small they may be: smaller ones are gathered. */
  readonly leastBytes: number;
  /** How much is decrypted at once: a multiple of the block length. */
  readonly cipherBytes: number;
}

/** Smaller pieces are not worth a turn. */
const leastBytes = 4 * 1024;
const sparingBytes = 16 * 1024;
/** Where a message has a file, its head lies in so much. */
const beginningBytes = 4 * 1024;

/** On libuv's thread pool, beside what the calling thread does. */
export const pooled: Unpacking = {
  fileBytes,
  inflate,
  get pieceBytes() {
    return areManyFilesOpen() ? sparingBytes : 128 * 1024;
  },
  get leastBytes() {
    return this.pieceBytes / 2;
  },
  get cipherBytes() {
    return areManyFilesOpen() ? 8 * 1024 : 32 * 1024;
  },
};

/** In the calling thread, in large pieces. */
export const direct: Unpacking = {
  fileBytes: bytesReadHere,
  inflate: inflateHere,
  pieceBytes: 128 * 1024,
  leastBytes,
  cipherBytes: 32 * 1024,
};

/** In the calling thread, in little memory: for one of many files that are open side by side. */
export const sparing: Unpacking = {
  fileBytes: (path, pieceBytes = sparingBytes) => bytesReadHere(path, pieceBytes),
  inflate: inflateHere,
  pieceBytes: sparingBytes,
  leastBytes,
  cipherBytes: 8 * 1024,
};

/** In the calling thread, a little at a time: for who wants only the first bytes of a file. */
export const beginning: Unpacking = {
  fileBytes: (path) => bytesReadHere(path, beginningBytes),
  inflate: inflateHere,
  pieceBytes: beginningBytes,
  leastBytes,
  cipherBytes: 1024,
};
