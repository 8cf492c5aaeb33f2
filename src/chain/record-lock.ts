import { closeSync, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { type Foreign, type Koffi, loadKoffi } from '../base/koffi.js';
import { throughNativeGate } from '../base/native-gate.js';

/** A lock of an open file, which stands against record locks of other programs too. */
export interface RecordLock {
  /** Removes the file, if that can be done, and gives it up. */
  release(): void;
}

/** Machines on which numbers and layout are as below. */
const architectures: readonly string[] = ['x64', 'arm64'];
/** `F_OFD_SETLK`: unlike `F_SETLK` it is not lost when this process closes another handle of the file, as a backup of the
 *  folder does. */
const setLock = 37;
/** `struct flock`: type (2 bytes), whence (2), start (8, at 8), length (8), process (4); 0 in all but the first: the whole
 *  file. */
const flockBytes = 32;
const writeLock = 1;
const mostAttempts = 100;

let loaded: { fcntl: Foreign; koffi: Koffi } | null | undefined;

/**
 * Locks a file, which is made if it is missing, against all others, until it is released or this process has ended.
 *
 * @returns `busy` where somebody has the lock; undefined where none can be had, as without koffi
 */
export function takeRecordLock(path: string): RecordLock | 'busy' | undefined {
  loaded ??= throughNativeGate(load) ?? null;
  if (loaded === null) return undefined;
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    let fd: number;
    try {
      fd = openSync(path, 'a', 0o666);
    } catch {
      return undefined;
    }
    const failure = lock(fd, loaded);
    if (failure === 0 && isStillAt(fd, path)) {
      return {
        release: () => {
          try {
            rmSync(path, { force: true });
          } catch {
            // An empty file does no harm, and the work is done.
          } finally {
            closeSync(fd);
          }
        },
      };
    }
    closeSync(fd);
    const { EACCES, EAGAIN } = constants.errno;
    if (failure === EACCES || failure === EAGAIN) return 'busy';
    // Else whoever had it before has removed the file meanwhile: there may be a new one.
    if (failure !== 0) return undefined;
  }
  return undefined;
}

function load(): typeof loaded | undefined {
  const koffi = architectures.includes(process.arch) ? loadKoffi() : undefined;
  try {
    return koffi && { koffi, fcntl: koffi.load(null).func('int fcntl(int fd, int command, ...)') };
  } catch {
    return undefined;
  }
}

/** Returns 0, or the number of the error. */
function lock(fd: number, { fcntl, koffi }: { fcntl: Foreign; koffi: Koffi }): number {
  const flock = Buffer.alloc(flockBytes);
  flock.writeInt16LE(writeLock, 0);
  return throughNativeGate(() => (fcntl(fd, setLock, 'uint8_t *', flock) === 0 ? 0 : koffi.errno()));
}

function isStillAt(fd: number, path: string): boolean {
  const open = fstatSync(fd, { bigint: true });
  try {
    const found = statSync(path, { bigint: true });
    return found.ino === open.ino && found.dev === open.dev;
  } catch {
    return false;
  }
}
