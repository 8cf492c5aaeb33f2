import { type BigIntStats, constants, lstatSync, readlinkSync, statSync } from 'node:fs';
import type { Attributes, EntryType } from '../base/attributes.js';
import { errnoOf } from '../base/errors.js';
import { diskPath, type Latin1, type PathKey } from '../base/path-key.js';
import type { Owners } from './owners.js';

/** One thing found on disk. */
export interface SourceEntry {
  key: PathKey;
  /** To open it: the root as given, and the key below it. */
  path: Latin1;
  attributes: Attributes;
  sizeBytes: number;
  /** The number of the file system it is on. */
  device: number;
  /** Its number there, rounded where it needs more than 53 bits. */
  inode: number;
  /** How many names it has. */
  linkCount: number;
  /** When it or an attribute of it was changed last: milliseconds since 1970, with fractions. */
  changeTimeMs: number;
}

/** Why there is no entry: nothing is there (any more), or it is of a kind that a backup cannot hold. */
export type NoEntry = 'gone' | 'socket' | 'unknown-type';

const typeOfFormat: Record<number, EntryType | undefined> = {
  [constants.S_IFREG]: 'file',
  [constants.S_IFDIR]: 'directory',
  [constants.S_IFLNK]: 'symlink',
  [constants.S_IFIFO]: 'fifo',
  [constants.S_IFCHR]: 'char-device',
  [constants.S_IFBLK]: 'block-device',
};

/** That nothing is there: no such name, a file where a folder was, links that lead in a circle. */
const goneCodes = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * Reads the attributes of a path; with `followLinks` those of what a symbolic link leads to. Throws system errors, but
 * for those that mean that nothing is there.
 */
export function readEntry(
  key: PathKey,
  path: Latin1,
  owners: Owners,
  followLinks: boolean,
): SourceEntry | NoEntry {
  try {
    return readExisting(key, path, owners, followLinks);
  } catch (error) {
    if (goneCodes.has(errnoOf(error))) return 'gone';
    throw error;
  }
}

function readExisting(
  key: PathKey,
  path: Latin1,
  owners: Owners,
  followLinks: boolean,
): SourceEntry | NoEntry {
  const onDisk = diskPath(path);
  const stat = followLinks ? statSync : lstatSync;
  const stats = stat(onDisk, { throwIfNoEntry: false });
  if (stats === undefined) return 'gone';
  const format = stats.mode & constants.S_IFMT;
  const type = typeOfFormat[format];
  if (type === undefined) return format === constants.S_IFSOCK ? 'socket' : 'unknown-type';
  const isDevice = type === 'char-device' || type === 'block-device';
  const mayBeRounded = isDevice || isNearNextSecond(stats.mtimeMs);
  // The exact numbers take longer to read, and few entries need them.
  const exact = mayBeRounded ? stat(onDisk, { bigint: true, throwIfNoEntry: false }) : undefined;
  if (mayBeRounded && exact === undefined) return 'gone';
  const { uid, gid } = stats;
  return {
    key,
    path,
    attributes: {
      type,
      mode: stats.mode & 0o7777,
      uid,
      gid,
      uname: owners.userName(uid),
      gname: owners.groupName(gid),
      mtimeSeconds: exact === undefined ? Math.floor(stats.mtimeMs / 1000) : mtimeSeconds(exact),
      linkTarget: type === 'symlink' ? readlinkSync(onDisk, 'latin1') : '',
      deviceMajor: isDevice && exact !== undefined ? deviceMajor(exact.rdev) : 0,
      deviceMinor: isDevice && exact !== undefined ? deviceMinor(exact.rdev) : 0,
    },
    sizeBytes: stats.size,
    device: stats.dev,
    inode: stats.ino,
    linkCount: stats.nlink,
    changeTimeMs: stats.ctimeMs,
  };
}

/** Whether a time may have been rounded to another second, or lies before 1970, where cutting and rounding down
 *  differ. */
function isNearNextSecond(milliseconds: number): boolean {
  return milliseconds < 0 || milliseconds % 1000 > 999;
}

const nanosecondsPerSecond = 1_000_000_000n;

/**
 * Whole seconds as the peer computes them: the time as a double, cut towards zero. So half a second before 1970 is 0,
 * and .9999999 s may be the next second, as a double has no room for it.
 */
export function mtimeSeconds(stats: Pick<BigIntStats, 'mtimeNs'>): number {
  const seconds = Number(stats.mtimeNs / nanosecondsPerSecond);
  const nanoseconds = Number(stats.mtimeNs % nanosecondsPerSecond);
  // `+ 0` makes 0 of the -0 that cutting gives.
  return Math.trunc(seconds + 1e-9 * nanoseconds) + 0;
}

/**
 * Device numbers, as Linux packs them into 64 bits:
 *
 * | bits | meaning |
 * |---|---|
 * | 0-7 | minor, low 8 bits |
 * | 8-19 | major, low 12 bits |
 * | 20-43 | minor, high 24 bits |
 * | 44-63 | major, high 20 bits |
 */
export function deviceMajor(device: bigint): number {
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n));
}

/** See `deviceMajor`. */
export function deviceMinor(device: bigint): number {
  return Number((device & 0xffn) | ((device >> 12n) & 0xffff_ff00n));
}
