import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  utimesSync,
} from 'node:fs';
import { diskPath, type Latin1 } from '../base/path-key.js';

const readBytes = 128 * 1024;

/** Whether two entries are of one type, and, if files, hold the same bytes. Links are not followed. Errors: those of the
 *  file system. */
export function sameContents(one: Latin1, other: Latin1): boolean {
  const [first, second] = [lstatSync(diskPath(one)), lstatSync(diskPath(other))];
  const typeOf = (mode: number) => mode & constants.S_IFMT;
  if (typeOf(first.mode) !== typeOf(second.mode) || first.size !== second.size) return false;
  if (!first.isFile()) return true;
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  const oneFd = openSync(diskPath(one), flags);
  try {
    const otherFd = openSync(diskPath(other), flags);
    try {
      return sameBytes(oneFd, otherFd);
    } finally {
      closeSync(otherFd);
    }
  } finally {
    closeSync(oneFd);
  }
}

function sameBytes(one: number, other: number): boolean {
  const [first, second] = [Buffer.allocUnsafe(readBytes), Buffer.allocUnsafe(readBytes)];
  for (;;) {
    const size = readUpTo(one, first);
    if (readUpTo(other, second) !== size) return false;
    if (first.compare(second, 0, size, 0, size) !== 0) return false;
    if (size < readBytes) return true;
  }
}

function readUpTo(fd: number, target: Buffer): number {
  let filled = 0;
  while (filled < target.length) {
    const size = readSync(fd, target, filled, target.length - filled, null);
    if (size === 0) break;
    filled += size;
  }
  return filled;
}

/** Gives an entry another name; false where the system does not allow it, as where it has too many. */
export function tryLink(from: Latin1, to: Latin1): boolean {
  try {
    linkSync(diskPath(from), diskPath(to));
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes a path another name of an entry that is the same, if it is not yet one. The times and permissions of the directory
 * stay as they are. Where anything stands in the way it stays an entry by itself.
 *
 * @param temporary a free name in the path's directory
 */
export function relink(from: Latin1, path: Latin1, temporary: Latin1): void {
  const folder = diskPath(path.slice(0, path.lastIndexOf('/')));
  try {
    const [wanted, present] = [lstatSync(diskPath(from)), lstatSync(diskPath(path))];
    if (wanted.ino === present.ino && wanted.dev === present.dev) return;
    if (!sameContents(from, path)) return;
    const { mode, atimeMs, mtimeMs } = lstatSync(folder);
    const isClosed = process.geteuid?.() !== 0 && (mode & 0o300) !== 0o300;
    if (isClosed) chmodSync(folder, (mode & 0o7777) | 0o300);
    try {
      if (tryLink(from, temporary)) renameSync(diskPath(temporary), diskPath(path));
    } finally {
      rmSync(diskPath(temporary), { force: true });
      if (isClosed) chmodSync(folder, mode & 0o7777);
      utimesSync(folder, atimeMs / 1000, mtimeMs / 1000);
    }
  } catch {
    // Two equal files in place of one: nothing is lost.
  }
}
