/** A chain of more sets than are read side by side. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { type Seal, withTrial } from './trial.js';

const sets = 44;
const middle = 20;
const start = 1_700_000_000;
const at = (set: number) => start + set * 100;

/** What set N changes: a file that all sets change a little, files that some make anew, and a folder of its own. */
function change(source: string, set: number): void {
  const tree = new TreeWriter(source, 1_600_000_000 + set * 86_400);
  const always = randomBytes('always', 200_000);
  for (let edit = 1; edit <= set; edit++) always.write(`edited in set ${edit}`, edit * 4000);
  tree.file('always', always);
  for (let file = set % 4; file < 12; file += 4)
    tree.file(`often ${file}`, randomBytes(`${set} ${file}`, 30_000));
  tree.directory(`set ${set}`);
  for (let file = 0; file < 7; file++)
    tree.file(`set ${set}/${file}`, randomBytes(`own ${set} ${file}`, file * 20_000));
  if (set % 5 === 4) tree.remove(`set ${set - 3}`);
  tree.finish();
}

describe('a chain of many sets', () => {
  for (const seal of ['passphrase', 'gzip'] satisfies Seal[]) {
    it(`is restored and verified, sealed with ${seal}`, () =>
      withTrial(seal, async (trial) => {
        let then: TreeDescription | undefined;
        for (let set = 0; set < sets; set++) {
          change(trial.source, set);
          const kind = set === 0 ? 'full' : 'incremental';
          await trial.run([
            kind,
            '--current-time',
            String(at(set)),
            '--volsize',
            '1',
            trial.source,
            trial.url,
          ]);
          if (set === middle) then = describeTree(trial.source);
        }
        const now = ['--current-time', String(at(sets))];
        const whole = trial.newTarget();
        await trial.run(['restore', ...now, trial.url, whole]);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(whole)), []);
        const earlier = trial.newTarget();
        await trial.run(['restore', ...now, '--time', String(at(middle)), trial.url, earlier]);
        assert.deepEqual(compareTrees(then as TreeDescription, describeTree(earlier)), []);
        const { stdout } = await trial.run(['verify', '--compare-data', ...now, trial.url, trial.source]);
        assert.match(stdout, / 0 differences found/);
        const one = trial.newTarget();
        await trial.run(['restore', ...now, '--file-to-restore', 'always', trial.url, one]);
        assert.ok(readFileSync(one).equals(readFileSync(join(trial.source, 'always'))));
      }));
  }
});
