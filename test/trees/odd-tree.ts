import { mkdirSync } from 'node:fs';
import type { Latin1 } from '../../src/base/path-key.js';
import { mixedBytes, randomNumbers } from './contents.js';
import { evolveParts, treeMtimeSeconds } from './evolve.js';
import { TreeWriter } from './writer.js';

export interface OddTreeOptions {
  /** Whether the caller is root: adds devices, other owners and what only root can read. */
  root: boolean;
  /** Adds a file of 3 GB that is nearly all holes. */
  sparse?: boolean;
}

export const sparsePath = 'sparse/scattered';
export const sparseSizeBytes = 3 * 2 ** 30;

/**
 * Fills a folder with everything that has ever broken a backup: odd names, path lengths around the limits of tar
 * headers, sizes around the format's blocks, special files, modes, times and owners. The same bytes, modes and times
 * every time; `evolve` then changes it step by step.
 */
export async function oddTree(folder: string, options: OddTreeOptions): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const tree = new TreeWriter(folder, treeMtimeSeconds);
  tree.directory('.');
  writeNames(tree);
  writeOrderTraps(tree);
  writeLengths(tree);
  writeSizes(tree);
  writeDepth(tree);
  writeLinks(tree);
  writeModes(tree, options.root);
  writeTimes(tree);
  tree.directory('special');
  tree.fifo('special/fifo', { mode: 0o600 });
  await tree.socket('special/socket');
  if (options.root) {
    writeDevices(tree);
    writeOwners(tree);
  }
  if (options.sparse) writeSparse(tree);
  for (const part of evolveParts(options.root)) part(tree, 0);
  tree.finish();
}

const oddNames: readonly Latin1[] = [
  'plain',
  'with space',
  ' leading space',
  'trailing space ',
  'tab\there',
  'new\nline',
  '\nnewline first',
  'newline last\n',
  'carriage\rreturn',
  'double"quote',
  "single'quote",
  'back\\slash',
  'trailing backslash\\',
  '\\x20',
  '%41',
  '$(HOME)',
  '`id`',
  '*',
  '?',
  '[a-z]',
  '-rf',
  '--force',
  '~',
  '#',
  ';&|<>',
  'a=b',
  '.hidden',
  '...',
  '..two dots first',
  'e acute, composed: \xc3\xa9',
  'e acute, decomposed: e\xcc\x81',
  'e acute, latin-1: \xe9',
  '\xff\xfe',
  '\x80',
  '\x01\x02\x1b\x7f',
  'overlong slash \xc0\xaf',
  'lone surrogate \xed\xa0\x80',
  'four bytes \xf0\x9f\x8f\x94',
  'right to left \xe2\x80\xae gnp',
  'n'.repeat(255),
  '\xe4'.repeat(255),
];

function writeNames(tree: TreeWriter): void {
  for (const kind of ['file', 'directory', 'link']) tree.directory(`names/${kind}`);
  for (const name of oddNames) {
    tree.file(`names/file/${name}`, mixedBytes(name, name.length));
    tree.directory(`names/directory/${name}`);
    tree.file(`names/directory/${name}/inside`, mixedBytes(name, 10));
    tree.symlink(`names/link/${name}`, name);
  }
}

/** Names whose order turns about when `/` is not read as the lowest byte, and names that look like the format's own. */
function writeOrderTraps(tree: TreeWriter): void {
  for (const directory of ['a', 'a b', 'a.d', 'aa', 'B']) {
    tree.directory(`order/${directory}`);
    for (const name of ['\x01', ' ', '-', '0', 'a', '\xff'])
      tree.file(`order/${directory}/${name}`, mixedBytes(name, 30));
  }
  for (const name of ['a\x01', 'a!', 'a-', 'a.', 'a0', 'A', 'ab', 'b']) {
    tree.file(`order/${name}`, mixedBytes(name, 40));
  }
  for (const directory of [
    'snapshot',
    'diff',
    'deleted',
    'multivol_snapshot/plain',
    'multivol_diff',
    'signature',
  ]) {
    tree.directory(directory);
    for (const name of ['1', '2', '10']) tree.file(`${directory}/${name}`, mixedBytes(directory, 50));
  }
}

/** Whole paths (below the root) of 80 to 1000 bytes, dense where a kind's prefix passes a header field's limit. */
function writeLengths(tree: TreeWriter): void {
  const dense = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);
  for (const length of [
    ...dense(80, 105),
    ...dense(150, 158),
    ...dense(252, 260),
    500,
    511,
    512,
    513,
    999,
    1000,
  ]) {
    const file = pathOfLength('lengths', length, 'f');
    tree.directory(file.slice(0, file.lastIndexOf('/')));
    tree.file(file, mixedBytes(file, length));
    tree.directory(pathOfLength('lengths', length, 'd'));
    tree.symlink(pathOfLength('lengths', length, 'l'), 'x'.repeat(length));
    const odd = pathOfLength('lengths', length, '\xe9');
    tree.file(odd, mixedBytes(odd, 20));
  }
  const large = pathOfLength('lengths', 300, 'm');
  tree.file(large, mixedBytes(large, 150_000));
}

