/** Which volumes are thawed: those that hold pieces of what is wanted, and no other. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { runProgram } from '../interop/programs.js';
import { needs } from '../peers.js';
import { mixedBytes, randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { atStep, type ColdTrial, namesOf, prefixOptions, withColdTrial } from './cold-trial.js';
import { piecesOf, setsOf, volumesOf } from './pieces.js';

const volumeSizeBytes = 150_000;
const incrementals = 10;
const file = 'sub/wanted';
const wanted = mixedBytes('wanted', 300_000);

/** What becomes of the wanted file in the course of time; elsewhere it stays. */
interface Story {
  name: string;
  /** Contents from a step on; undefined where the file is gone. */
  at: Record<number, Buffer | undefined>;
  /** The sets that hold pieces of its newest state, newest first. */
  sets: number[];
}

const edited = (edit: string, offset: number) => {
  const bytes = Buffer.from(wanted);
  bytes.write(edit.repeat(1000), offset, 'latin1');
  return bytes;
};

const stories: Story[] = [
  {
    name: 'changed twice',
    at: { 0: wanted, 3: edited('first', 100_000), 7: edited('second', 10) },
    sets: [7, 3, 0],
  },
  {
    name: 'removed and made anew',
    at: { 0: wanted, 3: undefined, 7: randomBytes('new', 250_000) },
    sets: [7],
  },
  {
    name: 'made in between, and changed',
    at: { 0: undefined, 3: wanted, 7: edited('second', 200_000) },
    sets: [7, 3],
  },
];

/** The source at a step: much of it is another one at every step, on both sides of the wanted file. */
function writeSource(trial: ColdTrial, story: Story, step: number): void {
  const tree = new TreeWriter(trial.source, 1_600_000_000 + step);
  if (step === 0) tree.directory('.');
  tree.directory('sub', { mtimeSeconds: 1_600_000_000 + step });
  for (const name of ['a', 'sub/a', 'sub/x', 'y']) {
    tree.file(name, randomBytes(`${name} ${step}`, step === 0 ? 200_000 : 80_000));
  }
  if (step in story.at) {
    const contents = story.at[step];
    if (contents === undefined) tree.remove(file);
    else tree.file(file, contents);
  }
  tree.finish();
}

/** How many volumes the peer reads for the same. */
async function peerVolumes(t: TestContext, trial: ColdTrial, target: string): Promise<number | undefined> {
  if (!needs(t, 'duplicity')) return undefined;
  const env = { PATH: process.env.PATH, HOME: trial.home, TMPDIR: trial.temp, LC_ALL: 'C.UTF-8' };
  const args = ['--no-encryption', '--archive-dir', trial.path('peer'), ...prefixOptions, '-v5'];
  const { status, stdout, stderr } = await runProgram(
    'duplicity',
    [...args, 'restore', '--file-to-restore', file, trial.hotCopy(), target],
    env,
  );
  assert.equal(status, 0, stderr);
  const [, count] = [...stdout.matchAll(/^Processed volume (\d+) of \d+$/gm)].at(-1)!;
  return Number(count);
}

describe('one file of a chain of eleven sets', () => {
  for (const story of stories) {
    it(story.name, (t) =>
      withColdTrial({ thaw: '0' }, async (trial) => {
        if (!needs(t, 'tar')) return;
        for (let step = 0; step <= incrementals; step++) {
          writeSource(trial, story, step);
          await trial.backUp(step === 0 ? 'full' : 'incremental', step, volumeSizeBytes);
        }
        const pieces = piecesOf(trial);
        assert.deepEqual(setsOf(pieces.get(file)!, incrementals), story.sets);
        const needed = volumesOf(pieces, file, incrementals);
        const target = trial.newTarget();
        trial.requests();
        await trial.run(['restore', '--path-to-restore', file, trial.url, target]);
        const requests = trial.requests();
        assert.deepEqual(namesOf(requests, 'thaw'), needed);
        assert.deepEqual(namesOf(requests, 'get'), needed);
        const expected = describeTree(`${trial.source}/${file}`);
        assert.deepEqual(compareTrees(expected, describeTree(target)), []);

        const peerTarget = trial.newTarget();
        const peer = await peerVolumes(t, trial, peerTarget);
        if (peer === undefined) return;
        assert.deepEqual(compareTrees(expected, describeTree(peerTarget)), []);
        const all = trial.coldNames().length;
        t.diagnostic(`volumes: ${all}; thawed: ${needed.length}; read by duplicity for the same: ${peer}`);
        assert.ok(needed.length < peer);
      }),
    );
  }

  it('at an earlier time needs what that state is made of', (t) =>
    withColdTrial({ thaw: '0' }, async (trial) => {
      if (!needs(t, 'tar')) return;
      for (let step = 0; step <= 4; step++) {
        writeSource(trial, stories[0]!, step);
        await trial.backUp(step === 0 ? 'full' : 'incremental', step, volumeSizeBytes);
      }
      const target = trial.newTarget();
      await trial.run(['restore', '--path-to-restore', file, ...atStep(2), trial.url, target]);
      const needed = volumesOf(piecesOf(trial), file, 2);
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), needed);
      assert.ok(needed.every((name) => name.startsWith('cold_duplicity-full.')));
    }));
});
