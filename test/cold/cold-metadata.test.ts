/** Manifests and signatures that have got into cold storage. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mixedBytes, randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { type ColdTrial, namesOf, withColdTrial } from './cold-trial.js';

function writeSource(trial: ColdTrial, step: number): void {
  const tree = new TreeWriter(trial.source, 1_600_000_000 + step);
  if (step === 0) for (const name of ['a', 'b', 'c']) tree.file(name, randomBytes(name, 120_000));
  tree.file('b', mixedBytes(`b ${step}`, 50_000));
  tree.finish();
}

/** A full and an incremental set. */
async function twoSets(trial: ColdTrial): Promise<void> {
  for (const step of [0, 1]) {
    writeSource(trial, step);
    await trial.backUp(step === 0 ? 'full' : 'incremental', step, 100_000);
  }
}

const isVolume = (name: string) => name.startsWith('cold_');
const lie =
  /^Manifests and signatures lie in cold storage, where every run that needs them must wait:\n((?:\t.*\n)+)Keep them in hot storage/m;

/** The names that a run told of. */
function toldNames(told: string): string[] {
  const [, list = ''] = lie.exec(told) ?? [];
  return list.match(/\S+/g)?.sort() ?? [];
}

describe('metadata in cold storage', () => {
  it('is not read where the local archive has it', () =>
    withColdTrial({ thaw: '60', coldPrefixes: ['cold_', 'hot_', 'sig_'] }, async (trial) => {
      await twoSets(trial);
      writeSource(trial, 2);
      const { told } = await trial.run(['--allow-source-mismatch', 'incremental', trial.source, trial.url]);
      assert.match(told, /^hot_.*-inc\..*\.manifest lies in cold storage: .* is not compared with it\.$/m);
      for (const command of ['collection-status', 'list-current-files', 'plan']) {
        await trial.run([command, trial.url]);
      }
      await trial.run(['verify', trial.url, trial.source]);
      assert.deepEqual(trial.requests(), []);
    }));

  it('is asked for at once and told by name; a backup ends with 75, and goes on when it is thawed', () =>
    withColdTrial({ thaw: '60', coldPrefixes: ['cold_', 'hot_'] }, async (trial) => {
      await twoSets(trial);
      const manifests = trial.coldNames().filter((name) => !isVolume(name));
      assert.equal(manifests.length, 2);
      trial.archive = trial.path('empty');
      await trial.run(['collection-status', trial.url]);
      const plan = await trial.run(['plan', trial.url], { status: 75 });
      assert.deepEqual(toldNames(plan.told), manifests);
      assert.match(plan.told, /^2 files of metadata must be thawed first\.\nRun "thaw"/m);
      assert.deepEqual(trial.requests(), []);

      const backup = ['incremental', '--allow-source-mismatch', trial.source, trial.url];
      const first = await trial.run(backup, { status: 75 });
      assert.deepEqual(toldNames(first.told), manifests);
      assert.match(
        first.told,
        /^2 files of metadata asked for and not ready yet\.\nRun the same command later/m,
      );
      const asked = trial.requests();
      assert.deepEqual(namesOf(asked, 'thaw'), manifests);
      assert.equal(asked.length, 2);
      for (const command of [backup, ['list-current-files', trial.url], ['thaw', trial.url]]) {
        const { told } = await trial.run(command, { status: 75 });
        assert.deepEqual(toldNames(told), manifests);
      }
      assert.deepEqual(trial.requests(), []);

      trial.sealAll();
      trial.configure({ thaw: '0', coldPrefixes: ['cold_', 'hot_'] });
      // Ready at once: then it goes on.
      await trial.run(backup);
      const requests = trial.requests();
      assert.deepEqual(namesOf(requests, 'thaw'), manifests);
      assert.deepEqual([...new Set(namesOf(requests, 'get'))], manifests);
    }));

  it('is waited for by a restore, signatures and manifests together, and then the volumes', () =>
    withColdTrial({ thaw: '0.5-1', coldPrefixes: ['cold_', 'hot_', 'sig_'] }, async (trial) => {
      await twoSets(trial);
      const metadata = trial.coldNames().filter((name) => !isVolume(name));
      assert.equal(metadata.length, 4);
      trial.archive = trial.path('empty');
      const target = trial.newTarget();
      const { told } = await trial.run(['restore', '--path-to-restore', 'c', trial.url, target]);
      assert.deepEqual(toldNames(told), metadata);
      assert.deepEqual(compareTrees(describeTree(`${trial.source}/c`), describeTree(target)), []);
      const requests = trial.requests();
      assert.deepEqual(namesOf(requests, 'refused'), []);
      assert.deepEqual(namesOf(requests.slice(0, 4), 'thaw'), metadata, 'all of it first');
      const volumes = namesOf(requests, 'thaw').filter(isVolume);
      assert.ok(volumes.length > 0 && volumes.length < trial.coldNames().length - metadata.length);
      assert.deepEqual(namesOf(requests, 'get'), [...metadata, ...volumes].sort());
    }));

  it('is asked for by thaw, and with --wait the volumes as well', () =>
    withColdTrial({ thaw: '0.5', coldPrefixes: ['cold_', 'hot_', 'sig_'] }, async (trial) => {
      await twoSets(trial);
      trial.archive = trial.path('empty');
      await trial.run(['thaw', trial.url], { status: 75 });
      assert.ok(!namesOf(trial.requests(), 'thaw').some(isVolume));
      await trial.run(['thaw', '--wait', trial.url]);
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), trial.coldNames().filter(isVolume));
      const target = trial.newTarget();
      await trial.run(['restore', '--no-wait', trial.url, target]);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));
});