/** A path of exactly `length` bytes whose last component consists of `letter`. */
function pathOfLength(parent: Latin1, length: number, letter: Latin1): Latin1 {
  let path = parent;
  while (length - path.length > 160) path += `/${'p'.repeat(99)}`;
  return `${path}/${letter.repeat(length - path.length - 1)}`;
}

function writeSizes(tree: TreeWriter): void {
  tree.directory('sizes');
  const blocks = [65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 196_608];
  for (const size of [
    0,
    1,
    511,
    512,
    513,
    ...blocks,
    1_023_999,
    1_024_000,
    1_024_001,
    2_048_000,
    3_100_000,
  ]) {
    tree.file(`sizes/${size}`, mixedBytes(`size ${size}`, size));
  }
  tree.file('sizes/zeros', Buffer.alloc(200_000));
}

function writeDepth(tree: TreeWriter): void {
  let path = 'deep';
  for (let depth = 1; depth <= 60; depth++) {
    path += `/level-${depth}`;
    if (depth % 10 === 0) {
      tree.directory(path);
      tree.file(`${path}/file`, mixedBytes(path, depth * 10));
    }
  }
  tree.directory('deep/empty');
}

function writeLinks(tree: TreeWriter): void {
  tree.directory('links');
  tree.directory('links/directory');
  const targets: Record<string, Latin1> = {
    dangling: 'nowhere/at/all',
    absolute: '/etc/hostname',
    'to itself': 'to itself',
    'to directory': 'directory',
    'to directory with slash': 'directory/',
    upward: '../../../../../../outside',
    'with newline': 'new\nline and space',
    'not utf-8': '\xff\xfe/\xe9',
    '4000 bytes': 'to/'.repeat(1333).concat('x'),
  };
  for (const length of [99, 100, 101, 255, 256, 1000]) targets[`${length} bytes`] = 'y'.repeat(length);
  for (const [name, target] of Object.entries(targets)) tree.symlink(`links/${name}`, target);
}

function writeModes(tree: TreeWriter, root: boolean): void {
  tree.directory('modes');
  const modes = [0o400, 0o444, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o1755, 0o7777];
  if (root) modes.push(0o000, 0o200);
  for (const mode of modes) tree.file(`modes/${mode.toString(8)}`, mixedBytes(`mode ${mode}`, 100), { mode });
  const directoryModes = [0o500, 0o555, 0o700, 0o777, 0o1777, 0o2775, 0o7755];
  if (root) directoryModes.push(0o000);
  for (const mode of directoryModes) {
    const path = `modes/directory ${mode.toString(8)}`;
    tree.directory(path, { mode });
    tree.file(`${path}/inside`, mixedBytes(path, 100));
  }
}

function writeTimes(tree: TreeWriter): void {
  tree.directory('times');
  const afterEpoch = [
    0,
    1,
    1.9,
    999_999_999,
    1_600_000_000.999,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 31 + 1,
    2 ** 32,
    2 ** 33,
  ];
  for (const mtimeSeconds of [-1, -1.5, -(10 ** 9), -(2 ** 31), ...afterEpoch]) {
    tree.file(`times/${mtimeSeconds}`, mixedBytes(`time ${mtimeSeconds}`, 100), { mtimeSeconds });
    tree.directory(`times/directory ${mtimeSeconds}`, { mtimeSeconds });
    tree.symlink(`times/link ${mtimeSeconds}`, 'target', { mtimeSeconds });
  }
}

function writeDevices(tree: TreeWriter): void {
  tree.device('special/null', 'c', 1, 3, { mode: 0o666 });
  tree.device('special/loop', 'b', 7, 0, { mode: 0o660 });
  tree.device('special/large numbers', 'c', 500, 70_000, { mode: 0o600 });
}

function writeOwners(tree: TreeWriter): void {
  tree.directory('owners');
  for (const [uid, gid] of [
    [1, 1],
    [0, 4],
    [1000, 1000],
    [65_534, 65_534],
    [2_097_151, 2_097_151],
    [2_097_152, 3_000_000],
  ]) {
    const owner = { uid: uid!, gid: gid! };
    const name = `${uid}-${gid}`;
    tree.file(`owners/${name}`, mixedBytes(name, 100), { ...owner, mode: 0o6755 });
    tree.directory(`owners/directory ${name}`, owner);
    tree.symlink(`owners/link ${name}`, 'target', owner);
    tree.fifo(`owners/fifo ${name}`, owner);
  }
}

/** Forty pieces of data in 3 GB, at both ends and across block boundaries too. */
function writeSparse(tree: TreeWriter): void {
  tree.directory('sparse');
  const next = randomNumbers('sparse');
  const offsets = Array.from({ length: 40 }, () =>
    Math.floor((next() / 2 ** 32) * (sparseSizeBytes - 200_000)),
  );
  offsets.push(0, 65_536 * 1000 - 100, sparseSizeBytes - 100_000);
  const pieces = offsets.map((offset) => ({ offset, bytes: mixedBytes(`at ${offset}`, 100_000) }));
  tree.pieces(sparsePath, sparseSizeBytes, pieces);
}
