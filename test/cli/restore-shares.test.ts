/** Restores and verifications that are divided by path, with one thread for each share. */
import assert from 'node:assert/strict';
import { cpSync, lstatSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type PathKey, slashPath } from '../../src/base/path-key.js';
import type { PlannedVolume } from '../../src/chain/restore-plan.js';
import { shareOut } from '../../src/chain/restore-shares.js';
import { ManifestParser } from '../../src/format/manifest.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { removeTree, TreeWriter } from '../trees/writer.js';
import { Processors } from './processors.js';
import { namesIn, Trial } from './trial.js';

// 2023-11-14T22:13:20Z
const start = 1_700_000_000;
const at = (step: number) => start + step * 100;
const mtime = (step: number) => 1_600_000_000 + step * 86_400;

const folders = ['d0', 'd1', 'd2', 'd3', 'd3!', 'd3.x', 'd4', 'd5', 'd6', 'd7'];
const file = (name: string, sizeBytes = 150_000) => randomBytes(name, sizeBytes);

/** Files that fill some volumes, three of them longer than a volume, with names around the separator. */
function firstState(source: string): void {
  const tree = new TreeWriter(source, mtime(0));
  tree.directory('.', { mode: 0o750 });
  for (const folder of folders) {
    tree.directory(folder, { mode: 0o711 });
    for (const name of ['a', 'a!', 'a.b', 'b', 'c']) tree.file(`${folder}/${name}`, file(folder + name));
    tree.symlink(`${folder}/link`, 'a');
    tree.file(`${folder}/empty`, Buffer.alloc(0));
  }
  for (const folder of ['d2', 'd5', 'd6']) tree.file(`${folder}/big`, file(`${folder} big`, 1_700_000));
  for (const folder of ['d0', 'd7']) tree.file(`${folder}/s`, file('s', 100), { mode: 0o4755 });
  tree.finish();
}

/** The paths at which the first of these volumes end that are each a share for so many threads. */
function boundsFor(volumes: PlannedVolume[], threads: number): PathKey[] {
  return shareOut({ wanted: '', sets: [volumes] }, threads)
    .slice(0, -1)
    .map(({ range }) => range.upTo as PathKey);
}

/** Changes what lies at the bounds: a file becomes a folder, a folder a file, a file a link; and much besides. */
function secondState(source: string, [first, second, third]: readonly PathKey[]): void {
  const tree = new TreeWriter(source, mtime(1));
  const toFolder = slashPath(first as PathKey);
  tree.remove(toFolder);
  tree.directory(toFolder, { mode: 0o500 });
  tree.file(`${toFolder}/inside`, file('inside'));
  tree.file(`${toFolder}/deep`, Buffer.from('deep'));
  const toFile = parentOf(second as PathKey);
  tree.remove(toFile);
  tree.file(toFile, file('now a file', 70_000));
  tree.symlink(slashPath(third as PathKey), 'elsewhere');
  const edited = file('d6 big', 1_700_000);
  edited.write('edited in the middle', 900_000);
  tree.file('d6/big', edited);
  tree.remove('d0/b');
  tree.file('d7/new', file('new'));
  tree.finish();
}

function thirdState(source: string, [first, second, third]: readonly PathKey[]): void {
  const tree = new TreeWriter(source, mtime(2));
  const closed = slashPath(first as PathKey);
  tree.attributes(closed, { mode: 0o700 });
  tree.file(`${closed}/inside`, file('inside', 140_000));
  tree.directory(closed, { mode: 0o500 });
  const toFolder = parentOf(second as PathKey);
  tree.remove(toFolder);
  tree.directory(toFolder);
  tree.file(`${toFolder}/again`, file('again'));
  tree.fifo(slashPath(third as PathKey));
  tree.remove('d1');
  tree.file('d6/a', file('changed'));
  tree.file('d8', file('the last one', 300_000));
  tree.finish();
}

