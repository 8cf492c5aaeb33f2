/**
 * What is restored from cold storage, where volumes in which nothing wanted lies are never asked for, is what is restored
 * from hot storage of the same sets. TUNDRA_SEED has the random trees grow from another seed.
 */
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { keyOfSlashPath } from '../../src/base/path-key.js';
import { remarksIn } from '../cli/trial.js';
import { runProgram } from '../interop/programs.js';
import { needs } from '../peers.js';
import { mixedBytes, randomBytes, randomNumbers } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { evolveParts, lastStep, treeMtimeSeconds } from '../trees/evolve.js';
import { TreeWriter } from '../trees/writer.js';
import { atStep, type ColdTrial, namesOf, prefixOptions, secondsOf, withColdTrial } from './cold-trial.js';
import { piecesOf, volumesOf } from './pieces.js';

const folders = ['.', 'a', 'a/deep', 'a/deep/er', 'b', 'b b', 'b.c', 'z'];
const names = ['one', 'two', 'three', 'four'];
const steps = 5;

/** A tree that a seed lets grow: files edited, replaced, removed, turned into folders and links, and back. */
class RandomTree {
  readonly #next: () => number;
  readonly #trial: ColdTrial;

  constructor(trial: ColdTrial, seed: string) {
    this.#trial = trial;
    this.#next = randomNumbers(seed);
  }

  grow(step: number): void {
    if (step > 0) this.#changeFolder(folders[1 + (this.#next() % (folders.length - 1))]!, step);
    const tree = this.#writer(step);
    if (step === 0) for (const folder of folders) tree.directory(folder);
    for (const folder of folders) {
      for (const name of names) {
        const path = folder === '.' ? name : `${folder}/${name}`;
        if (this.#isFolder(folder) && (step === 0 || this.#next() % 3 === 0)) this.#change(tree, path, step);
      }
    }
    tree.finish();
  }

  #writer(step: number): TreeWriter {
    return new TreeWriter(this.#trial.source, treeMtimeSeconds + step * 100);
  }

  #change(tree: TreeWriter, path: string, step: number): void {
    const sizeBytes = [0, 300, 5000, 90_000, 160_000][this.#next() % 5]!;
    const seed = `${path} ${step}`;
    const kind = this.#next() % 8;
    if (kind < 3) tree.remove(path);
    if (kind === 1) tree.fifo(path);
    else if (kind === 2) {
      tree.directory(path);
      tree.file(`${path}/below`, mixedBytes(seed, sizeBytes));
    } else if (kind === 3) tree.symlink(path, seed);
    else if (kind === 4) tree.file(path, randomBytes(seed, sizeBytes));
    // Contents of one name are like one another: what is stored is a difference.
    else if (kind > 4) tree.file(path, mixedBytes(path, sizeBytes + step));
  }

  /** Sometimes removes a folder with all in it, or makes it anew. */
  #changeFolder(folder: string, step: number): void {
    const tree = this.#writer(step);
    const kind = this.#next() % 3;
    const isThere = this.#isFolder(folder);
    if (kind === 0 && isThere) tree.remove(folder);
    else if (kind === 1 && !isThere && this.#isFolder(dirname(folder))) {
      tree.remove(folder);
      tree.directory(folder);
      tree.file(`${folder}/${names[0]}`, mixedBytes(`${folder} ${step}`, 40_000));
    }
    tree.finish();
  }

  #isFolder(folder: string): boolean {
    const path = `${this.#trial.source}/${folder}`;
    return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  }
}

/** The part of a description at a path and below it. */
function partOf(tree: TreeDescription, path: string): TreeDescription {
  if (path === '') return tree;
  const part: TreeDescription = new Map();
  for (const [name, entry] of tree) {
    if (name === path) part.set('.', entry);
    else if (name.startsWith(`${path}/`)) part.set(name.slice(path.length + 1), entry);
  }
  return part;
}

const pathOptions = (path: string) => (path === '' ? [] : ['--path-to-restore', path]);

/** Restores a path of a step from cold storage, where all is sealed; the names of the volumes that were asked for. */
async function restoreCold(trial: ColdTrial, path: string, step: number, expected: TreeDescription) {
  trial.sealAll();
  const target = trial.newTarget();
  const outcome = await trial.run(['restore', ...pathOptions(path), ...atStep(step), trial.url, target]);
  assert.equal(remarksIn(outcome.told).replace(/^Cold storage: .*\n/gm, ''), '');
  assert.deepEqual(compareTrees(expected, describeTree(target)), [], `${path} at step ${step}`);
  const requests = trial.requests();
  const asked = namesOf(requests, 'thaw');
  assert.deepEqual(namesOf(requests, 'get'), asked);
  return asked;
}

