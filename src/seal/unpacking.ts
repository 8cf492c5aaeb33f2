import type { ByteStream } from '../base/bytes.js';
import { areManyFilesOpen, fileBytes } from './file-bytes.js';
import { inflate } from './inflate.js';

/** How a sealed file is read and decompressed. */
export interface Unpacking {
  /** The bytes of a local file; a piece is valid until the next one is asked for. */
  fileBytes(path: string, pieceBytes?: number): ByteStream;
  inflate: typeof inflate;
  /** How large the pieces of plaintext are at most. */
  readonly pieceBytes: number;
  /** How small they may be: smaller ones are gathered. */
  readonly leastBytes: number;
}

/** On libuv's thread pool, beside what the calling thread does. */
export const pooled: Unpacking = {
  fileBytes,
  inflate,
  get pieceBytes() {
    return areManyFilesOpen() ? 16 * 1024 : 128 * 1024;
  },
  get leastBytes() {
    return this.pieceBytes / 2;
  },
};
