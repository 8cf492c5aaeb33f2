import { stat } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import type { ReadableFile } from '../seal/unpacked-here.js';
import { NappingStreams } from '../volume/napping.js';

/** To open a volume takes a millisecond at most. */
const limits = { mostOpen: 32, farBytes: 2 * 1024 * 1024, openingBytes: 256 * 1024 };

/** The volumes of a long chain: only a few are open at a time, unless that took long. */
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

  /** The plaintext of a file, as long as that is the one that it was. */
  async *stream(file: ReadableFile): ByteStream {
    const { path, name } = file;
    const stamp = await stampOf(path);
    const [streams, unpack] = [this.#streams, this.#unpack];
    yield* streams.stream(async function* () {
      if ((await stampOf(path).catch(messageOf)) !== stamp) {
        throw new TundraError('backend-not-found', `${name} was removed or replaced while it was read`, {
          advice: 'Run the same command again while no other one changes the storage.',
        });
      }
      yield* unpack(file);
    });
  }
}

/** Not of the time of change, which another name or mode gives too. */
async function stampOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return [ino, size, mtimeNs].join('.');
}
