import { constants } from 'node:fs';
import { type Koffi, loadKoffi } from '../base/koffi.js';
import { throughNativeGate } from '../base/native-gate.js';
import type { Latin1 } from '../base/path-key.js';
import { columns, entryTypes } from './entry-rows.js';
import { childPath } from './source-path.js';

/**
 * Reads folders by calls of the C library, which takes half the time of Node's own. What it cannot read it leaves to
 * whoever asked: Node's calls then tell the reason.
 */
export interface NativeFolders {
  /**
   * Lists a folder, and reads the attributes of its first names. Undefined if it cannot be listed.
   *
   * @returns its names in order, and how many rows were written: see `read`
   */
  list(
    path: Latin1,
    rows: Float64Array,
    followLinks: boolean,
  ): { names: Latin1[]; count: number } | undefined;
  /**
   * Reads the attributes of names in a folder, from the one at `start` on, into rows: up to the first folder among them,
   * since to walk that may take long, or until the rows are full. A row may say nothing.
   *
   * @param followLinks read those of what links lead to
   * @returns how many rows were written, at least one
   */
  read(
    path: Latin1,
    names: readonly Latin1[],
    start: number,
    rows: Float64Array,
    followLinks: boolean,
  ): number;
}

let loaded: { folders: NativeFolders | undefined } | undefined;

/** Undefined where the machine has none of these calls. */
export function nativeFolders(): NativeFolders | undefined {
  loaded ??= { folders: throughNativeGate(load) };
  return loaded.folders;
}

/** Machines on which numbers and layouts are as below. */
const architectures: readonly string[] = ['x64', 'arm64'];
const mostPathBytes = 4096;
const listBytes = 64 * 1024;
const closeOnExec = 0o2000000;
const notRelative = -100;
const noFollow = 0x100;
/** All that `stat` tells. */
const basicStats = 0x7ff;

function load(): NativeFolders | undefined {
  const koffi = architectures.includes(process.arch) ? loadKoffi() : undefined;
  if (koffi === undefined) return undefined;
  try {
    const folders = foldersBy(koffi);
    // A system that is old, or forbids a call, shows here.
    const rows = new Float64Array(columns);
    return folders.list('/', rows, false) && rows[0] !== -1 ? folders : undefined;
  } catch {
    return undefined;
  }
}

function foldersBy(koffi: Koffi): NativeFolders {
  const library = koffi.load(null);
  const openat = library.func('int openat(int folder, void *path, int flags)');
  const close = library.func('int close(int fd)');
  const getdents = library.func('long getdents64(int fd, void *out, size_t size)');
  const statx = library.func('int statx(int folder, void *path, int flags, unsigned int mask, void *out)');
  const text = Buffer.allocUnsafeSlow(mostPathBytes);
  const list = Buffer.allocUnsafeSlow(listBytes);
  const stats = new StatxReader();
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK | closeOnExec;

  /** Puts a string where calls find it; false if there is no room. */
  const put = (path: Latin1): boolean => {
    const { length } = path;
    if (length >= mostPathBytes) return false;
    // For names, which are short, faster than a call that writes strings.
    for (let i = 0; i < length; i++) text[i] = path.charCodeAt(i);
    text[length] = 0;
    return true;
  };
  const open = (path: Latin1): number => (put(path) ? openat(notRelative, text, flags) : -1);

  const namesOf = (fd: number): Latin1[] | undefined => {
    const names: Latin1[] = [];
    for (;;) {
      const size = getdents(fd, list, listBytes);
      if (size < 0) return undefined;
      if (size === 0) return names;
      takeNames(list, size, names);
    }
  };

  /** Reads one name into a row; true if it is a folder. */
  const readRow = (fd: number, name: Latin1, rows: Float64Array, at: number, follow: boolean): boolean => {
    const isRead = put(name) && statx(fd, text, follow ? 0 : noFollow, basicStats, stats.bytes) === 0;
    if (!isRead) rows[at] = -1;
    return isRead && stats.writeRow(rows, at);
  };

  /** Reads names of an open folder, the first of them into the row `row`; returns how many rows there are then. */
  const readRows = (
    fd: number,
    names: readonly Latin1[],
    start: number,
    rows: Float64Array,
    row: number,
    follow: boolean,
  ): number => {
    const end = Math.min(names.length - start + row, rows.length / columns);
    let next = row;
    while (next < end) {
      const isFolder = readRow(fd, names[start + next - row]!, rows, next * columns, follow);
      next++;
      if (isFolder) break;
    }
    return next;
  };

  return {
    list: (path, rows, followLinks) =>
      throughNativeGate(() => {
        const fd = open(path);
        if (fd < 0) return undefined;
        try {
          const names = namesOf(fd)?.sort();
          return names && { names, count: readRows(fd, names, 0, rows, 0, followLinks) };
        } finally {
          close(fd);
        }
      }),
    read: (path, names, start, rows, followLinks) =>
      throughNativeGate(() => {
        // Folders often stand side by side: then the next name is all that is wanted, and opening takes longer.
        const isFolder = readRow(notRelative, childPath(path, names[start]!), rows, 0, followLinks);
        if (isFolder || start + 1 === names.length) return 1;
        const fd = open(path);
        if (fd < 0) return 1;
        try {
          return readRows(fd, names, start + 1, rows, 1, followLinks);
        } finally {
          close(fd);
        }
      }),
  };
}

