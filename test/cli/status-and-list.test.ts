/** What a backup tells of itself: chains, files, and the bytes of their names. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { changeSmallTree, smallTree, smallTreeSeconds } from './small-tree.js';
import { namesIn, withTrial } from './trial.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];

describe('list-current-files', () => {
  it('gives every name as the bytes it is, in path order', () =>
    withTrial('gzip', async (trial) => {
      smallTree(trial.source);
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      const names = [
        '\xc3\xa9',
        '\xe9',
        '\xff\xfe',
        'with "quotes" \\ and \x1b[31m',
        `long ${'x'.repeat(240)}`,
      ];
      for (const name of names) tree.file(name, Buffer.alloc(0));
      tree.directory('a!');
      tree.file('a!/x', Buffer.alloc(0), { mtimeSeconds: 0 });
      tree.finish();
      await trial.full();
      const { stdout, stderr } = await trial.run(['-v0', 'list-current-files', trial.url]);
      const paths = [...describeTree(trial.source).keys()];
      const order = (path: string) => (path === '.' ? '' : path.replaceAll('/', '\0'));
      paths.sort((a, b) => (order(a) < order(b) ? -1 : 1));
      const date = (path: string) =>
        path === 'a!/x' ? 'Thu Jan  1 00:00:00 1970' : 'Sun Sep 13 12:26:40 2020';
      // A link has the time of its own making: it is not set by the tree, nor compared.
      assert.deepEqual(stdout, paths.map((path) => `${date(path)} ${path}\n`).join(''));
      assert.equal(stderr, '');
    }));

  it('tells the files of a time, from signatures alone', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      const before = [...describeTree(trial.source).keys()].sort();
      changeSmallTree(trial.source);
      await trial.incremental(...at(100));
      const after = [...describeTree(trial.source).keys()].sort();
      for (const name of namesIn(trial.store)) if (name.includes('.difftar')) rmSync(join(trial.store, name));
      rmSync(join(trial.archive, 'trial'), { recursive: true });
      for (const [time, expected] of [
        [[], after],
        [['-t', '1700000100'], after],
        [['-t', '1700000099'], before],
      ] as const) {
        const { stdout } = await trial.run(['-v1', 'list-current-files', ...time, trial.url]);
        const listed = stdout.split(/^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4} /m).slice(1);
        assert.deepEqual(listed.map((path) => path.slice(0, -1)).sort(), expected);
      }
      const early = await trial.run(['list-current-files', '-t', '1600000000', trial.url]);
      assert.match(early.told, /Using oldest available chain/);
    }));
});

describe('collection-status', () => {
  it('tells chains, sets and volumes', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      await trial.full(...at(100));
      changeSmallTree(trial.source);
      await trial.incremental(...at(200));
      await trial.incremental(...at(300));
      for (const file of ['signatures', 'archive']) {
        // The same from the archive and, when that is gone, from the store alone.
        if (file === 'archive') rmSync(join(trial.archive, 'trial'), { recursive: true });
        const { stdout, stderr } = await trial.run(['collection-status', trial.url]);
        assert.equal(stderr, '');
        assert.doesNotMatch(stdout, /belong to|incomplete backup sets,|left out/);
        assert.match(stdout, /Last full backup date: Tue Nov 14 22:15:00 2023/);
        assert.match(stdout, /Found 1 secondary backup chain/);
        assert.match(stdout, /Found primary backup chain with matching signature chain/);
        assert.match(stdout, /Number of contained backup sets: 3\nTotal number of contained volumes: 3/);
        assert.match(stdout, /^ +Incremental +Tue Nov 14 22:18:20 2023 +1$/m);
        assert.match(stdout, /No orphaned or incomplete backup sets found/);
      }
    }));

  it('tells what is orphaned or incomplete', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      for (const seconds of [0, 100, 200]) {
        await trial.run([...at(seconds), ...(seconds === 100 ? ['full'] : []), trial.source, trial.url]);
      }
      const remove = (pattern: RegExp) => {
        const found = namesIn(trial.store).filter((name) => pattern.test(name));
        assert.equal(found.length, 1);
        for (const name of found) rmSync(join(trial.store, name));
      };
      remove(/^duplicity-full\.20231114T221320Z\.manifest$/);
      const incomplete = await trial.run(['collection-status', trial.url]);
      assert.match(incomplete.stdout + incomplete.stderr, /incomplete/);
      remove(/^duplicity-full\.20231114T221500Z\.manifest$/);
      const orphaned = await trial.run(['collection-status', trial.url]);
      assert.match(orphaned.stdout + orphaned.stderr, /belong to no chain|orphan/i);
      // Nothing is left to build on: the next run is full, and all is well again.
      await trial.run([...at(300), trial.source, trial.url]);
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));
});

describe('two runs at once', () => {
  it('the second is told who is there, and the first ends well', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      const before = describeTree(trial.source);
      const first = trial.start([...at(100), 'incremental', trial.source, trial.url]);
      const lock = join(trial.archive, 'trial', 'lockfile.tundra');
      while (!existsSync(lock)) await sleep(1);
      first.child.kill('SIGSTOP');
      // It holds the lock, or has already let go of it: then it was too fast to be stopped, and has ended.
      const holds = existsSync(lock);
      try {
        assert.ok(holds, 'the first run was over before it could be stopped');
        for (const args of [
          [...at(200), 'full', trial.source, trial.url],
          ['restore', trial.url, trial.newTarget()],
          ['collection-status', trial.url],
        ]) {
          const { status, told } = await trial.start(args).ended;
          assert.equal(status, 23, told);
          assert.match(told, new RegExp(`process ${first.child.pid},`));
        }
        // Another name is another archive.
        const other = trial.path('elsewhere');
        mkdirSync(other);
        const { status } = await trial.start([
          ...at(200),
          'full',
          '--name',
          'other',
          trial.source,
          `file://${other}`,
        ]).ended;
        assert.equal(status, 0);
      } finally {
        first.child.kill('SIGCONT');
      }
      trial.check(['incremental'], await first.ended, 0);
      assert.deepEqual(await trial.restoredDifferences(before), []);
      assert.ok(!readFileSync('/proc/locks', 'latin1').includes(` ${first.child.pid} `));
    }));
});
