/** A large file that changes: it is read by several threads where there are processors for them. */
import assert from 'node:assert/strict';
import {
  closeSync,
  cpSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomBytes } from '../trees/contents.js';
import { describeTree } from '../trees/describe.js';
import { Processors } from './processors.js';
import { contentsOf, namesIn, type Trial, withTrial } from './trial.js';

/** Large enough for threads to be started. */
const sizeBytes = 129 << 20;
/** After that a change of a file would show in its stamp. */
const settlingMs = 2500;
const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
const volumes = ['--volsize', '1'];

/** Overwrites pieces of a file that is mostly holes. */
function overwrite(trial: Trial, round: number, pieces: number): void {
  const writing = openSync(join(trial.source, 'large'), round === 1 ? 'w' : 'r+');
  for (let n = 0; n < pieces; n++) {
    const place = Math.floor((n * (sizeBytes - 1_000_000)) / pieces) + 1000 * round;
    writeSync(writing, randomBytes(`${round} ${n}`, 300_000), 0, 300_000, place);
  }
  writeSync(writing, Buffer.from([round]), 0, 1, sizeBytes - 1);
  closeSync(writing);
}

/** A full backup of the file as it was, and the file as it is now. */
async function prepare(trial: Trial): Promise<void> {
  overwrite(trial, 1, 40);
  await trial.full(...volumes, ...at(0));
  overwrite(trial, 2, 20);
  await sleep(settlingMs);
}

function stored(trial: Trial): number {
  return namesIn(trial.store).filter((name) => name.startsWith('duplicity')).length;
}

describe('a large file that has changed', () => {
  it('is stored as the same bytes however many threads read it', () =>
    withTrial('plain', async (trial) => {
      await prepare(trial);
      for (const place of [trial.store, trial.archive]) cpSync(place, `${place}-before`, { recursive: true });
      const contents = [];
      for (const count of [1, 3]) {
        for (const place of [trial.store, trial.archive]) {
          rmSync(place, { recursive: true });
          cpSync(`${place}-before`, place, { recursive: true });
        }
        const processors = new Processors(trial, count);
        const args = [...volumes, ...at(1000), 'incremental', trial.source, trial.url];
        await trial.run(args, processors.options());
        assert.equal(processors.threads('signing-thread'), count - 1);
        contents.push(contentsOf(trial.store));
      }
      const [one, three] = contents;
      assert.deepEqual([...three!.keys()], [...one!.keys()]);
      for (const [name, bytes] of one!) assert.ok(three!.get(name) === bytes, name);
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));

  it('is gone on with after a kill, with other threads', () =>
    withTrial('plain', async (trial) => {
      await prepare(trial);
      const args = [...volumes, ...at(1000), 'incremental', trial.source, trial.url];
      const before = stored(trial);
      const running = trial.start(args, new Processors(trial, 4).options());
      while (running.child.exitCode === null && stored(trial) < before + 3) await sleep(1);
      running.child.kill('SIGKILL');
      await running.ended;
      trial.acceptLeftovers();
      const next = await trial.run(
        [...volumes, ...at(1500), trial.source, trial.url],
        new Processors(trial, 2).options(),
      );
      assert.match(next.stdout, /was interrupted: it goes on after volume [1-9]/);
      // The signature fits what is stored: the next set has it right as well.
      overwrite(trial, 3, 5);
      await trial.run([...at(2000), 'incremental', trial.source, trial.url]);
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));

  it('is compared with a signature that is too long for memory', () =>
    withTrial('plain', async (trial) => {
      const path = join(trial.source, 'large');
      const blockBytes = 512;
      const write = (bytes: Uint8Array, place: number) => {
        const writing = openSync(path, 'r+');
        writeSync(writing, bytes, 0, bytes.length, place);
        closeSync(writing);
      };
      const piece = randomBytes('piece', 4_000_000);
      writeFileSync(path, '');
      truncateSync(path, (2 ** 21 + 100_000) * blockBytes);
      write(piece, 200_000_000);
      const blocks = ['--max-blocksize', String(blockBytes)];
      await trial.full(...blocks, ...at(0));
      // Elsewhere, by an odd number of bytes; and something new where it was.
      write(piece, 700_000_001);
      write(randomBytes('new', 100_000), 201_000_000);
      await sleep(settlingMs);
      const before = sizeOfVolumes(trial.store);
      await trial.run([...blocks, ...at(1000), 'incremental', trial.source, trial.url]);
      const grownBytes = sizeOfVolumes(trial.store) - before;
      assert.ok(grownBytes < 500_000, `${grownBytes} bytes`);
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));
});

function sizeOfVolumes(folder: string): number {
  const volumes = namesIn(folder).filter((name) => name.includes('.vol'));
  return volumes.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
