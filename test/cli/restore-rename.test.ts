/** Restores with `--rename`: to the places that the peer takes, and never out of the target. */
import assert from 'node:assert/strict';
import { chownSync, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runProgram } from '../interop/programs.js';
import { needs } from '../peers.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { smallTreeSeconds } from './small-tree.js';
import { contentsOf, isRoot, namesIn, type Trial, withTrial } from './trial.js';

function plant(trial: Trial): void {
  const tree = new TreeWriter(trial.source, smallTreeSeconds);
  for (const path of ['.', 'a/b/c', 'd/e', 'z']) tree.directory(path);
  for (const path of ['a/b/c/h', 'a/b/g', 'a/f', 'd/e/i', 'top', 'z/j']) tree.file(path, Buffer.from(path));
  tree.directory('a/b', { mode: 0o500 });
  tree.directory('a', { mode: 0o550 });
  tree.symlink('link', 'z');
  tree.finish();
}

/** Options that the peer, too, can restore with. */
const common: string[][] = [
  ['--rename', 'a', 'x'],
  ['--rename', 'a/b', 'x'],
  ['--rename', './a//b/', 'x/./y/'],
  ['--rename', 'a/../top', 'q'],
  ['--rename', 'a', '/tmp/absolute'],
  ['--rename', '/a', 'x'],
  ['--rename', '.', 'x'],
  ['--rename', '../a', 'x'],
  ['--rename', 'a', 'x', '--rename', 'a/b', 'y'],
  ['--rename', 'a', 'x', '--rename', 'x', 'y'],
  ['--rename', 'a', 'x', '--rename', 'a', 'y'],
  ['--rename', 'z', 'a2', '--rename', 'a', 'z'],
  ['--rename', 'b', 'x', '--file-to-restore', 'a'],
  ['--rename', 'a/b', 'x', '--file-to-restore', 'a'],
  ['--rename', 'g', 'h', '--file-to-restore', 'a/b'],
];