describe('restores from cold storage', () => {
  const seeds = process.env.TUNDRA_SEED ? [process.env.TUNDRA_SEED] : ['1', '2', '3'];
  for (const seed of seeds) {
    it(`of a tree that changes at random, seed ${seed}`, (t) =>
      withColdTrial({ thaw: '0' }, async (trial) => {
        if (!needs(t, 'tar')) return;
        const tree = new RandomTree(trial, seed);
        const next = randomNumbers(`restores ${seed}`);
        const volumeSizeBytes = 70_000 + (next() % 100_000);
        const states: TreeDescription[] = [];
        for (let step = 0; step < steps; step++) {
          tree.grow(step);
          states.push(describeTree(trial.source));
          await trial.backUp(step === 0 ? 'full' : 'incremental', step, volumeSizeBytes);
        }
        const pieces = piecesOf(trial);
        let spared = 0;
        const tryPath = async (path: string, step: number) => {
          const needed = volumesOf(pieces, path, step);
          const asked = await restoreCold(trial, path, step, partOf(states[step]!, path));
          assert.deepEqual(asked, needed, `${path} at step ${step}`);
          spared += trial.coldNames().length - asked.length;
        };
        for (const step of [steps - 1, next() % (steps - 1)]) {
          await tryPath('', step);
          const paths = [...states[step]!.keys()].filter((path) => path !== '.');
          for (let i = 0; i < 2; i++) await tryPath(paths[next() % paths.length]!, step);
        }
        t.diagnostic(`${trial.coldNames().length} volumes; not asked for in 6 restores: ${spared}`);
        assert.ok(spared > 0);

        // The same from hot storage, and a path that was there and is gone.
        const hot = trial.hotCopy();
        const target = trial.newTarget();
        await trial.run(['restore', ...atStep(2), '--name', 'hot', hot, target]);
        assert.deepEqual(compareTrees(states[2]!, describeTree(target)), []);
        const gone = [...states[0]!.keys()].find((path) => !states[steps - 1]!.has(path));
        if (gone === undefined) return;
        const nothing = ['restore', ...pathOptions(gone), ...atStep(steps - 1)];
        await trial.run([...nothing, trial.url, trial.newTarget()], { status: 19 });
        assert.deepEqual(trial.requests(), []);
        await trial.run([...nothing, '--name', 'hot', hot, trial.newTarget()], { status: 19 });
      }));
  }

  it('of a tree in which all kinds of things change, at every step', () =>
    withColdTrial({ thaw: '0' }, async (trial) => {
      const parts = evolveParts(process.geteuid?.() === 0);
      const states: TreeDescription[] = [];
      for (let step = 0; step <= lastStep; step++) {
        const tree = new TreeWriter(trial.source, treeMtimeSeconds + step * 86_400);
        for (const part of parts) part(tree, step);
        tree.finish();
        states.push(describeTree(trial.source));
        await trial.backUp(step === 0 ? 'full' : 'incremental', step, 100_000);
      }
      const stored = trial.coldNames().length;
      for (let step = 0; step <= lastStep; step++) {
        const asked = await restoreCold(trial, '', step, states[step]!);
        assert.ok(asked.length < stored, `all ${stored} volumes`);
      }
      for (const name of ['trap', 'trap.', 'directory first', 'crowd of step 2', 'renamed 3 times']) {
        const path = `evolving/${name}`;
        const step = states.findLastIndex((state) => state.has(path));
        const expected = partOf(states[step]!, path);
        const asked = await restoreCold(trial, path, step, expected);
        assert.ok(asked.length < stored / 4, `${keyOfSlashPath(path)}: ${asked.length} of ${stored}`);
      }
    }));

  it('of sets that duplicity has written', (t) =>
    withColdTrial({ thaw: '0' }, async (trial) => {
      if (!needs(t, 'duplicity', 'tar')) return;
      const parts = evolveParts(process.geteuid?.() === 0);
      const store = trial.path('peer-store');
      mkdirSync(store);
      const env = {
        PATH: process.env.PATH,
        HOME: trial.home,
        TMPDIR: trial.home,
        TZ: 'UTC',
        LC_ALL: 'C.UTF-8',
      };
      const states: TreeDescription[] = [];
      for (let step = 0; step <= 2; step++) {
        const tree = new TreeWriter(trial.source, treeMtimeSeconds + step * 86_400);
        for (const part of parts) part(tree, step);
        tree.finish();
        states.push(describeTree(trial.source));
        const options = ['--no-encryption', '--no-compression', '--volsize', '1', ...prefixOptions];
        const time = ['--current-time', String(secondsOf(step)), '--archive-dir', trial.path('peer')];
        const mode = step === 0 ? 'full' : 'incremental';
        const args = [...options, ...time, mode, trial.source, `file://${store}`];
        const { status, stderr } = await runProgram('duplicity', args, env);
        assert.equal(status, 0, stderr);
      }
      trial.takeOver(store);
      const pieces = piecesOf(trial);
      for (let step = 0; step <= 2; step++) {
        const asked = await restoreCold(trial, '', step, states[step]!);
        assert.deepEqual(asked, volumesOf(pieces, '', step));
        const path = 'evolving/edited in the middle';
        const ofFile = await restoreCold(trial, path, step, partOf(states[step]!, path));
        assert.deepEqual(ofFile, volumesOf(pieces, path, step));
      }
    }));
});