function parentOf(key: PathKey): string {
  const [parent, ...rest] = key.split('\0');
  assert.ok(parent !== undefined && rest.length > 0, `${slashPath(key)} lies in a folder`);
  return parent;
}

function volumesOf(trial: Trial): PlannedVolume[] {
  const folder = join(trial.archive, 'trial');
  const name = namesIn(folder).find((one) => one.startsWith('duplicity-full.') && one.endsWith('.manifest'));
  const parser = new ManifestParser();
  parser.update(readFileSync(join(folder, name as string)));
  return parser.finish().volumes.map(({ number, startKey, endKey }) => ({
    number,
    name: `${number}`,
    startKey,
    endKey,
    lowestKey: startKey,
    startsEarlier: false,
    hash: undefined,
    encrypted: true,
    compressed: false,
  }));
}

describe('restoring in shares', () => {
  let trial: Trial;
  let bounds: PathKey[];
  const states: TreeDescription[] = [];

  before(async () => {
    trial = new Trial('passphrase');
    const volume = ['--volsize', '1', '--current-time'];
    firstState(trial.source);
    states.push(describeTree(trial.source));
    await trial.full(...volume, String(at(0)));
    const volumes = volumesOf(trial);
    assert.ok(volumes.length >= 8, `${volumes.length} volumes`);
    bounds = boundsFor(volumes, 4);
    assert.equal(bounds.length, 3);
    // As it is with two threads, too.
    assert.deepEqual(boundsFor(volumes, 2), [bounds[1]]);
    for (const [index, change] of [secondState, thirdState].entries()) {
      change(trial.source, bounds);
      states.push(describeTree(trial.source));
      await trial.incremental(...volume, String(at(index + 1)));
    }
  });

  after(() => trial.dispose());

  /** The same run with one thread and with several, which must end alike. */
  async function runAlike(args: (target: string) => string[], status = 0, compare = (_target: string) => {}) {
    let first: string | undefined;
    for (const threads of [1, 2, 4]) {
      const processors = new Processors(trial, threads);
      const target = trial.newTarget();
      const { stdout, stderr } = await trial.run(args(target), processors.options({ status }));
      assert.equal(processors.threads('restore-thread'), threads);
      compare(target);
      first ??= stdout + stderr;
      assert.equal(stdout + stderr, first);
      removeTree(target);
    }
    return first as string;
  }

  const restore = (...args: string[]) => ['restore', '--current-time', String(at(9)), ...args, trial.url];
  const verify = (...args: string[]) => ['verify', '--current-time', String(at(9)), ...args, trial.url];

  it('brings every state back, with every number of threads', async () => {
    for (const [step, state] of states.entries()) {
      await runAlike(
        (target) => [...restore('--time', String(at(step))), target],
        0,
        (target) => assert.deepEqual(compareTrees(state, describeTree(target)), [], `state ${step}`),
      );
    }
  });

  it('works on the machine as it is', async () => {
    assert.deepEqual(await trial.restoredDifferences(states[2] as TreeDescription), []);
    await trial.run([...verify('--compare-data'), trial.source]);
  });

  it('brings a part back', async () => {
    // Around a bound, a bound that is a folder now, and a file over several volumes.
    for (const path of ['d2', parentOf(bounds[1] as PathKey), slashPath(bounds[0] as PathKey), 'd6/big']) {
      const state = describeTree(join(trial.source, path));
      const target = trial.newTarget();
      const options = new Processors(trial, 4).options();
      await trial.run([...restore('-r', path), target], options);
      assert.deepEqual(compareTrees(state, describeTree(target)), [], path);
      await trial.run([...verify('--compare-data', '-r', path), join(trial.source, path)], options);
    }
  });

  it('restores one state over another, with what is of another kind there', async () => {
    const first = trial.path('first');
    await trial.run([...restore('--time', String(at(0))), first]);
    for (const [step, state] of [...states.entries()].slice(1)) {
      for (const threads of [1, 4]) {
        const target = trial.newTarget();
        cpSync(first, target, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
        const args = [...restore('--force', '--time', String(at(step))), target];
        await trial.run(args, new Processors(trial, threads).options());
        const found = describeTree(target);
        // Nothing is removed that the backup merely does not have.
        for (const path of [...found.keys()].filter((path) => !state.has(path))) {
          assert.ok(states[0]?.has(path), path);
          found.delete(path);
        }
        assert.deepEqual(compareTrees(state, found), [], `state ${step}, ${threads} threads`);
        removeTree(target);
      }
    }
  });

  it('tells of set-id bits in all shares together', async () => {
    const modes = (target: string) =>
      ['d0/s', 'd7/s'].map((path) => lstatSync(join(target, path)).mode & 0o7777);
    const told = await runAlike(
      (target) => [...restore('--no-restore-ownership'), target],
      0,
      (target) => assert.deepEqual(modes(target), [0o755, 0o755]),
    );
    assert.match(told, /^2 entries were restored without set-user-ID/m);
  });

  it('verifies the backup alone', async () => {
    const told = await runAlike(() => [...verify(), trial.source]);
    // What the tree has, the root among it.
    assert.match(told, new RegExp(`${states[2]?.size} files compared, 0 differences found`));
  });

  it('finds what differs in each share, and tells of it in the order of the paths', async () => {
    await runAlike(() => [...verify('--compare-data'), trial.source]);
    const copy = trial.path('copy');
    await trial.run([...restore(), copy]);
    const tree = new TreeWriter(copy, mtime(2));
    const alter = (path: string) => {
      const { atime, mtime } = lstatSync(join(copy, path));
      const bytes = readFileSync(join(copy, path));
      bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70);
      writeFileSync(join(copy, path), bytes);
      utimesSync(join(copy, path), atime, mtime);
    };
    const altered = ['d0/a', 'd3/c', 'd5/c', 'd6/big', 'd7/c'];
    for (const path of altered) alter(path);
    tree.attributes('d3!/a', { mode: 0o600, mtimeSeconds: mtime(0) });
    const differing = new Map(altered.map((path) => [path, `Data for file ${path} is different`]));
    differing.set('d3!/a', 'File d3!/a has permissions');
    const lines = async (args: string[]) => {
      const told = await runAlike(() => [...args, copy], 1);
      const mark = 'Difference found: ';
      return told.split('\n').flatMap((line) => (line.startsWith(mark) ? line.slice(mark.length) : []));
    };
    const found = await lines(verify('--compare-data'));
    const inOrder = [...differing.keys()].sort((a, b) =>
      a.replace('/', '\0') < b.replace('/', '\0') ? -1 : 1,
    );
    assert.equal(found.length, inOrder.length, found.join('\n'));
    for (const [i, path] of inOrder.entries())
      assert.ok(found[i]?.includes(differing.get(path) as string), found.join('\n'));

    // New ones and missing ones at each bound, and at both ends.
    for (const bound of bounds) removeTree(join(copy, slashPath(bound)));
    for (const path of ['!', 'd9', ...bounds.map((bound) => `${slashPath(bound)}!`)])
      writeFileSync(join(copy, path), 'new');
    const more = await lines(verify('--compare-data'));
    const named = (pattern: RegExp) => more.flatMap((line) => pattern.exec(line)?.[1] ?? []);
    const beside = bounds.map((bound) => `${slashPath(bound)}!`);
    assert.deepEqual(named(/^New file (.*)/), ['!', ...beside, 'd9']);
    const gone = named(/^File (.*) is missing/);
    assert.ok(gone.includes(`${slashPath(bounds[0] as PathKey)}/inside`));
    // That folder with two files in it, and the FIFO; the second bound was no longer there.
    assert.equal(gone.length, 4);
    removeTree(copy);
  });
});
