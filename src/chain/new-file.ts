import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteStream } from '../base/bytes.js';
import { type DiskPlace, diskError } from '../base/local-disk.js';

/**
 * Writes a stream to a file that must not be there yet and that only its owner can read. An error of the stream passes
 * through, an error of the disk becomes a TundraError; the file, now closed, is then left as it is.
 *
 * @param through transforms on the way, such as gzip
 */
export async function writeNewFile(
  path: string,
  bytes: ByteStream,
  place: DiskPlace,
  through: readonly NodeJS.ReadWriteStream[] = [],
): Promise<void> {
  const failures: unknown[] = [];
  const pieces = async function* () {
    try {
      // Streams hold on to several pieces, which are only lent.
      for await (const piece of bytes) yield Buffer.from(piece);
    } catch (error) {
      failures.push(error);
      throw error;
    }
  };
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  const closed = new Promise<void>((resolve) => file.once('close', () => resolve()));
  try {
    await pipeline([Readable.from(pieces()), ...through, file]);
  } catch (error) {
    // A stream that fails at once is still opening its file: a caller who removes it now would be too early.
    await closed;
    throw failures.length > 0 ? failures[0] : diskError(error, place, path, 'cannot be written');
  }
}
