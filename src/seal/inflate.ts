import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import type { ByteStream } from '../base/bytes.js';

/** Large pieces need fewer turns of the thread pool. Where many streams are read side by side, memory counts more. */
const largePieces = { chunkSize: 256 * 1024, readableHighWaterMark: 512 * 1024 };
const smallPieces = { chunkSize: 64 * 1024, readableHighWaterMark: 128 * 1024 };
const mostLargeStreams = 8;
let openStreams = 0;

const engines = { gzip: createGunzip, zlib: createInflate, raw: createInflateRaw };

/**
 * Decompresses on libuv's thread pool, one piece of the source at a time. What follows the end of the compressed data
 * is not looked at. Errors: those of zlib (`errnoOf` begins with `Z_`) where the data is damaged or cut short.
 */
export async function* inflate(source: ByteStream, wrapping: keyof typeof engines): ByteStream {
  // The thread pool works ahead while the reader deals with what came before.
  const engine = engines[wrapping](openStreams < mostLargeStreams ? largePieces : smallPieces);
  openStreams++;
  let wake = () => {};
  engine.once('close', () => wake());

  /** Resolves when the piece was used up, or the engine wants no more: then its own callback never comes. */
  const give = (piece: Uint8Array) =>
    new Promise<void>((resolve) => {
      wake = resolve;
      engine.write(piece, () => resolve());
    });
  const feed = async () => {
    for await (const piece of source) {
      if (engine.destroyed) return;
      await give(piece);
    }
    engine.end();
  };
  const feeding = feed().catch((error) => void engine.destroy(error));
  try {
    yield* engine;
  } finally {
    openStreams--;
    engine.destroy();
    await feeding;
  }
}