describe('restore --rename', () => {
  it('restores to the same places as the peer', async (t) => {
    if (!needs(t, 'duplicity')) return;
    await withTrial('plain', async (trial) => {
      plant(trial);
      await trial.full();
      for (const options of common) {
        const [ours, theirs] = [trial.newTarget(), trial.newTarget()];
        await trial.run(['restore', ...options, trial.url, ours]);
        const args = ['restore', '--no-encryption', '--archive-dir', trial.archive, '--name', 'trial'];
        const env = { ...process.env, HOME: trial.home, TMPDIR: trial.temp };
        const { status, stderr } = await runProgram(
          'duplicity',
          [...args, ...options, trial.url, theirs],
          env,
        );
        assert.equal(status, 0, stderr);
        // Directories that the backup does not have are of now.
        const leaveOut = ['mtime'] as const;
        assert.deepEqual(
          compareTrees(describeTree(theirs, { leaveOut }), describeTree(ours, { leaveOut })),
          [],
          options.join(' '),
        );
      }
    });
  });

  it('gives directories their times and modes behind all that comes into them, also for an ordinary user', async () => {
    await withTrial('plain', async (trial) => {
      plant(trial);
      await trial.full();
      const place = trial.path('place');
      const archive = trial.path('other-archive');
      for (const folder of [place, archive]) mkdirSync(folder);
      const uid = isRoot ? 65_534 : undefined;
      if (uid !== undefined) for (const folder of [place, archive, trial.temp]) chownSync(folder, uid, uid);
      const target = join(place, 'target');
      const renames = ['--rename', 'a/b/c', 'new/c', '--rename', 'z', 'a/b/z', '--rename', 'top', 'a/top'];
      await trial.run(
        ['restore', '--no-restore-ownership', '--archive-dir', archive, ...renames, trial.url, target],
        { ownArchive: true, ...(uid === undefined ? {} : { uid }) },
      );
      assert.deepEqual([...contentsOf(target)].map(([path, contents]) => `${path} = ${contents}`).sort(), [
        'a/b/g = a/b/g',
        'a/b/z/j = z/j',
        'a/f = a/f',
        'a/top = top',
        'd/e/i = d/e/i',
        'new/c/h = a/b/c/h',
      ]);
      const modes = { a: 0o550, 'a/b': 0o500, 'a/b/z': 0o755, 'new/c': 0o755 };
      for (const [path, mode] of Object.entries(modes)) {
        const stats = lstatSync(join(target, path));
        assert.equal(stats.mode & 0o777, mode, path);
        assert.equal(stats.mtimeMs, smallTreeSeconds * 1000, path);
      }
      assert.equal(lstatSync(join(target, 'new')).mode & 0o777, 0o777 & ~process.umask());
      assert.equal(lstatSync(target).mtimeMs, smallTreeSeconds * 1000);
    });
  });

  it('joins directories; where a folder and something else meet, what came first stays and it is told', () =>
    withTrial('plain', async (trial) => {
      plant(trial);
      await trial.full();
      const joined = trial.newTarget();
      await trial.run(['restore', '--rename', 'z', 'a/b', '--rename', 'top', '.', trial.url, joined], {
        status: 1,
      });
      assert.deepEqual(namesIn(join(joined, 'a/b')), ['c', 'g', 'j']);
      assert.deepEqual(namesIn(joined), ['a', 'd', 'link']);
      for (const [renames, told, kept] of [
        [['top', 'a'], /^top: /m, 'a/b/g'],
        [['a', 'top'], /^top: /m, 'top/b/g'],
        [['z', 'd/e/i'], /^z: .*\n(?:.*\n)*z\/j: /m, 'd/e/i'],
        [['link', 'd'], /^link: /m, 'd/e/i'],
      ] as const) {
        const target = trial.newTarget();
        const outcome = await trial.run(['restore', '--rename', ...renames, trial.url, target], {
          status: 1,
        });
        assert.match(outcome.told, told, renames.join(' '));
        assert.ok(existsSync(join(target, kept)), kept);
      }
    }));

  it('never leads out of the target', () =>
    withTrial('plain', async (trial) => {
      plant(trial);
      await trial.full();
      for (const to of ['..', '../x', 'x/../../y', '/../x']) {
        const target = trial.newTarget();
        const { stderr } = await trial.run(['restore', '--rename', 'a', to, trial.url, target], {
          status: 2,
        });
        assert.match(stderr, /may lead out of the target/);
        assert.ok(!existsSync(target));
      }
      const outside = trial.path('outside');
      mkdirSync(outside);
      // By a link of the backup, before and after it, and by one that lies in the target.
      for (const [from, to] of [
        ['a', 'link/a'],
        ['top', 'link/top'],
      ] as const) {
        const target = trial.newTarget();
        await trial.run(['restore', '--rename', from, to, '--rename', 'z', 'zz', trial.url, target], {
          status: 1,
        });
        assert.deepEqual(namesIn(join(target, 'zz')), ['j']);
      }
      const target = trial.newTarget();
      mkdirSync(target);
      symlinkSync(outside, join(target, 'in'));
      await trial.run(['restore', '--force', '--rename', 'a', 'in/x', trial.url, target], { status: 1 });
      assert.deepEqual(namesIn(outside), []);
      assert.equal(readFileSync(join(target, 'top'), 'utf8'), 'top');
    }));

  it('tells of a path that it cannot mean, and wants two values', () =>
    withTrial('plain', async (trial) => {
      plant(trial);
      await trial.full();
      const { stdout } = await trial.run(['restore', '--rename', '/a', 'x', trial.url, trial.newTarget()]);
      assert.match(stdout, /--rename: "\/a" is no path below the source folder/);
      await trial.run(['restore', trial.url, trial.newTarget(), '--rename', 'a'], { status: 2 });
    }));
});
