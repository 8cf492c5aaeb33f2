/** What is restored, of when, to where, over what and with which owners. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
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
import { contentsOf, isRoot, namesIn, remarksIn, type Trial, withTrial } from './trial.js';

// 2023-11-14T22:13:20Z
const start = 1_700_000_000;
const at = (seconds: number) => ['--current-time', String(start + seconds)];

/** Gives an entry of an open store another number of its owner and group, whose names stay: as if the backup came from a
 *  machine on which they have it. */
function asIfFromElsewhere(trial: Trial, entry: string, number: number): void {
  const volume = join(trial.store, namesIn(trial.store).find((name) => name.endsWith('.difftar')) as string);
  const bytes = readFileSync(volume);
  const before = createHash('sha1').update(bytes).digest('hex');
  const header = bytes.subarray(bytes.indexOf(`${entry}\0`)).subarray(0, 512);
  const octal = `${number.toString(8).padStart(7, '0')}\0`;
  header.write(octal, 108, 'latin1');
  header.write(octal, 116, 'latin1');
  header.write(' '.repeat(8), 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  writeFileSync(volume, bytes);
  const after = createHash('sha1').update(bytes).digest('hex');
  for (const folder of [trial.store, join(trial.archive, 'trial')]) {
    for (const name of namesIn(folder).filter((name) => name.endsWith('.manifest'))) {
      const manifest = readFileSync(join(folder, name), 'latin1');
      assert.ok(manifest.includes(before));
      writeFileSync(join(folder, name), manifest.replace(before, after), 'latin1');
    }
  }
}

/** Who restores where no root is wanted. */
const nobody = 65_534;

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
      const tooEarly = new Set(['10Y', '1', String(start - 1)]);
      for (const [time, state] of cases) {
        const target = trial.newTarget();
        const { told } = await trial.run([
          'restore',
          '--current-time',
          now,
          '--time',
          time,
          trial.url,
          target,
        ]);
        assert.equal(readFileSync(join(target, 'file'), 'utf8'), states[state], time);
        assert.equal(told.includes('There is no backup as old as'), tooEarly.has(time), told);
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

  it('takes no heed of selection, and says so', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const target = trial.newTarget();
      const { stdout } = await trial.run(['restore', '--exclude', '**/sub', trial.url, target]);
      assert.match(stdout, /^Command line warning: --include, --exclude and the like/m);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      const quiet = await trial.run(['restore', trial.url, trial.newTarget()]);
      assert.equal(remarksIn(quiet.told), '');
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
      writeFileSync(join(trial.source, 'set-id'), '');
      chownSync(join(trial.source, 'daemon'), 1, 1);
      chownSync(join(trial.source, 'unknown'), 54321, 54322);
      chownSync(join(trial.source, 'set-id'), 1, 1);
      chmodSync(join(trial.source, 'set-id'), 0o6755);
      await trial.full();
      asIfFromElsewhere(trial, 'snapshot/daemon', 777);
      const owners = (target: string) =>
        ['daemon', 'unknown', 'set-id'].map((name) => {
          const { uid, gid, mode } = lstatSync(join(target, name));
          return `${uid}:${gid}${mode & 0o6000 ? ' set-id' : ''}`;
        });
      for (const [options, expected] of [
        [[], ['1:1', '54321:54322', '1:1 set-id']],
        [['--numeric-owner'], ['777:777', '54321:54322', '1:1 set-id']],
        [['--no-restore-ownership'], ['0:0', '0:0', '0:0']],
        [['--do-not-restore-ownership'], ['0:0', '0:0', '0:0']],
        [
          ['--numeric-owner', '--no-restore-ownership'],
          ['0:0', '0:0', '0:0'],
        ],
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
      const uid = nobody;
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

  it('a user who may not look at the target is told so', async (t) => {
    if (!isRoot) return t.skip('only root can become somebody else');
    await withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const place = trial.path('place');
      const archive = trial.path('other-archive');
      mkdirSync(place, { mode: 0o700 });
      mkdirSync(archive);
      for (const path of [archive, trial.temp]) chownSync(path, nobody, nobody);
      const user = { uid: nobody, ownArchive: true };
      const target = join(place, 'target');
      const common = ['--archive-dir', archive, trial.url, target];
      const restored = await trial.run(['restore', ...common], { ...user, status: 1 });
      assert.match(restored.stderr, /^cannot look at the target .*\/place\/target: EACCES\n/);
      const verified = await trial.run(['verify', ...common], { ...user, status: 12 });
      assert.match(verified.stderr, /^Verify directory .*\/place\/target cannot be read: EACCES\n/);
    });
  });

  it('a user who is not root restores over what he may change, and is told of the rest', async (t) => {
    if (!isRoot) return t.skip('only root can become somebody else');
    await withTrial('plain', async (trial) => {
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      for (const path of ['.', 'closed', 'foreign', 'folder']) tree.directory(path, { mode: 0o755 });
      for (const path of ['closed/x', 'file', 'folder/y', 'foreign/z', 'set-id'])
        tree.file(path, Buffer.from(path));
      tree.directory('closed', { mode: 0o555 });
      tree.attributes('set-id', { mode: 0o6755 });
      tree.finish();
      await trial.full();

      const [place, archive] = [trial.path('place'), trial.path('other-archive')];
      const target = join(place, 'target');
      const there = new TreeWriter(target, 1);
      there.directory('.');
      there.directory('closed');
      there.file('closed/x', Buffer.from('old'), { mode: 0o400 });
      there.directory('closed', { mode: 0o500 });
      there.directory('file/with/more');
      there.file('file/with/more/in it', Buffer.from('old'));
      there.file('folder', Buffer.from('old'));
      there.directory('foreign');
      there.file('foreign/z', Buffer.from('of root'));
      there.finish();
      mkdirSync(archive);
      for (const folder of [place, archive, trial.temp])
        spawnSync('chown', ['-hR', String(nobody), folder], { stdio: 'inherit' });
      for (const path of ['foreign', 'foreign/z']) chownSync(join(target, path), 0, 0);

      const { told } = await trial.run(
        ['restore', '--force', '--no-restore-ownership', '--archive-dir', archive, trial.url, target],
        { uid: nobody, ownArchive: true, status: 1 },
      );
      assert.match(told, /^foreign\/z: EACCES/m);
      assert.match(told, /^foreign: cannot set permissions \(only root may\)/m);
      assert.match(told, /^1 entry was restored without set-user-ID and set-group-ID/m);
      assert.match(told, /^1 entry could not be restored/m);
      assert.deepEqual([...contentsOf(target)].sort(), [
        ['closed/x', 'closed/x'],
        ['file', 'file'],
        ['folder/y', 'folder/y'],
        ['foreign/z', 'of root'],
        ['set-id', 'set-id'],
      ]);
      assert.equal(lstatSync(join(target, 'closed')).mode & 0o7777, 0o555);
      assert.equal(lstatSync(join(target, 'set-id')).mode & 0o7777, 0o755);
    });
  });

  it('tells of what cannot be replaced at all, and restores the rest', async (t) => {
    await withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      writeFileSync(join(target, 'a'), 'fixed');
      writeFileSync(join(target, 'sub/c'), 'loose');
      const setFlag = (flag: string) => spawnSync('chattr', [flag, join(target, 'a')]).status === 0;
      if (!setFlag('+i')) return t.skip('files cannot be made immutable here');
      try {
        const { told } = await trial.run(['restore', '--force', trial.url, target], { status: 1 });
        assert.match(told, /^a: EPERM/m);
        assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'fixed');
        assert.deepEqual(readFileSync(join(target, 'sub/c')), readFileSync(join(trial.source, 'sub/c')));
        assert.deepEqual(
          namesIn(target).filter((name) => name.startsWith('.tundra')),
          [],
        );
      } finally {
        setFlag('-i');
      }
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