/**
 * Takes the names out of a part of a list, as `getdents64` gives it:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 16 | inode, place in the folder |
 * | 16 | 2 | size of this record |
 * | 18 | 1 | type |
 * | 19 | | the name, ended by NUL |
 */
function takeNames(list: Buffer, sizeBytes: number, names: Latin1[]): void {
  for (let at = 0; at < sizeBytes; ) {
    const start = at + 19;
    let end = start;
    while (list[end] !== 0) end++;
    at += list[at + 16]! | (list[at + 17]! << 8);
    const name = list.toString('latin1', start, end);
    if (name !== '.' && name !== '..') names.push(name);
  }
}

/** Format bits of a mode, without those of permissions -> place in `entryTypes`. */
const typeOfFormat = new Int8Array(16).fill(-1);
for (const [format, type] of [
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFCHR, 'char-device'],
  [constants.S_IFBLK, 'block-device'],
] as const) {
  typeOfFormat[format >> 12] = entryTypes.indexOf(type);
}
const directory = entryTypes.indexOf('directory');
const firstDevice = entryTypes.indexOf('char-device');
const wordValues = 2 ** 32;

/**
 * Where `statx` writes, in words of 32 bits. Wider numbers have their low word first.
 *
 * | word | meaning |
 * |---|---|
 * | 4 | count of names |
 * | 5, 6 | uid, gid |
 * | 7 | mode, in its low half |
 * | 8, 10 | inode, size: two words each |
 * | 24 | change time: two words of seconds, one of nanoseconds |
 * | 28 | mtime, likewise |
 * | 32, 33 | a device's numbers, major and minor |
 * | 34, 35 | those of the file system |
 */
class StatxReader {
  readonly bytes = Buffer.allocUnsafeSlow(256);
  readonly #words = new Uint32Array(this.bytes.buffer);
  /** The same, for high words of numbers that may be negative. */
  readonly #signed = new Int32Array(this.bytes.buffer);

  /** Writes what was read; true if it is a directory. */
  writeRow(rows: Float64Array, at: number): boolean {
    const words = this.#words;
    const mode = words[7]! & 0xffff;
    const type = typeOfFormat[mode >> 12]!;
    const isDevice = type >= firstDevice;
    rows[at] = type;
    rows[at + 1] = mode & 0o7777;
    rows[at + 2] = words[5]!;
    rows[at + 3] = words[6]!;
    rows[at + 4] = wholeSeconds(this.#seconds(28), words[30]!);
    rows[at + 5] = isDevice ? words[32]! : 0;
    rows[at + 6] = isDevice ? words[33]! : 0;
    rows[at + 7] = words[11]! * wordValues + words[10]!;
    rows[at + 8] = deviceNumber(words[34]!, words[35]!);
    rows[at + 9] = words[9]! * wordValues + words[8]!;
    rows[at + 10] = words[4]!;
    // The same sum as Node's: times are compared with those that Node read.
    rows[at + 11] = this.#seconds(24) * 1000 + words[26]! / 1_000_000;
    return type === directory;
  }

  #seconds(word: number): number {
    return this.#signed[word + 1]! * wordValues + this.#words[word]!;
  }
}

/** See `mtimeSeconds`. */
function wholeSeconds(seconds: number, nanoseconds: number): number {
  if (seconds >= 0 || nanoseconds === 0) return Math.trunc(seconds + 1e-9 * nanoseconds);
  return Math.trunc(seconds + 1 + 1e-9 * (nanoseconds - 1e9)) + 0;
}

/** The numbers of a file system as one: see `deviceMajor`. */
function deviceNumber(major: number, minor: number): number {
  const low = (major & 0xfff) * 0x100 + (minor & 0xff);
  return low + Math.floor(minor / 0x100) * 0x10_0000 + Math.floor(major / 0x1000) * 0x1000_0000_0000;
}
