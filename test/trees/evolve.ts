import { existsSync, statSync } from 'node:fs';
import type { Latin1 } from '../../src/base/path-key.js';
import { mixedBytes, randomBytes } from './contents.js';
import { type EntryAttributes, TreeWriter } from './writer.js';

/** The mtime of what an odd tree does not say otherwise of. Each step changes things a day later. */
export const treeMtimeSeconds = 1_600_000_000;

/** The last step that `evolve` knows. */
export const lastStep = 3;

/**
 * Changes an odd tree as time does: files grow, shrink, are edited in the middle, become something else, vanish,
 * appear and move; sometimes only a mode or an mtime changes. Steps go in order: 1, 2, 3. Every change moves a
 * whole-second mtime or another attribute that the format compares.
 */
export function evolve(folder: string, step: number): void {
  if (!Number.isInteger(step) || step < 1 || step > lastStep) throw new RangeError(`no step ${step}`);
  const tree = new TreeWriter(folder, treeMtimeSeconds + step * 86_400);
  for (const part of evolveParts(existsSync(`${folder}/owners`))) part(tree, step);
  const sparse = `${folder}/sparse/scattered`;
  if (existsSync(sparse)) tree.pieces('sparse/scattered', statSync(sparse).size, sparseEdits(step));
  tree.finish();
}

/** A part of the tree in which something happens at every step; step 0 makes it. */
type Part = (tree: TreeWriter, step: number) => void;

/** All parts. `root` adds those that only root can write. */
export function evolveParts(root: boolean): Part[] {
  const parts = [
    startFolder,
    resizeFiles,
    editFiles,
    changeTypes,
    comeAndGo,
    renameFolders,
    changeAttributes,
  ];
  return root ? [...parts, changeAsRoot] : parts;
}

const folder = 'evolving';

function startFolder(tree: TreeWriter, step: number): void {
  if (step === 0) tree.directory(folder);
}

/** Sizes at steps 0 to 3. Contents of one name are prefixes of one another. */
const sizesOf: Record<string, readonly number[]> = {
  grows: [10, 70_000, 140_000, 1_100_000],
  shrinks: [1_100_000, 200_000, 60_000, 0],
  'empty and full': [0, 5, 0, 65_536],
  'exact blocks': [65_536, 131_072, 65_536, 196_608],
  'around a block': [65_536, 65_537, 65_535, 65_536],
  'changes block length': [1_023_999, 1_024_000, 2_048_000, 1_000_000],
};

function resizeFiles(tree: TreeWriter, step: number): void {
  for (const [name, sizes] of Object.entries(sizesOf)) {
    tree.file(`${folder}/${name}`, mixedBytes(name, sizes[step]!));
  }
}

function editFiles(tree: TreeWriter, step: number): void {
  const edited = mixedBytes('edited', 300_000);
  for (let edit = 1; edit <= step; edit++) edited.write(`edit ${edit} `.repeat(20), edit * 70_000, 'latin1');
  tree.file(`${folder}/edited in the middle`, edited);

  const inserted = mixedBytes('inserted', 250_000);
  const insertion = Buffer.from('inserted '.repeat(step * 3));
  tree.file(
    `${folder}/inserted into`,
    Buffer.concat([inserted.subarray(0, 99_999), insertion, inserted.subarray(99_999)]),
  );
  tree.file(
    `${folder}/prepended`,
    Buffer.concat([Buffer.alloc(step * 7, '>'), mixedBytes('prepended', 80_000)]),
  );
  tree.file(`${folder}/small`, Buffer.from(`step ${step}\n`));
  tree.file(`${folder}/all new`, randomBytes(`all new ${step}`, 100_000));
  tree.file(`${folder}/swapped`, swapped(mixedBytes('swapped', 400_000), step * 50_000));
  tree.file(`${folder}/\xff not utf-8 \n`, mixedBytes('odd name', 1000 + step));
}

/** The bytes with what is before and after a place exchanged. */
function swapped(bytes: Buffer, place: number): Buffer {
  return Buffer.concat([bytes.subarray(place), bytes.subarray(0, place)]);
}

type Shape = 'file' | 'large' | 'directory' | 'symlink' | 'fifo' | 'nothing';

/** What is at a name at steps 0 to 3. */
const shapesOf: Record<string, readonly Shape[]> = {
  'file first': ['file', 'directory', 'symlink', 'file'],
  'directory first': ['directory', 'file', 'directory', 'nothing'],
  'link first': ['symlink', 'directory', 'file', 'symlink'],
  'fifo first': ['fifo', 'file', 'fifo', 'directory'],
  'large first': ['large', 'symlink', 'large', 'fifo'],
  'large, gone and back': ['large', 'nothing', 'file', 'large'],
  // Its directory sorts between this name and the next, which only the order of the format gets right.
  trap: ['directory', 'file', 'directory', 'file'],
  'trap.': ['file', 'directory', 'file', 'directory'],
};

