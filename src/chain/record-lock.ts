import { closeSync, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf } from '../base/errors.js';
import { type Foreign, type Koffi, loadKoffi } from '../base/koffi.js';
import { throughNativeGate } from '../base/native-gate.js';

/** A POSIX record lock of this process. */
export interface RecordLock {
  /** Removes the file and gives it up. */
  release(): void;
}

/** Machines on which numbers and layout are as below. */
const architectures: readonly string[] = ['x64', 'arm64'];
const setLock = 6;
/** `struct flock`: type (2 bytes), whence (2), start (8, at 8), length (8), process (4); 0 in all but the first: the whole
 *  file. */
const flockBytes = 32;
const writeLock = 1;

let loaded: { fcntl: Foreign; koffi: Koffi } | null | undefined;

/**
 * Locks a file, which is made if it is missing, against all other processes, until it is released or this one has ended.
 * Nobody else in this process may open the file: its closing would give the lock up.
 *
 * @returns `busy` where another process has the lock; undefined where none can be had, as without koffi
 */
export function takeRecordLock(path: string): RecordLock | 'busy' | undefined {
  loaded ??= throughNativeGate(load) ?? null;
  if (loaded === null) return undefined;
  for (;;) {
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
          rmSync(path, { force: true });
          closeSync(fd);
        },
      };
    }
    closeSync(fd);
    const { EACCES, EAGAIN } = constants.errno;
    if (failure === EACCES || failure === EAGAIN) return 'busy';
    // Else whoever had it before has removed the file meanwhile: there may be a new one.
    if (failure !== 0) return undefined;
  }
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
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
