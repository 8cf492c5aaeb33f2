import type { ByteStream } from '../base/bytes.js';
import type { ByteReader } from './byte-reader.js';
import { InflateKernel, InflateStream } from './kernel-inflate.js';

const noBytes = new Uint8Array(0);
let kernel: InflateKernel | undefined;

/**
 * Decompresses in the calling thread. A piece is valid until the next one is asked for. What follows the end of the
 * compressed data is not looked at. Errors: as of `inflate`.
 */
export async function* inflateHere(
  source: Pick<ByteReader, 'next'>,
  wrapping: 'raw' | 'zlib' | 'gzip',
): ByteStream {
  kernel ??= new InflateKernel();
  const stream = new InflateStream(kernel, wrapping);
  try {
    while (!stream.ended) {
      if (stream.wantsInput) {
        const piece = await source.next();
        stream.push(piece ?? noBytes, piece === undefined);
      }
      const bytes = stream.next();
      if (bytes.length > 0) yield bytes;
    }
  } finally {
    stream.close();
  }
}
