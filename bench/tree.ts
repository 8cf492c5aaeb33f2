import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { diskPath, type Latin1, latin1OfNative } from '../src/base/path-key.js';

/** A regular file of the tree; the path is a slash-separated byte string below its root. */
export interface TreeFile {
  path: Latin1;
  sizeBytes: number;
}

interface SourceFile extends TreeFile {
  /** Where it is copied from. */
  from: Latin1;
  /** 0 for a true copy; else the number of the variation. */
  variation: number;
}

export interface TreeTargets {
  sizeBytes: number;
  files: number;
}

const largeBytes = 256 * 1024;

/**
 * Builds a tree of real files out of folders that every Debian machine has: texts, pages, icons and headers from
 * /usr/share and /usr/include, static libraries and other large files from /usr/lib. Where the machine has more than
 * asked for, an even choice of it; where it has less, slightly changed copies under new names. The same machine gives
 * the same tree. Modes and mtimes are kept; links and folders without files are left out.
 */
export function buildTree(root: string, targets: TreeTargets): TreeFile[] {
  const chosen = chooseFiles(targets);
  rmSync(root, { recursive: true, force: true });
  const made = new Set<Latin1>();
  const base = latin1OfNative(root);
  for (const file of chosen) {
    const to = `${base}/${file.path}`;
    const folder = dirname(to);
    if (!made.has(folder)) mkdirSync(diskPath(folder), { recursive: true });
    made.add(folder);
    if (file.variation === 0) copyFileSync(diskPath(file.from), diskPath(to));
    else
      writeFileSync(diskPath(to), vary(readFileSync(diskPath(file.from)), `variation ${file.variation}\n`));
    const { mtime } = lstatSync(diskPath(file.from));
    utimesSync(diskPath(to), mtime, mtime);
  }
  return chosen.map(({ path, variation, sizeBytes }) => ({
    path,
    sizeBytes: variation === 0 ? sizeBytes : sizeBytes + `variation ${variation}\n`.length,
  }));
}

