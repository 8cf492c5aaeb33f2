import { stat } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import { type ReadableFile, unpackedHere, unpackedSparingly } from '../seal/unpacked-here.js';
import { NappingStreams, type StashRoom } from '../volume/napping.js';
import { Stash } from '../volume/stash.js';

/** What is open takes some 0.2 MB; to open a small volume takes as long as to unpack a quarter of a megabyte. */
const limits = { mostOpen: 32, farBytes: 2 * 1024 * 1024, openingBytes: 256 * 1024 };
/** What a thread has ready of the volumes of many sets, as long as that leaves each a little. */
const readyBudgetBytes = 8 * 1024 * 1024;
const mostReadyBytes = 8 * 1024;
const leastReadyBytes = 1024;
/** What it puts away of one volume, and of all of them. */
const stashedBytes = 4 * 1024 * 1024;
const stashBytes = 1024 * 1024 * 1024;

/** The volumes of a long chain: only a few are open at a time, the others nap, unless that takes too long. */
export class NappingVolumes {
  readonly #streams: NappingStreams;
  readonly #unpack: (file: ReadableFile) => ByteStream;

  /** @param unpack may be called for a file again and again */
  constructor(unpack: (file: ReadableFile) => ByteStream, room?: StashRoom) {
    this.#streams = new NappingStreams(limits, room);
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

/** How a thread that merges many sets reads their volumes by itself. */
export class VolumeReader {
  readonly #stash: Stash;
  readonly #napping: NappingVolumes | undefined;

  /** @param makePath names a new temporary file */
  constructor(sets: number, makePath: () => string) {
    this.#stash = new Stash(makePath, stashBytes);
    const room = { stash: this.#stash, mostBytes: stashedBytes, pieceBytes: readyBytes(sets) };
    if (NappingVolumes.areWorthIt(sets)) this.#napping = new NappingVolumes(unpackedSparingly, room);
  }

  read(file: ReadableFile): ByteStream {
    return this.#napping?.stream(file) ?? unpackedHere(file);
  }

  close(): void {
    this.#stash.close();
  }
}

/** How much of a volume lies ready where there are so many sets. */
export function readyBytes(sets: number): number {
  return Math.max(leastReadyBytes, Math.min(mostReadyBytes, Math.floor(readyBudgetBytes / sets)));
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
