/** Runs that are killed in the middle, at moments that a seed chooses: the next run goes on as if nothing had been. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { smallTree, smallTreeSeconds } from '../cli/small-tree.js';
import { namesIn, type Running, type Seal, type Trial, withTrial } from '../cli/trial.js';
import { randomBytes, randomNumbers } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
const volumes = ['--volsize', '1'];
const momentsPerKind = 5;

/** The small tree and noise enough for some volumes, which is another one for every step. */
function writeSource(trial: Trial, step: number): void {
  if (step === 0) smallTree(trial.source);
  const tree = new TreeWriter(trial.source, smallTreeSeconds + step * 86_400);
  for (const name of ['m', 'n', 'o', 'p']) tree.file(name, randomBytes(`${name} ${step}`, 900_000));
  tree.file(`only at step ${step}`, randomBytes('only', 1000));
  if (step > 0) tree.remove(`only at step ${step - 1}`);
  tree.finish();
}

/** When to kill a run: so many milliseconds after the store has so many more files, or after it has begun. */
interface Moment {
  files: number;
  ms: number;
}

function momentsOf(seed: string, filesOfRun: number): Moment[] {
  const next = randomNumbers(seed);
  return Array.from({ length: momentsPerKind }, (_, index) => ({
    files: Math.floor((index * filesOfRun) / momentsPerKind),
    ms: next() % (index === 0 ? 120 : 25),
  }));
}

/** Kills a run at a moment; false if it had ended before. */
async function killAt(
  trial: Trial,
  running: Running,
  moment: Moment,
  signal: NodeJS.Signals,
): Promise<boolean> {
  const { child } = running;
  const before = namesIn(trial.store).length;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const lock = join(trial.archive, 'trial', 'lockfile.tundra');
  const isDue = () =>
    moment.files === 0 ? existsSync(lock) : storedNames(trial).length >= before + moment.files;
  while (!hasEnded() && !isDue()) await sleep(1);
  await sleep(moment.ms);
  if (hasEnded()) return false;
  child.kill(signal);
  return true;
}

/** A full backup that was asked to end after two volumes; one that was too fast for that is made anew. */
async function endedBy(trial: Trial, signal: NodeJS.Signals): Promise<Awaited<Running['ended']>> {
  for (let tries = 5; tries > 0; tries--) {
    const running = trial.start([...volumes, ...at(0), 'full', trial.source, trial.url]);
    const wasAsked = await killAt(trial, running, { files: 2, ms: 0 }, signal);
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

for (const seal of ['gzip', 'passphrase'] as const satisfies Seal[]) {
  for (const kind of ['full', 'incremental'] as const) {
    describe(`kill -9, ${kind}, ${seal}`, () => {
      // Each seal has its half of the moments.
      const moments = momentsOf(`${kind} 1`, 6).filter((_, index) => index % 2 === (seal === 'gzip' ? 0 : 1));
      for (const moment of moments) {
        it(`${moment.ms} ms after ${moment.files} files`, () =>
          withTrial(seal, async (trial) => {
            writeSource(trial, 0);
            const first = describeTree(trial.source);
            if (kind === 'incremental') {
              await trial.full(...volumes, ...at(0));
              writeSource(trial, 1);
            }
            const running = trial.start([...volumes, ...at(100), kind, trial.source, trial.url]);
            const wasKilled = await killAt(trial, running, moment, 'SIGKILL');
            await running.ended;
            trial.acceptLeftovers();

            // The source goes on, whatever became of that run.
            writeSource(trial, 2);
            const status = await trial.run(['collection-status', trial.url]);
            assert.match(status.stdout, /^Collection Status$/m);
            assert.deepEqual(namesIn(trial.temp), []);
            await trial.run([...volumes, ...at(200), trial.source, trial.url]);
            assert.deepEqual(
              namesIn(trial.store).filter((name) => !name.startsWith('duplicity')),
              [],
            );
            const archive = namesIn(join(trial.archive, 'trial'));
            assert.deepEqual(
              archive.filter((name) => name.endsWith('.tmp') || name.includes('.part')),
              [],
            );
            assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
            if (kind === 'incremental') {
              assert.deepEqual(await trial.restoredDifferences(first, ['-t', '1700000050']), []);
            }
            const manifests = storedNames(trial).filter((name) =>
              /^duplicity-(?:full|inc)\..*manifest/.test(name),
            );
            const finished = (kind === 'incremental' ? 2 : 1) + (wasKilled ? 0 : 1);
            // The killed run may have come as far as its manifest, with little left to do.
            assert.ok(manifests.length >= finished && manifests.length <= finished + 1, manifests.join(' '));
          }));
      }
    });
  }
}

describe('a run that is asked to end', () => {
  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    it(`by ${signal} leaves no temporary files, and the next one goes on`, () =>
      withTrial('gzip', async (trial) => {
        writeSource(trial, 0);
        const outcome = await endedBy(trial, signal);
        assert.equal(outcome.status, status);
        assert.deepEqual(namesIn(trial.temp), []);
        assert.doesNotMatch(outcome.told, /Unexpected|at /);
        trial.acceptLeftovers();
        writeSource(trial, 1);
        const next = await trial.run([...volumes, ...at(100), trial.source, trial.url]);
        assert.match(next.stdout, /was interrupted after \d+ volumes/);
        assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
        assert.deepEqual(
          namesIn(join(trial.archive, 'trial')).filter((name) => name.startsWith('.tundra')),
          [],
        );
      }));
  }

  it('while it restores can be run again', () =>
    withTrial('passphrase', async (trial) => {
      writeSource(trial, 0);
      await trial.full(...volumes);
      const target = trial.newTarget();
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        const running = trial.start(['restore', '--force', trial.url, target]);
        while (running.child.exitCode === null && !existsSync(join(target, 'm'))) await sleep(1);
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
