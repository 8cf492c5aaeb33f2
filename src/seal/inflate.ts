import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import type { ByteStream } from '../base/bytes.js';
import type { ByteReader } from './byte-reader.js';
import { areManyFilesOpen } from './file-bytes.js';

/** Large pieces need fewer turns of the thread pool. Where many streams are read side by side, memory counts more. */
const largePieces = { chunkSize: 512 * 1024, readableHighWaterMark: 512 * 1024 };
const smallPieces = { chunkSize: 32 * 1024, readableHighWaterMark: 32 * 1024 };
const smallestPieces = { chunkSize: 8 * 1024, readableHighWaterMark: 8 * 1024 };
const mostLargeStreams = 4;
let openStreams = 0;

const engines = { gzip: createGunzip, zlib: createInflate, raw: createInflateRaw };

/**
 * Decompresses on libuv's thread pool; while it has one piece of the source, the next is read. What follows the end of
 * the compressed data is not looked at. Errors: those of zlib (`errnoOf` begins with `Z_`) where the data is damaged or
 * cut short.
 */
export async function* inflate(source: ByteReader, wrapping: keyof typeof engines): ByteStream {
  // The thread pool works ahead while the reader deals with what came before.
  const pieces = areManyFilesOpen()
    ? smallestPieces
    : openStreams < mostLargeStreams
      ? largePieces
      : smallPieces;
  const engine = engines[wrapping](pieces);
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
    let taken = Promise.resolve();
    const sourceBytes = pieces.chunkSize / 4;
    let [buffer, other] = [new Uint8Array(sourceBytes), new Uint8Array(sourceBytes)];
    for (let size = buffer.length; size === buffer.length; ) {
      size = await source.read(buffer);
      await taken;
      if (engine.destroyed) return;
      if (size > 0) taken = give(buffer.subarray(0, size));
      [buffer, other] = [other, buffer];
    }
    await taken;
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
