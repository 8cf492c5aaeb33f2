/** Runs that are asked to end, or are killed while they restore: the next run goes on. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { smallTree, smallTreeSeconds } from '../cli/small-tree.js';
import { namesIn, type Running, type Trial, withTrial } from '../cli/trial.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
const volumes = ['--volsize', '1'];

/** The small tree and noise enough for some volumes, most of which end between two files. */
function writeSource(trial: Trial): void {
  smallTree(trial.source);
  const tree = new TreeWriter(trial.source, smallTreeSeconds);
  for (let n = 0; n < 120; n++) tree.file(`n${n}`, randomBytes(`${n}`, 30_000));
  tree.finish();
}

/** Sends a signal to a run once it has sent so many files; false if it had ended before. */
async function signalAt(
  trial: Trial,
  running: Running,
  files: number,
  signal: NodeJS.Signals,
): Promise<boolean> {
  const { child } = running;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  while (!hasEnded() && storedNames(trial).length < files) await sleep(1);
  if (hasEnded()) return false;
  child.kill(signal);
  return true;
}

/** A full backup that was asked to end after two volumes; one that was too fast for that is made anew. */
async function endedBy(trial: Trial, signal: NodeJS.Signals): Promise<Awaited<Running['ended']>> {
  for (let tries = 5; tries > 0; tries--) {
    const running = trial.start([...volumes, ...at(0), 'full', trial.source, trial.url]);
    const wasAsked = await signalAt(trial, running, 2, signal);
    const outcome = await running.ended;
    if (wasAsked && outcome.status !== 0) return outcome;
    for (const folder of [trial.store, trial.archive]) {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
    }
  }
  throw new Error('it was too fast each time');
}

function storedNames(trial: Trial): string[] {
  return namesIn(trial.store).filter((name) => name.startsWith('duplicity'));
}

describe('a run that is asked to end', () => {
  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    it(`by ${signal} leaves no temporary files, and the next one goes on`, () =>
      withTrial('gzip', async (trial) => {
        writeSource(trial);
        const outcome = await endedBy(trial, signal);
        assert.equal(outcome.status, status);
        assert.deepEqual(namesIn(trial.temp), []);
        assert.doesNotMatch(outcome.told, /Unexpected|^ {4}at /m);
        trial.acceptLeftovers();
        const next = await trial.run([...volumes, ...at(100), trial.source, trial.url]);
        assert.match(next.stdout, /was interrupted: it goes on after volume [1-9]/);
        assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
        assert.deepEqual(
          namesIn(join(trial.archive, 'trial')).filter((name) => name.startsWith('.tundra')),
          [],
        );
      }));
  }

  it('while it restores can be run again', () =>
    withTrial('passphrase', async (trial) => {
      writeSource(trial);
      await trial.full(...volumes);
      const target = trial.newTarget();
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        const running = trial.start(['restore', '--force', trial.url, target]);
        while (running.child.exitCode === null && !existsSync(join(target, 'n1'))) await sleep(1);
        running.child.kill(signal);
        await running.ended;
        if (signal === 'SIGKILL') trial.acceptLeftovers();
        else
          assert.deepEqual(
            trial.leftovers().filter((name) => !name.startsWith('lockfile')),
            [],
          );
      }
      await trial.run(['restore', '--force', trial.url, target]);
      // What a killed run was writing is gone as well.
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));
});
