/**
 * Sets of the peer that were broken off in the middle of a large file and taken up again after the source had changed.
 * It writes them so that a file stops in the middle, and that a volume begins before the path that its manifest says.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { namesIn, remarksIn, type Trial, withTrial } from '../cli/trial.js';
import { needs } from '../peers.js';
import { randomBytes } from '../trees/contents.js';

const seconds = 1_600_000_000;
/** The first two volumes of a MiB hold so many pieces of the large file. */
const largeBytes = 2_900_000;

function runPeer(trial: Trial, args: string[], status: number): string {
  const options = [
    '--no-encryption',
    '--archive-dir',
    trial.path('peer'),
    '--name',
    'peer',
    '--volsize',
    '1',
  ];
  const run = spawnSync('duplicity', [...args, ...options, '--allow-source-mismatch'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: trial.home, TMPDIR: trial.home, LC_ALL: 'C.UTF-8' },
  });
  assert.equal(run.status, status, `duplicity ${args.join(' ')}\n${run.stdout}${run.stderr}`);
  return run.stdout + run.stderr;
}

function write(trial: Trial, name: string, bytes: Buffer | string): void {
  const path = join(trial.source, name);
  writeFileSync(path, bytes);
  utimesSync(path, seconds, seconds);
}

/** Contents by name. */
function filesIn(folder: string): Map<string, string> {
  return new Map(namesIn(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]));
}

/** Has the peer break off its third volume, change the source, and go on. */
function takeUp(trial: Trial, behind: string[], change: (large: string) => void): void {
  write(trial, 'a', randomBytes('a', 131_072));
  write(trial, 'large', randomBytes('large', largeBytes));
  for (const name of behind) write(trial, name, name);
  runPeer(trial, ['full', '--fail-on-volume', '3', trial.source, trial.url], 30);
  change(join(trial.source, 'large'));
  const told = runPeer(trial, ['full', trial.source, trial.url], 0);
  assert.match(told, /Restarting after volume 2, file large/);
}

const behind = ['z1', 'z2', 'z3'];
const cases: Record<string, [behind: string[], change: (large: string) => void, isCut: boolean]> = {
  'nothing has changed': [behind, () => {}, false],
  'it is gone': [behind, (large) => rmSync(large), true],
  'it is gone, and it was the last one': [[], (large) => rmSync(large), true],
  'it has become shorter': [behind, (large) => truncateSync(large, 200_000), true],
  'it has become shorter, and it is the last one': [[], (large) => truncateSync(large, 70_000), true],
  'it ends with a piece now': [behind, (large) => truncateSync(large, 40 * 65_536), false],
};

describe('a backup of the peer that was taken up again in the middle of a file', () => {
  for (const [what, [files, change, isCut]] of Object.entries(cases)) {
    it(`when ${what}: all of it restores, and a file that lacks its end is told`, (t) => {
      if (!needs(t, 'duplicity')) return;
      return withTrial('gzip', async (trial) => {
        takeUp(trial, files, change);
        const peers = trial.newTarget();
        runPeer(trial, ['restore', trial.url, peers], 0);
        const target = trial.newTarget();
        const { told } = await trial.run(['restore', trial.url, target]);
        assert.deepEqual(filesIn(target), filesIn(peers));
        if (isCut) assert.match(told, /^large: its end is missing/m);
        else assert.equal(remarksIn(told), '');
        for (const name of files) {
          const alone = trial.newTarget();
          await trial.run(['restore', '-r', name, trial.url, alone]);
          assert.equal(readFileSync(alone, 'latin1'), name);
        }
        await trial.run(['verify', trial.url, trial.source]);
      });
    });
  }

  it('restores with a set that builds on it', (t) => {
    if (!needs(t, 'duplicity')) return;
    return withTrial('gzip', async (trial) => {
      takeUp(trial, behind, (large) => rmSync(large));
      // Between the path that the third volume really begins with and the one that its manifest names.
      write(trial, 'z1 and more', 'new');
      runPeer(trial, ['incremental', trial.source, trial.url], 0);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      const names = namesIn(target).filter((name) => name !== 'large');
      assert.deepEqual(names, ['a', 'z1', 'z1 and more', 'z2', 'z3']);
    });
  });
});
