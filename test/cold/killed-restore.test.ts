/** A restore that waits for cold storage and is killed again and again: each time the same command goes on. */
import assert from 'node:assert/strict';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { namesIn } from '../cli/trial.js';
import { randomBytes, randomNumbers } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { type ColdTrial, namesOf, secondsOf, withColdTrial } from './cold-trial.js';

const volumes = 20;
const volumeBytes = 150_000;
const kills = 10;

function writeSource(trial: ColdTrial, step: number): void {
  const tree = new TreeWriter(trial.source, 1_600_000_000 + step);
  tree.directory('.');
  for (let i = 0; i < volumes; i++) {
    // Files that lie in two volumes, and some in one.
    tree.file(`file ${i}`, randomBytes(`${i}`, volumeBytes - 9000));
    tree.file(`file ${i} small`, randomBytes(`small ${i} ${step}`, 3000));
  }
  tree.finish();
}

const spool = (trial: ColdTrial) => join(trial.archive, 'trial', 'tundra-spool');

describe('a restore from cold storage', () => {
  it(`killed ${kills} times asks for each volume once, and is whole in the end`, () =>
    withColdTrial({ thaw: '0.5-12' }, async (trial) => {
      writeSource(trial, 0);
      await trial.backUp('full', 0, volumeBytes);
      const stored = trial.coldNames();
      assert.ok(stored.length >= volumes, `${stored.length} volumes`);
      const target = trial.newTarget();
      const note = join(trial.archive, 'trial', 'tundra-restore.json');
      const next = randomNumbers('moments');
      let killed = 0;
      // A run may have ended just before its kill, with nothing left to do but to leave.
      let isDone = false;
      for (let i = 0; i < kills && !isDone; i++) {
        const running = trial.start(['restore', trial.url, target]);
        const { child } = running;
        let told = '';
        child.stdout?.on('data', (text: string) => {
          told += text;
        });
        // The first ones before or while it asks; then as more and more volumes are here, and are restored.
        const isDue = () =>
          i < 3 || (told.includes('Cold storage:') && namesIn(spool(trial)).length >= 2 * (i - 2));
        while (!isDue() && child.exitCode === null) await sleep(2);
        await sleep(next() % (i < 3 ? 500 : 150));
        child.kill('SIGKILL');
        const { signal } = await running.ended;
        if (signal === 'SIGKILL') killed++;
        isDone = existsSync(target) && !existsSync(note);
      }
      assert.equal(killed, kills);
      trial.acceptLeftovers();
      trial.temp = trial.path('home');
      if (!isDone) {
        const { stdout } = await trial.run(['restore', trial.url, target]);
        assert.match(stdout, /Going on with the restore that was broken off, of the state of /);
      }
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      const requests = trial.requests();
      const asked = namesOf(requests, 'thaw');
      assert.deepEqual(asked, [...new Set(asked)], 'asked for twice');
      // A kill may fall between a thaw and its line in the log.
      const untold = stored.filter((name) => !asked.includes(name));
      assert.ok(untold.length <= 1, `not asked for: ${untold}`);
      assert.deepEqual(namesOf(requests, 'refused'), []);
      assert.deepEqual(namesIn(spool(trial)), []);
      assert.ok(!existsSync(note));
    }));

  it('that was killed in the wait goes on with the state it was begun with', () =>
    withColdTrial({ thaw: '1' }, async (trial) => {
      writeSource(trial, 0);
      await trial.backUp('full', 0, volumeBytes);
      const begun = describeTree(trial.source);
      const target = trial.newTarget();
      const restore = (step: number, to: string, ...options: string[]) =>
        ['--current-time', String(secondsOf(step) + 1), 'restore', ...options, trial.url, to] as const;
      const { stdout } = await trial.run(restore(0, target, '--no-wait'), { status: 75 });
      assert.match(stdout, /Cold storage: \d+ volumes? thawing/);
      assert.ok(!existsSync(target));
      const asked = trial.requests();
      assert.deepEqual(namesOf(asked, 'thaw'), trial.coldNames());

      writeSource(trial, 1);
      await trial.backUp('incremental', 1, volumeBytes);
      const newer = trial.coldNames().filter((name) => name.includes('-inc.'));
      assert.ok(newer.length > 0);
      await trial.run(restore(1, target));
      assert.deepEqual(compareTrees(begun, describeTree(target)), []);
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), []);
      // That one has ended: the next one is another.
      const other = trial.newTarget();
      await trial.run(restore(1, other));
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(other)), []);
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), newer);
    }));

  it('that was broken off is left alone by a drill', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      writeSource(trial, 0);
      await trial.backUp('full', 0, volumeBytes);
      const command = ['restore', '--no-wait', trial.url, trial.newTarget()];
      await trial.run(command, { status: 75 });
      const kept = join(spool(trial), trial.coldNames()[0]!);
      cpSync(join(trial.cold, trial.coldNames()[0]!), kept);
      trial.sealAll();
      trial.configure({ thaw: '0' });
      const { stdout } = await trial.run(['drill', '--files', '2', trial.url]);
      assert.match(stdout, /^Files restored and compared: 2 .* of which 0 failed$/m);
      assert.ok(existsSync(kept));
      assert.ok(!namesIn(join(trial.archive, 'trial')).includes('tundra-drill-spool'));
      trial.requests();
      const { stdout: later } = await trial.run(command);
      assert.match(later, /Going on with the restore/);
      assert.deepEqual(namesOf(trial.requests(), 'get'), trial.coldNames().slice(1));
    }));

  it('does not wait beside a drill, which leaves the local archive to backups', () =>
    withColdTrial({ thaw: '6' }, async (trial) => {
      writeSource(trial, 0);
      await trial.backUp('full', 0, volumeBytes);
      const running = trial.start(['drill', '--files', '1', trial.url]);
      let told = '';
      running.child.stdout?.on('data', (text: string) => {
        told += text;
      });
      try {
        while (!told.includes('Cold storage:')) await sleep(10);
        trial.temp = trial.path('home');
        writeSource(trial, 1);
        await trial.backUp('incremental', 1, volumeBytes);
        const { stderr } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 23 });
        assert.match(stderr, /another run, process \d+, restores from cold storage/);
      } catch (error) {
        running.child.kill('SIGKILL');
        throw error;
      }
      const { status, stdout } = await running.ended;
      assert.match(stdout, /^Files restored and compared: 1 .* of which 0 failed$/m);
      assert.equal(status, 0);
    }));

  it('leaves the local archive to backups while it waits, and lets no other restore wait beside it', () =>
    withColdTrial({ thaw: '8' }, async (trial) => {
      writeSource(trial, 0);
      await trial.backUp('full', 0, volumeBytes);
      const begun = describeTree(trial.source);
      const target = trial.newTarget();
      const running = trial.start(['restore', trial.url, target]);
      let told = '';
      running.child.stdout?.on('data', (text: string) => {
        told += text;
      });
      try {
        while (!told.includes('Cold storage:')) await sleep(10);
        trial.temp = trial.path('home');
        writeSource(trial, 1);
        await trial.backUp('incremental', 1, volumeBytes);
        await trial.run(['collection-status', trial.url]);
        const { stderr } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 23 });
        assert.match(stderr, /another run, process \d+, restores from cold storage/);
        const removal = ['remove-all-but-n-full', '1', '--force', trial.url];
        await trial.backUp('full', 2, volumeBytes);
        assert.match((await trial.run(removal, { status: 23 })).stderr, /restores from cold storage/);
      } catch (error) {
        running.child.kill('SIGKILL');
        throw error;
      }
      assert.equal((await running.ended).status, 0);
      assert.deepEqual(compareTrees(begun, describeTree(target)), []);
    }));

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`ends at once by ${signal} while it waits, and goes on later`, () =>
      withColdTrial({ thaw: '60' }, async (trial) => {
        writeSource(trial, 0);
        await trial.backUp('full', 0, volumeBytes);
        const target = trial.newTarget();
        const command = ['restore', trial.url, target];
        const running = trial.start(command);
        while (namesOf(trial.requests(), 'thaw').length === 0) await sleep(10);
        await sleep(500);
        const beforeMs = Date.now();
        running.child.kill(signal);
        const outcome = await running.ended;
        assert.ok(Date.now() - beforeMs < 10_000, 'the thaw alone takes a minute');
        assert.deepEqual(
          trial.leftovers().filter((name) => !name.startsWith('lockfile')),
          [],
        );
        trial.acceptLeftovers();
        trial.check(command, outcome, status);

        trial.sealAll();
        trial.configure({ thaw: '0' });
        await trial.run(command);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      }));
  }
});