/** Which files make the tree, in path order. */
function chooseFiles(targets: TreeTargets): SourceFile[] {
  const usr = ['/usr/share', '/usr/include'].flatMap((folder) => listFiles(folder));
  const libraries = listFiles('/usr/lib').filter((file) => file.sizeBytes >= largeBytes);
  const isStatic = (file: SourceFile) => file.path.endsWith('.a');
  const large = [...libraries.filter(isStatic), ...libraries.filter((file) => !isStatic(file))];
  if (usr.length === 0)
    throw new Error('there is nothing in /usr/share and /usr/include to build a tree from');

  const chosen: SourceFile[] = [];
  let sizeBytes = 0;
  const take = (files: readonly SourceFile[], count: number, upToBytes: number) => {
    for (const file of files) {
      if (count <= 0) return;
      if (sizeBytes + file.sizeBytes > upToBytes) continue;
      chosen.push(file);
      sizeBytes += file.sizeBytes;
      count--;
    }
  };
  const small = evenChoice(usr, Math.ceil(targets.files * 0.97));
  take(small, small.length, targets.sizeBytes * 0.65);
  take(large, targets.files - chosen.length, targets.sizeBytes * 0.96);
  for (let variation = 1; chosen.length < targets.files && variation <= 50; variation++) {
    const missing = targets.files - chosen.length;
    const choice = evenChoice(
      usr.filter((file) => file.sizeBytes > 0 && file.sizeBytes < largeBytes),
      missing,
    );
    take(variationsOf(choice, variation), missing, targets.sizeBytes);
  }
  for (let variation = 1; sizeBytes < targets.sizeBytes * 0.98 && variation <= 50; variation++) {
    take(
      variationsOf(large.length > 0 ? large : usr, variation),
      Number.POSITIVE_INFINITY,
      targets.sizeBytes,
    );
  }
  return chosen.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function variationsOf(files: readonly SourceFile[], variation: number): SourceFile[] {
  return files.map((file) => ({ ...file, variation, path: `variation-${variation}/${file.path}` }));
}

/** At most `count` of the files, spread evenly. */
function evenChoice<T>(files: readonly T[], count: number): T[] {
  if (files.length <= count) return [...files];
  return Array.from({ length: count }, (_, index) => files[Math.floor((index * files.length) / count)]!);
}

/** Regular files below a folder that this user may read, in path order. */
function listFiles(folder: Latin1): SourceFile[] {
  const files: SourceFile[] = [];
  const root = process.getuid?.() === 0;
  const visit = (directory: Latin1) => {
    for (const name of readdirSync(diskPath(directory), { encoding: 'latin1' }).sort()) {
      const from = `${directory}/${name}`;
      const stats = lstatSync(diskPath(from));
      const readable = root || (stats.mode & 0o004) !== 0;
      if (stats.isDirectory() && readable) visit(from);
      else if (stats.isFile() && readable) {
        files.push({ path: from.slice('/usr/'.length), from, sizeBytes: stats.size, variation: 0 });
      }
    }
  };
  if (existsSync(folder)) visit(folder);
  return files;
}

/** The bytes with a mark written over their middle and added to their end. */
function vary(bytes: Buffer, mark: string): Buffer {
  const varied = Buffer.concat([bytes, Buffer.from(mark)]);
  varied.write(mark, bytes.length >> 1, 'latin1');
  return varied;
}

export interface ChangeOptions {
  smallChanges: number;
  largeChanges: number;
  /** A file that stays as it is. */
  spare: Latin1;
  /** Tells the changes of one round from those of another. */
  round: number;
}

/**
 * Changes a tree as a day's work does: of the small changes a tenth are new files and a tenth removals, the rest edits
 * in the middle and at the end; the largest files get an insertion and an edit each. Returns the files that are there
 * then.
 */
export function changeTree(root: string, files: readonly TreeFile[], options: ChangeOptions): TreeFile[] {
  const changed = new Map(files.map((file) => [file.path, file]));
  const at = (path: Latin1) => diskPath(`${latin1OfNative(root)}/${path}`);
  const write = (path: Latin1, bytes: Uint8Array) => {
    writeFileSync(at(path), bytes);
    changed.set(path, { path, sizeBytes: bytes.length });
  };
  const mark = `changed in round ${options.round}\n`;

  const small = files.filter(
    (file) => file.sizeBytes > 0 && file.sizeBytes < 65_536 && file.path !== options.spare,
  );
  // A different start in each round changes other files.
  const turned = [...small.slice(options.round * 7), ...small.slice(0, options.round * 7)];
  for (const [index, { path }] of evenChoice(turned, options.smallChanges).entries()) {
    const bytes = readFileSync(at(path));
    if (index % 10 === 0) write(`${path}.round-${options.round}`, vary(bytes, mark));
    else if (index % 10 === 1) {
      rmSync(at(path));
      changed.delete(path);
    } else write(path, vary(bytes, mark));
  }

  const bySize = [...files]
    .filter((file) => file.path !== options.spare)
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
  for (const { path } of bySize.slice(0, options.largeChanges)) {
    if (!changed.has(path)) continue;
    const bytes = readFileSync(at(path));
    const third = Math.floor(bytes.length / 3);
    const insertion = Buffer.from(mark.repeat(40));
    bytes.write(mark.repeat(Math.min(150, Math.floor(third / mark.length))), 2 * third, 'latin1');
    write(path, Buffer.concat([bytes.subarray(0, third), insertion, bytes.subarray(third)]));
  }
  return [...changed.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Sum of the sizes of all files below a folder. */
export function sizeOfFolder(folder: string): number {
  let sizeBytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sizeBytes += lstatSync(join(entry.parentPath, entry.name)).size;
  }
  return sizeBytes;
}
