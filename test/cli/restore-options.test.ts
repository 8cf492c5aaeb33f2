/** What is restored, of when, to where, over what and with which owners. */
import assert from 'node:assert/strict';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { compareTrees, describeTree, type Field } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { changeSmallTree, smallTree, smallTreeSeconds } from './small-tree.js';
import { contentsOf, isRoot, namesIn, remarksIn, withTrial } from './trial.js';

// 2023-11-14T22:13:20Z
const start = 1_700_000_000;
const at = (seconds: number) => ['--current-time', String(start + seconds)];

describe('restore', () => {
  it('takes times in every form', () =>
    withTrial('gzip', async (trial) => {
      const write = (text: string) => writeFileSync(join(trial.source, 'file'), text);
      const states = ['first', 'second one', 'third one, longer'];
      for (const [index, state] of states.entries()) {
        write(state);
        await trial.run([...at(index * 3600), trial.source, trial.url]);
      }
      const now = String(start + 7200);
      const cases: [time: string, state: number][] = [
        ['now', 2],
        [String(start + 3599), 0],
        ['20231114T231320Z', 1],
        ['2023-11-14T23:13:19+00:00', 0],
        ['2023-11-15T02:13:20+03:00', 1],
        ['2023-11-15T00:13:19', 1],
        ['2023/11/15', 1],
        ['11/15/2023', 1],
        ['59m59s', 1],
        // Before all of it: the oldest there is.
        ['10Y', 0],
        ['1', 0],
        [String(start - 1), 0],
        [String(start), 0],
        [String(start + 3600), 1],
        [String(start + 7199), 1],
        // No time at all, as the peer takes it.
        ['0', 2],
        // After all of it, and to come: the newest there is.
        ['1s', 1],
        ['0s', 2],
        [String(start + 7200), 2],
        [String(start + 86_400), 2],
        ['4000000000', 2],
        ['2099-12-31', 2],
      ];
      for (const [time, state] of cases) {
        const target = trial.newTarget();
        await trial.run(['restore', '--current-time', now, '--time', time, trial.url, target]);
        assert.equal(readFileSync(join(target, 'file'), 'utf8'), states[state], time);
      }
      for (const option of ['-t2h', '--restore-time=2h']) {
        const target = trial.newTarget();
        await trial.run(['restore', '--current-time', now, option, trial.url, target]);
        assert.equal(readFileSync(join(target, 'file'), 'utf8'), states[0], option);
      }
    }));

  it('takes a file, a folder, or a path with odd bytes out of a backup', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      changeSmallTree(trial.source);
      await trial.incremental(...at(100));
      const c = trial.newTarget();
      await trial.run(['restore', '--path-to-restore', 'sub/c', trial.url, c]);
      assert.deepEqual(readFileSync(c), readFileSync(join(trial.source, 'sub/c')));
      for (const given of ['sub', 'sub/', './sub//', '/sub']) {
        const target = trial.newTarget();
        await trial.run(['restore', '-r', given, trial.url, target]);
        assert.deepEqual(
          compareTrees(describeTree(join(trial.source, 'sub')), describeTree(target)),
          [],
          given,
        );
      }
      // Only in the past.
      const b = trial.newTarget();
      await trial.run(['restore', '--file-to-restore', 'sub/b', '-t', String(start), trial.url, b]);
      assert.equal(lstatSync(b).size, 70_000);
      assert.equal(lstatSync(b).mode & 0o777, 0o600);
      for (const gone of ['sub/b', 'nothing', 'sub/c/below', 'su', 'sub/deep/odd']) {
        const target = trial.newTarget();
        const { told } = await trial.run(['restore', '-r', gone, trial.url, target], { status: 19 });
        assert.match(told, new RegExp(`${gone} not found in archive`));
        assert.ok(!existsSync(target));
      }
      const link = trial.newTarget();
      await trial.run(['restore', '-r', 'link', trial.url, link]);
      assert.equal(readlinkSync(link), 'sub/b');
    }));

  it('never writes over what is there, unless forced', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const state = describeTree(trial.source);
      const target = trial.newTarget();
      mkdirSync(target);
      // An empty folder is as good as none.
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(compareTrees(state, describeTree(target)), []);

      writeFileSync(join(target, 'a'), 'mine');
      writeFileSync(join(target, 'unknown'), 'mine too');
      const tree = new TreeWriter(target, 1);
      tree.remove('sub/c');
      tree.directory('sub/c/in the way');
      tree.file('sub/deep', Buffer.from('a file where a folder goes'));
      tree.remove('link');
      tree.directory('link');
      tree.finish();
      const before = contentsOf(target);
      const { told } = await trial.run(['restore', trial.url, target], { status: 11 });
      assert.match(told, /already exists/);
      assert.deepEqual(contentsOf(target), before);

      await trial.run(['restore', '--force', trial.url, target]);
      const restored = describeTree(target);
      assert.ok(restored.delete('unknown'));
      assert.deepEqual(compareTrees(state, restored), []);
      assert.equal(readFileSync(join(target, 'unknown'), 'utf8'), 'mine too');

      // A single file, and over one.
      const file = trial.newTarget();
      writeFileSync(file, 'mine');
      await trial.run(['restore', '-r', 'a', trial.url, file], { status: 11 });
      assert.equal(readFileSync(file, 'utf8'), 'mine');
      await trial.run(['restore', '-r', 'a', '--force', trial.url, file]);
      assert.equal(readFileSync(file, 'utf8'), 'small\n');
    }));

  it('restores one file to its name: into folders that are not there yet, over what is empty, never over more', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const one = ['restore', '-r', 'sub/b', trial.url];
      const expected = readFileSync(join(trial.source, 'sub/b'));
      const deep = join(trial.newTarget(), 'new', 'file');
      await trial.run([...one, deep]);
      assert.deepEqual(readFileSync(deep), expected);
      assert.equal(lstatSync(join(deep, '..')).mode & 0o777, 0o777 & ~process.umask());
      const folder = trial.newTarget();
      mkdirSync(folder);
      await trial.run([...one, folder]);
      assert.deepEqual(readFileSync(folder), expected);

      const full = trial.newTarget();
      const [empty, toEmpty, toNothing, toFile] = ['empty', 'to-empty', 'to-nothing', 'to-file'].map((name) =>
        trial.path(name),
      ) as [string, string, string, string];
      mkdirSync(full);
      writeFileSync(join(full, 'mine'), 'mine');
      mkdirSync(empty);
      symlinkSync('empty', toEmpty);
      symlinkSync('nothing', toNothing);
      symlinkSync(join(full, 'mine'), toFile);
      for (const target of [full, toEmpty, toNothing, toFile]) {
        await trial.run([...one, target], { status: 11 });
        await trial.run(['restore', trial.url, target], { status: 11 });
      }
      assert.equal(readlinkSync(toEmpty), 'empty');
      for (const target of [toEmpty, toNothing, toFile]) {
        await trial.run([...one, target, '--force']);
        assert.deepEqual(readFileSync(target), expected);
        assert.ok(lstatSync(target).isFile());
      }
      // The peer would remove the folder with all that is in it.
      await trial.run([...one, full, '--force'], { status: 11 });
      assert.equal(readFileSync(join(full, 'mine'), 'utf8'), 'mine');
      assert.deepEqual(namesIn(empty), []);
    }));

  it('never writes through a link that lies in the target', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const outside = trial.path('outside');
      mkdirSync(outside);
      writeFileSync(join(outside, 'c'), 'not to be touched');
      const target = trial.newTarget();
      mkdirSync(target);
      symlinkSync(outside, join(target, 'sub'));
      symlinkSync(join(outside, 'c'), join(target, 'a'));
      await trial.run(['restore', '--force', trial.url, target]);
      assert.deepEqual([...contentsOf(outside)], [['c', 'not to be touched']]);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));

  it('restores a file that is the source itself', () =>
    withTrial('gzip', async (trial) => {
      const file = join(trial.source, 'alone');
      writeFileSync(file, 'all alone');
      await trial.run(['full', file, trial.url]);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      assert.equal(readFileSync(target, 'utf8'), 'all alone');
      await trial.run(['verify', '--compare-data', trial.url, file]);
    }));

  it('restores owners by name or by number, or not at all', async (t) => {
    if (!isRoot) return t.skip('only root can give files away');
    await withTrial('plain', async (trial) => {
      // The number 1 is `daemon` nearly everywhere; nobody has the number 54321.
      const names = namesIn('/etc').includes('passwd') ? readFileSync('/etc/passwd', 'latin1') : '';
      assert.match(names, /^daemon:[^:]*:1:1:/m);
      writeFileSync(join(trial.source, 'daemon'), '');
      writeFileSync(join(trial.source, 'unknown'), '');
      chownSync(join(trial.source, 'daemon'), 1, 1);
      chownSync(join(trial.source, 'unknown'), 54321, 54322);
      await trial.full();
      // As if the backup came from a machine on which `daemon` has another number.
      const owners = (target: string) =>
        ['daemon', 'unknown'].map((name) => {
          const { uid, gid } = lstatSync(join(target, name));
          return `${uid}:${gid}`;
        });
      for (const [options, expected] of [
        [[], ['1:1', '54321:54322']],
        [['--numeric-owner'], ['1:1', '54321:54322']],
        [['--no-restore-ownership'], ['0:0', '0:0']],
        [['--do-not-restore-ownership'], ['0:0', '0:0']],
      ] as const) {
        const target = trial.newTarget();
        await trial.run(['restore', ...options, trial.url, target]);
        assert.deepEqual(owners(target), expected, options.join(' '));
      }
    });
  });

  it('a user who is not root gets the files as his own, and is told', async (t) => {
    if (!isRoot) return t.skip('only root can become somebody else');
    await withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const uid = 65_534;
      const archive = trial.path('other-archive');
      const place = trial.path('place');
      const target = join(place, 'target');
      mkdirSync(place);
      for (const path of [place, trial.temp]) chownSync(path, uid, uid);
      mkdirSync(archive);
      chownSync(archive, uid, uid);
      const { told } = await trial.run(['restore', '--archive-dir', archive, trial.url, target], {
        uid,
        ownArchive: true,
      });
      assert.match(told, /cannot set owner.*only root may/);
      const leaveOut: Field[] = ['owner'];
      const state = describeTree(trial.source, { leaveOut });
      assert.deepEqual(compareTrees(state, describeTree(target, { leaveOut })), []);
      assert.equal(lstatSync(join(target, 'a')).uid, uid);
      const quiet = await trial.run(
        ['restore', '--force', '--no-restore-ownership', '--archive-dir', archive, trial.url, target],
        { uid, ownArchive: true },
      );
      assert.equal(remarksIn(quiet.told), '');
    });
  });
});

