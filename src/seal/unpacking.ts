import type { ByteStream } from '../base/bytes.js';
import { areManyFilesOpen, fileBytes } from './file-bytes.js';
import { inflate } from './inflate.js';

/** How a sealed file is read and decompressed. */
export interface Unpacking {
  /** The bytes of a local file; a piece is valid until the next one is asked for. */
  fileBytes(path: string, pieceBytes?: number): ByteStream;
  inflate: typeof inflate;
  /** How small the pieces of plaintext may be: smaller ones are gathered. */
  readonly leastBytes: number;
}

/** On libuv's thread pool, beside what the calling thread does. */
export const pooled: Unpacking = {
  fileBytes,
  inflate,
  get leastBytes() {
    return areManyFilesOpen() ? 8 * 1024 : 64 * 1024;
  },
};
