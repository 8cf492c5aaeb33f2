/** Copying backups out of cold storage: what the target lacks is asked for once, and nothing else. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultBackupName } from '../../src/chain/archive-folder.js';
import { changeSmallTree, smallTree } from '../cli/small-tree.js';
import { contentsOf, namesIn } from '../cli/trial.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { type ColdTrial, namesOf, withColdTrial } from './cold-trial.js';

const volumeBytes = 60_000;

/** Two sets in cold storage; the target has the first volume already. */
async function prepare(trial: ColdTrial): Promise<{ copy: string; there: string }> {
  smallTree(trial.source);
  await trial.backUp('full', 0, volumeBytes);
  changeSmallTree(trial.source);
  await trial.backUp('incremental', 1, volumeBytes);
  const copy = trial.path('copied');
  mkdirSync(copy);
  const there = trial.coldNames().find((name) => name.includes('.vol1.')) as string;
  cpSync(join(trial.cold, there), join(copy, there));
  trial.sealAll();
  return { copy, there };
}

/** Both addresses have a local archive of their own. */
const own = { ownArchive: true };

describe('replicate from cold storage', () => {
  it('asks with --no-wait, copies when it is thawed, and then asks for nothing', () =>
    withColdTrial({ thaw: '0.5' }, async (trial) => {
      const { copy, there } = await prepare(trial);
      const command = ['replicate', trial.url, `file://${copy}`];
      const needed = trial.coldNames().filter((name) => name !== there);
      assert.ok(needed.length >= 4, needed.join(' '));
      await trial.run([...command, '--dry-run'], own);
      assert.deepEqual(trial.requests(), []);

      await trial.run([...command, '--no-wait'], { ...own, status: 75 });
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), needed);
      assert.deepEqual(namesIn(copy), [there]);

      await trial.run(command, own);
      const requests = trial.requests();
      assert.deepEqual(namesOf(requests, 'thaw'), []);
      assert.deepEqual(namesOf(requests, 'get'), needed);
      assert.deepEqual(contentsOf(copy), contentsOf(trial.hotCopy().slice('file://'.length)));
      const archives = join(trial.home, '.cache/duplicity');
      for (const archive of readdirSync(archives))
        assert.ok(!existsSync(join(archives, archive, 'tundra-replicate-spool')));

      await trial.run(command, own);
      assert.deepEqual(trial.requests(), []);
      const target = trial.newTarget();
      await trial.run(['restore', `file://${copy}`, target], own);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));

  it('leaves the local archive of the source to others while it waits, that of the target not', () =>
    withColdTrial({ thaw: '2' }, async (trial) => {
      const { copy } = await prepare(trial);
      const args = ['replicate', trial.url, `file://${copy}`];
      const lockOf = (url: string) =>
        join(trial.home, '.cache/duplicity', defaultBackupName(url), 'lockfile.tundra');
      const [source, target] = [lockOf(trial.url), lockOf(`file://${copy}`)];
      const { child, ended } = trial.start(args, own);
      // The target's is taken last, and at the end given up first.
      while (!existsSync(target) && child.exitCode === null) await sleep(5);
      assert.ok(existsSync(source));
      while (existsSync(source) && child.exitCode === null) await sleep(5);
      assert.ok(existsSync(target));
      trial.check(args, await ended, 0);
      assert.equal(namesIn(copy).length, contentsOf(trial.hotCopy().slice('file://'.length)).size);
    }));
});
