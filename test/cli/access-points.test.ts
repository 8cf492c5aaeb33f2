/** Restores that begin in the middle of a volume. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { mixedBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { removeTree, TreeWriter } from '../trees/writer.js';
import { Processors } from './processors.js';
import { namesIn, type Seal, Trial } from './trial.js';

const mtime = 1_600_000_000;
const folders = ['a', 'b', 'b!', 'd'];
const small = (seed: string) => mixedBytes(seed, 140_000);

/** Some 40 MB: many small files, and one that is longer than what lies between two access points. */
function fill(source: string): void {
  const tree = new TreeWriter(source, mtime);
  for (const folder of folders) {
    tree.directory(folder);
    for (let i = 10; i < 60; i++) tree.file(`${folder}/${i}`, small(`${folder}${i}`));
  }
  tree.file('b/long', mixedBytes('long', 11_000_000));
  tree.finish();
}

function change(source: string): void {
  const tree = new TreeWriter(source, mtime + 1000);
  for (const path of ['a/30', 'b!/12', 'b!/59']) tree.file(path, small(`${path} anew`));
  tree.remove('b/44');
  tree.file('c', small('c'));
  tree.finish();
}

/** Puts other lines into the file of access points, with the right checksums. */
function rewrite(path: string, edit: (text: string) => string): void {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const edited = lines.map((line) => {
    const text = edit(line.slice(9));
    return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
  });
  writeFileSync(path, edited.join(''));
}

for (const seal of ['passphrase', 'gzip', 'plain'] satisfies Seal[]) {
  describe(`access points, ${seal}`, () => {
    let trial: Trial;
    let points: string;
    const single = ['a/10', 'a/30', 'b/43', 'b/long', 'b!/12', 'b!/35', 'c', 'd/41', 'd/59'];
    const restore = (path: string, target: string) => trial.run(['restore', '-r', path, trial.url, target]);

    before(async () => {
      trial = new Trial(seal);
      fill(trial.source);
      await trial.full('--volsize', '9');
      change(trial.source);
      await trial.incremental();
      const archive = join(trial.archive, 'trial');
      const found = namesIn(archive).filter((name) => /^tundra-access-points\..*manifest$/.test(name));
      assert.equal(found.length, 1, found.join());
      points = join(archive, found[0]!);
    });

    after(() => trial.dispose());

    it('bring back files from anywhere, and folders', async () => {
      for (const path of [...single, 'a', 'b!']) {
        const state = describeTree(join(trial.source, path));
        const target = trial.newTarget();
        await restore(path, target);
        assert.deepEqual(compareTrees(state, describeTree(target)), [], path);
      }
    });

    it('let a few volumes be restored by several threads', async () => {
      for (const threads of [2, 4]) {
        const processors = new Processors(trial, threads);
        const target = trial.newTarget();
        await trial.run(['restore', trial.url, target], processors.options());
        assert.ok(processors.threads('restore-thread') > 1);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
        removeTree(target);
        await trial.run(['verify', '--compare-data', trial.url, trial.source], processors.options());
      }
    });

    it('are really used, and not believed where they do not fit', async () => {
      const whole = readFileSync(points);
      // One byte off is no place where an entry begins.
      rewrite(points, (text) => text.replaceAll(/\[(\d+),/g, (_, offset) => `[${Number(offset) + 1},`));
      let refused = 0;
      for (const path of single) {
        const { status, told } = await trial.run(['restore', '-r', path, trial.url, trial.newTarget()], {
          status: 'any',
        });
        if (status === 0) continue;
        assert.match(told, /vol\d+\.difftar/);
        assert.match(told, /damaged|trusted|not a tar|whole gzip/);
        refused++;
      }
      assert.ok(refused >= 2, `${refused} were refused`);
      rewrite(points, (text) => text.replace(/"sha1":"./, '"sha1":"x'));
      await restore('b!/35', trial.newTarget());
      writeFileSync(points, whole.subarray(0, whole.length - 40));
      await restore('b!/35', trial.newTarget());
      writeFileSync(points, whole);
    });

    it('are not needed', async () => {
      const target = trial.newTarget();
      await trial.run(['restore', '-r', 'b!/35', '--archive-dir', trial.path('empty'), trial.url, target]);
      assert.ok(readFileSync(target).equals(readFileSync(join(trial.source, 'b!/35'))));
    });

    it('go with the set', async () => {
      await trial.full('--volsize', '9');
      await trial.run(['remove-all-but-n-full', '1', '--force', trial.url]);
      await trial.run(['collection-status', trial.url]);
      const names = namesIn(join(trial.archive, 'trial'));
      const left = names.filter((name) => /^tundra-access-points\..*manifest$/.test(name));
      assert.equal(left.length, 1);
      assert.notEqual(left[0], points.split('/').at(-1));
      const ofSignatures = names.filter((name) => /^tundra-access-points\..*sigtar\.gz$/.test(name));
      assert.ok(ofSignatures.every((name) => names.includes(name.slice('tundra-access-points.'.length))));
    });
  });
}