function changeTypes(tree: TreeWriter, step: number): void {
  for (const [name, shapes] of Object.entries(shapesOf))
    writeShape(tree, `${folder}/${name}`, shapes[step]!, step);
}

function writeShape(tree: TreeWriter, path: Latin1, shape: Shape, step: number): void {
  tree.remove(path);
  if (shape === 'file') tree.file(path, mixedBytes(`${path} ${step}`, 500));
  else if (shape === 'large') tree.file(path, mixedBytes(`${path} ${step}`, 150_000));
  else if (shape === 'symlink') tree.symlink(path, `at step ${step}`);
  else if (shape === 'fifo') tree.fifo(path);
  else if (shape === 'directory') {
    tree.directory(`${path}/sub directory`);
    for (const name of ['one', 'sub directory/two', 'sub directory/\xe9']) {
      tree.file(`${path}/${name}`, mixedBytes(`${name} ${step}`, 200));
    }
  }
}

function comeAndGo(tree: TreeWriter, step: number): void {
  if (step % 2 === 0) tree.file(`${folder}/comes and goes`, mixedBytes(`comes ${step}`, 3000));
  else tree.remove(`${folder}/comes and goes`);

  const crowd = (at: number) => `${folder}/crowd of step ${at}`;
  tree.directory(`${crowd(step)}/sub`);
  for (let member = 0; member < 20; member++) {
    tree.file(`${crowd(step)}/sub/${member}`, mixedBytes(`${step} ${member}`, member * 100));
  }
  tree.file(`${crowd(step)}/\xc3\xa9 and \xe9`, mixedBytes('appears', 70_000 + step));
  if (step > 0) tree.remove(crowd(step - 1));
}

function renameFolders(tree: TreeWriter, step: number): void {
  if (step > 0) {
    tree.rename(`${folder}/renamed ${step - 1} times`, `${folder}/renamed ${step} times`);
    return;
  }
  tree.directory(`${folder}/renamed 0 times/sub`);
  tree.file(`${folder}/renamed 0 times/sub/large`, mixedBytes('renamed', 100_000));
  tree.symlink(`${folder}/renamed 0 times/link`, 'sub/large');
  tree.fifo(`${folder}/renamed 0 times/fifo`);
}

/** Changes of attributes alone: contents, and all attributes but the one named, stay as they are. */
function changeAttributes(tree: TreeWriter, step: number): void {
  const before: EntryAttributes = { mtimeSeconds: treeMtimeSeconds };
  const mode = [0o644, 0o600, 0o4755, 0o1755][step]!;
  const fileContents = mixedBytes('attributes', 90_000);
  tree.file(`${folder}/only mode`, fileContents, { ...before, mode });
  tree.file(`${folder}/only mtime`, fileContents, { mtimeSeconds: treeMtimeSeconds + step });
  tree.file(`${folder}/touched, same contents`, fileContents);
  tree.fifo(`${folder}/fifo mode`, { ...before, mode: mode & 0o777 });
  tree.symlink(`${folder}/link target`, step % 2 === 0 ? 'even' : 'x'.repeat(100 + step));
  tree.directory(`${folder}/directory mode`, { ...before, mode: [0o755, 0o700, 0o2775, 0o1777][step]! });
  tree.directory(`${folder}/directory mtime`, { mtimeSeconds: treeMtimeSeconds + step });
}

function changeAsRoot(tree: TreeWriter, step: number): void {
  const owner = { uid: step * 1000, gid: step * 2000, mtimeSeconds: treeMtimeSeconds };
  tree.file(`${folder}/only owner`, mixedBytes('owner', 90_000), owner);
  tree.directory(`${folder}/directory owner`, owner);
  tree.device(`${folder}/device numbers`, 'c', 1, 3 + step * 2, { mtimeSeconds: treeMtimeSeconds });
  if (step === 2) tree.file(`${folder}/device or file`, mixedBytes('device', 100));
  else tree.device(`${folder}/device or file`, step === 0 ? 'c' : 'b', 7, step);
}

function sparseEdits(step: number): { offset: number; bytes: Buffer }[] {
  return [1, 2, 3].map((index) => ({
    offset: index * 900_000_000 + step * 12_345_678,
    bytes: mixedBytes(`edit ${step} ${index}`, 50_000),
  }));
}