describe('verify', () => {
  it('tells every kind of difference with --compare-data', () =>
    withTrial('gzip', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      assert.match(
        (await trial.run(['verify', '--compare-data', trial.url, trial.source])).stdout,
        /10 files compared, 0 differences found/,
      );
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      tree.file('a', Buffer.from('SMALL\n'));
      tree.file('empty', Buffer.alloc(0), { mode: 0o600 });
      tree.file('sub/b', Buffer.alloc(70_000), { mode: 0o600, mtimeSeconds: smallTreeSeconds + 1 });
      tree.remove('sub/c');
      tree.file('fifo', Buffer.alloc(0));
      tree.symlink('link', 'elsewhere');
      tree.file('more', Buffer.alloc(0));
      tree.finish();
      const { stdout } = await trial.run(['verify', '--compare-data', trial.url, trial.source], {
        status: 1,
      });
      for (const text of [
        'Data for file a is different',
        'File empty has permissions',
        'File sub/b has mtime',
        'File sub/c is missing',
        'File fifo has type reg, expected fifo',
        'Symlink link points to elsewhere, expected sub/b',
        'New file more',
        '11 files compared, 7 differences found',
      ]) {
        assert.ok(stdout.includes(text), `${text}\n${stdout}`);
      }
      // Without it only the backup itself is looked at.
      assert.match((await trial.run(['verify', trial.url, trial.source])).stdout, /0 differences found/);
      const part = await trial.run([
        'verify',
        '--compare-data',
        '-r',
        'sub/deep',
        trial.url,
        join(trial.source, 'sub/deep'),
      ]);
      assert.match(part.stdout, /2 files compared, 0 differences found/);
    }));
});
