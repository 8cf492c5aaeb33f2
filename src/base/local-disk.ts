import { writeSync } from 'node:fs';
import { type ErrorCode, errnoOf, messageOf, TundraError } from './errors.js';

/** A folder on the local disk that we write to, and the option that chooses it. */
export interface DiskPlace {
  option: '--archive-dir' | '--tempdir';
  /** The code of an error other than lack of space. */
  code: ErrorCode;
}

export const archivePlace: DiskPlace = { option: '--archive-dir', code: 'bad-archive-dir' };
export const temporaryPlace: DiskPlace = { option: '--tempdir', code: 'generic' };

/** Has `act` open or write the file at `path`, which is one of ours; an error of the disk becomes a `diskError`. */
export function onDisk<T>(place: DiskPlace, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw diskError(error, place, path, 'cannot be written');
  }
}

/** Writes all of the bytes, at a position or where the file stands. */
export function writeAllSync(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    const at = position === undefined ? null : position + done;
    done += writeSync(fd, bytes, done, bytes.length - done, at);
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
