import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteStream } from '../base/bytes.js';
import { type ErrorCode, errnoOf, messageOf, TundraError } from '../base/errors.js';

/** A folder that we write to, and the option that chooses it. */
export interface DiskPlace {
  option: '--archive-dir' | '--tempdir';
  /** The code of an error other than lack of space. */
  code: ErrorCode;
}

export const archivePlace: DiskPlace = { option: '--archive-dir', code: 'bad-archive-dir' };
export const temporaryPlace: DiskPlace = { option: '--tempdir', code: 'generic' };

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

/** What a failed file operation means to the user. Errors that say it already pass through. */
export function diskError(error: unknown, place: DiskPlace, path: string, what: string): TundraError {
  if (error instanceof TundraError) return error;
  const errno = errnoOf(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new TundraError('no-free-space', `${path} ${what}: no space is left`, {
      cause: error,
      advice: `Free some space there, or choose another folder with ${place.option}.`,
      retry: 'later',
    });
  }
  return new TundraError(place.code, `${path} ${what}: ${messageOf(error)}`, {
    cause: error,
    advice: adviceFor(errno, place),
  });
}

function adviceFor(errno: string | undefined, { option }: DiskPlace): string {
  switch (errno) {
    case 'EACCES':
    case 'EPERM':
      return `Run as the user who owns the folder, or choose another one with ${option}.`;
    case 'EROFS':
      return `The disk cannot be written: choose another folder with ${option}.`;
    default:
      return `Choose a folder that can be made and written with ${option}.`;
  }
}
