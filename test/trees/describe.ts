import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { diskPath, displayBytes, type Latin1, latin1OfNative } from '../../src/base/path-key.js';

/** What an entry is compared by. */
export type Field = 'mode' | 'owner' | 'mtime' | 'contents';

export interface DescribeOptions {
  /** Fields that do not count. */
  leaveOut?: readonly Field[];
}

/** A line for every entry, by its slash path below the root; the root is `.`. */
export type TreeDescription = Map<Latin1, string>;

/**
 * Describes what a backup keeps of a tree: type, mode, owner, whole-second mtime (0 if before 1970), size and hash of
 * contents, link target, device numbers. Sockets are left out, and of symbolic links the mode and the mtime.
 */
export function describeTree(folder: string, options: DescribeOptions = {}): TreeDescription {
  const description: TreeDescription = new Map();
  const leaveOut = new Set(options.leaveOut);
  const describe = (path: Latin1, onDisk: Latin1) => {
    const stats = lstatSync(diskPath(onDisk), { bigint: true });
    if (stats.isSocket()) return;
    description.set(path, describeEntry(onDisk, stats, leaveOut));
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(diskPath(onDisk), { encoding: 'latin1' })) {
      describe(path === '.' ? name : `${path}/${name}`, `${onDisk}/${name}`);
    }
  };
  describe('.', latin1OfNative(folder));
  return description;
}

/** The differences of two descriptions, a line for each entry, in the order of the paths; none if they are equal. */
export function compareTrees(expected: TreeDescription, found: TreeDescription): string[] {
  const differences: string[] = [];
  for (const path of [...new Set([...expected.keys(), ...found.keys()])].sort()) {
    const before = expected.get(path);
    const after = found.get(path);
    if (before === after) continue;
    const name = JSON.stringify(displayBytes(path));
    if (before === undefined) differences.push(`${name} should not be there: ${after}`);
    else if (after === undefined) differences.push(`${name} is missing: ${before}`);
    else differences.push(`${name}: ${differingFields(before, after)}`);
  }
  return differences;
}

function differingFields(expected: string, found: string): string {
  const foundFields = found.split(separator);
  const expectedFields = expected.split(separator);
  const wrong = expectedFields.filter((field) => !foundFields.includes(field));
  const instead = foundFields.filter((field) => !expectedFields.includes(field));
  return `expected ${wrong.join(separator)}; found ${instead.join(separator)}`;
}

const separator = ', ';

function describeEntry(onDisk: Latin1, stats: BigIntStats, leaveOut: ReadonlySet<Field>): string {
  const fields: string[] = [typeOf(stats)];
  if (!leaveOut.has('owner')) fields.push(`owner ${stats.uid}:${stats.gid}`);
  if (stats.isSymbolicLink()) {
    fields.push(`target ${JSON.stringify(readlinkSync(diskPath(onDisk), { encoding: 'latin1' }))}`);
    return fields.join(separator);
  }
  if (!leaveOut.has('mode')) fields.push(`mode ${(stats.mode & 0o7777n).toString(8).padStart(4, '0')}`);
  if (!leaveOut.has('mtime')) {
    fields.push(`mtime ${stats.mtimeNs < 0n ? 0n : stats.mtimeNs / 1_000_000_000n}`);
  }
  if (stats.isFile() && !leaveOut.has('contents')) {
    fields.push(`size ${stats.size}`, `sha1 ${hashContents(onDisk)}`);
  }
  if (stats.isCharacterDevice() || stats.isBlockDevice()) fields.push(`device ${deviceNumbers(stats.rdev)}`);
  return fields.join(separator);
}

function typeOf(stats: BigIntStats): string {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  return stats.isCharacterDevice() ? 'character device' : 'block device';
}

/** MAJOR:MINOR of a device number as Linux packs it. */
function deviceNumbers(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

const pieceBytes = 1 << 20;
const piece = Buffer.alloc(pieceBytes);
const zeros = Buffer.alloc(pieceBytes);

/**
 * SHA-1 of a file's contents. A whole piece of zeros past the first goes in as a short mark, so that a large sparse
 * file costs little more than reading it: then it is the hash of contents all the same, but not what sha1sum prints.
 */
function hashContents(onDisk: Latin1): string {
  const hash = createHash('sha1');
  const file = openSync(diskPath(onDisk), 'r');
  try {
    for (let first = true; ; first = false) {
      const count = readSync(file, piece);
      if (count === 0) return hash.digest('hex');
      const mark = !first && count === pieceBytes && piece.equals(zeros);
      hash.update(mark ? 'a mebibyte of zeros' : piece.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}
