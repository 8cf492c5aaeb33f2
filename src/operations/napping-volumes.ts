import { stat } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import { type ReadableFile, unpackedHere, unpackedSparingly } from '../seal/unpacked-here.js';
import { NappingStreams } from '../volume/napping.js';

/** What is open takes some 0.2 MB; to open a small volume takes as long as to unpack a quarter of a megabyte. */
const limits = { mostOpen: 32, farBytes: 2 * 1024 * 1024, openingBytes: 256 * 1024 };
/** What a thread has ready of the volumes of many sets, as long as that leaves each a little. */
const readyBudgetBytes = 8 * 1024 * 1024;
const mostReadyBytes = 8 * 1024;
const leastReadyBytes = 1024;

/** The volumes of a long chain: only a few are open at a time, the others nap, unless that takes too long. */
export class NappingVolumes {
  readonly #streams = new NappingStreams(limits);
  readonly #unpack: (file: ReadableFile) => ByteStream;

  /** @param unpack may be called for a file again and again */
  constructor(unpack: (file: ReadableFile) => ByteStream) {
    this.#unpack = unpack;
  }

  /** Whether the volumes of so many sets should not all be open at a time. */
  static areWorthIt(sets: number): boolean {
    return sets > limits.mostOpen;
  }

  /** The plaintext of a file. Error: TundraError `backend-not-found` where that is gone, or no longer the one that it was. */
  async *stream(file: ReadableFile): ByteStream {
    const stamp = await stampOf(file);
    const [streams, unpack] = [this.#streams, this.#unpack];
    yield* streams.stream(async function* () {
      if ((await stampOf(file)) !== stamp) throw replaced(file);
      yield* unpack(file);
    });
  }
}

/** How a thread that merges so many sets reads their volumes by itself. */
export function volumeReader(sets: number): (file: ReadableFile) => ByteStream {
  if (!NappingVolumes.areWorthIt(sets)) return unpackedHere;
  const pieceBytes = readyBytes(sets);
  const napping = new NappingVolumes((file) => copiesOf(unpackedSparingly(file), pieceBytes));
  return (file) => napping.stream(file);
}

/** How much of a volume lies ready where there are so many sets. */
export function readyBytes(sets: number): number {
  return Math.max(leastReadyBytes, Math.min(mostReadyBytes, Math.floor(readyBudgetBytes / sets)));
}

/**
 * The same bytes in pieces of at most so many. Each stays as it is until the next one is asked for, also if the stream is
 * closed instead.
 */
export async function* copiesOf(bytes: ByteStream, pieceBytes: number): ByteStream {
  const copy = new Uint8Array(pieceBytes);
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length; at += pieceBytes) {
      const part = piece.subarray(at, at + pieceBytes);
      copy.set(part);
      yield copy.subarray(0, part.length);
    }
  }
}

/** Not of the time of change, which another name or mode gives too. */
async function stampOf(file: ReadableFile): Promise<string> {
  const found = await stat(file.path, { bigint: true }).catch(messageOf);
  if (typeof found === 'string') throw replaced(file);
  return [found.ino, found.size, found.mtimeNs].join('.');
}

function replaced({ name }: ReadableFile): TundraError {
  return new TundraError('backend-not-found', `${name} was removed or replaced while it was read`, {
    advice: 'Run the same command again while no other one changes the storage.',
  });
}
