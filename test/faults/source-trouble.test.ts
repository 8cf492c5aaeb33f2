/**
 * A source that changes while it is read, or cannot be read: what is concerned is named and counted, everything else is
 * backed up, and the next run makes up for it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { smallTreeSeconds } from '../cli/small-tree.js';
import { isRoot, type Trial, withTrial } from '../cli/trial.js';
import { mixedBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { whileReading } from './stopped.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
/** Somebody who is not root; the one who runs the tests if that is not root either. */
const user = isRoot ? { uid: 65_534 } : {};
/** It takes a while to read. */
const largeBytes = 16 * 1024 * 1024;

/** Gives all folders and files of a trial to the user. */
function giveAway(trial: Trial): void {
  if (user.uid === undefined) return;
  const give = (path: string) => {
    lchownSync(path, user.uid as number, user.uid as number);
    if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) give(join(path, name));
  };
  give(trial.folder);
}

const plainNames = ['n01', 'n02', 'n03', 'n04', 'n05', 'n06', 'n07', 'n08', 'n09', 'n10'];

/** A large file in front, then small ones of the given names, then one that nothing happens to. */
function writeSource(trial: Trial): void {
  const tree = new TreeWriter(trial.source, smallTreeSeconds);
  tree.directory('folder');
  tree.file('0 large', randomBytes(largeBytes));
  for (const name of plainNames) tree.file(name, mixedBytes(name, 70_000));
  tree.file('folder/inside', mixedBytes('inside', 1000));
  tree.file('zz untouched', mixedBytes('untouched', 1000));
  tree.finish();
}

/** What befalls the files while the large one is read: the name, and what the warning must say. */
const events: [name: string, befall: (path: string) => void, text: RegExp][] = [
  ['n01', (path) => rmSync(path), /ENOENT/],
  ['n02', (path) => truncateSync(path, 100), /shrank.*70000 to 100/],
  ['n03', (path) => truncateSync(path, 0), /shrank.*70000 to 0/],
  ['n04', (path) => appendFileSync(path, 'more'), /grew.*70000 to 70004/],
  [
    'n05',
    (path) => replace(path, () => assert.equal(spawnSync('mkfifo', [path]).status, 0)),
    /no longer a regular file/,
  ],
  ['n06', (path) => replace(path, () => symlinkSync('zz untouched', path)), /ELOOP/],
  ['n07', (path) => replace(path, () => mkdirSync(path)), /no longer a regular file/],
  ['n08', (path) => chmodSync(path, 0), /EACCES/],
  ['n09', (path) => replace(path, () => writeFileSync(path, 'another')), /shrank.*70000 to 7/],
  ['folder/inside', (path) => rmSync(join(path, '..'), { recursive: true }), /ENOENT/],
];

function replace(path: string, make: () => void): void {
  rmSync(path);
  make();
}

function errorsOf(stdout: string): number {
  return Number(/^Errors (\d+)$/m.exec(stdout)?.[1]);
}

describe('a source that changes while it is read', () => {
  for (const kind of ['full', 'incremental'] as const) {
    it(`${kind}: each thing is told and counted, and the next run makes up for it`, () =>
      withTrial('gzip', async (trial) => {
        writeSource(trial);
        giveAway(trial);
        if (kind === 'incremental') {
          await trial.run([...at(0), 'full', trial.source, trial.url], user);
          // Each file has changed, so that each is read again.
          const seconds = smallTreeSeconds + 5;
          const touched = spawnSync('find', [
            trial.source,
            '-type',
            'f',
            '-exec',
            'touch',
            '-d',
            `@${seconds}`,
            '{}',
            '+',
          ]);
          assert.equal(touched.status, 0);
        }
        const before = describeTree(trial.source);
        const args = [...at(100), kind, trial.source, trial.url];
        const running = trial.start(args, user);
        await whileReading(running, join(trial.source, '0 large'), () => {
          for (const [name, befall] of events) befall(join(trial.source, name));
        });
        const outcome = await running.ended;
        trial.check(args, outcome, 0);
        for (const [name, , text] of events) {
          const line = outcome.told.split('\n').find((line) => line.startsWith(`${name}: `));
          assert.match(line ?? `no warning of ${name}\n${outcome.told}`, text);
        }
        assert.equal(errorsOf(outcome.stdout), events.length);

        // What was stored restores; what nothing happened to is as it was.
        const target = trial.newTarget();
        await trial.run(['restore', trial.url, target], user);
        await trial.run(['verify', trial.url, target], user);
        const restored = describeTree(target);
        for (const name of ['0 large', 'zz untouched', 'n10'])
          assert.equal(restored.get(name), before.get(name), name);
        // Of the files that were read the bytes that were there; of the others nothing, or what was known before.
        assert.equal(lstatSync(join(target, 'n02')).size, 100);
        assert.equal(readFileSync(join(target, 'n04')).length, 70_004);
        assert.equal(readFileSync(join(target, 'n09'), 'latin1'), 'another');
        for (const name of ['n01', 'n05', 'n07', 'n08', 'folder/inside']) {
          assert.equal(restored.has(name), kind === 'incremental', name);
        }

        chmodSync(join(trial.source, 'n08'), 0o600);
        giveAway(trial);
        const next = await trial.run([...at(200), 'incremental', trial.source, trial.url], user);
        assert.equal(errorsOf(next.stdout), 0);
        const last = trial.newTarget();
        await trial.run(['restore', trial.url, last], user);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(last)), []);
      }));
  }

  it('a file that is cut or grows under its reader is kept as far as it was read', () =>
    withTrial('gzip', async (trial) => {
      const large = join(trial.source, '0 large');
      for (const [index, [befall, text]] of (
        [
          [
            (position: number) => truncateSync(large, position + 1000),
            /shrank while it was read \(16777216 to \d+ bytes\)/,
          ],
          [
            () => appendFileSync(large, randomBytes(300_000)),
            /grew while it was read \(16777216 to 17077216 bytes\)/,
          ],
          [() => rmSync(large), undefined],
          [() => renameSync(large, join(trial.source, '1 renamed')), undefined],
        ] as const
      ).entries()) {
        rmSync(large, { force: true });
        writeFileSync(large, randomBytes(largeBytes));
        const args = [...at(index * 10), 'full', trial.source, trial.url];
        const running = trial.start(args);
        await whileReading(running, large, befall);
        const outcome = await running.ended;
        trial.check(args, outcome, 0);
        if (text === undefined) assert.doesNotMatch(outcome.told, /while it was read|cannot|could not/);
        else assert.match(outcome.told, text);
        assert.equal(errorsOf(outcome.stdout), text === undefined ? 0 : 1);
        await trial.run(['verify', trial.url, trial.source]);
        if (text !== undefined) {
          const target = trial.newTarget();
          await trial.run(['restore', trial.url, target]);
          assert.deepEqual(readFileSync(join(target, '0 large')), readFileSync(large));
        }
        await trial.run([...at(index * 10 + 5), 'incremental', trial.source, trial.url]);
        assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
      }
    }));

  it('with links followed, what takes the place of a file is looked at as well', () =>
    withTrial('gzip', async (trial) => {
      writeFileSync(join(trial.source, '0 large'), randomBytes(largeBytes));
      writeFileSync(trial.path('file'), 'behind the link');
      symlinkSync(trial.path('file'), join(trial.source, 'n01'));
      const args = [...at(0), 'full', '--copy-links', trial.source, trial.url];
      const running = trial.start(args);
      await whileReading(running, join(trial.source, '0 large'), () => {
        rmSync(trial.path('file'));
        // It never ends.
        symlinkSync('/dev/zero', trial.path('file'));
      });
      const outcome = await running.ended;
      trial.check(args, outcome, 0);
      assert.match(outcome.told, /^n01: it is no longer a regular file/m);
      assert.equal(errorsOf(outcome.stdout), 1);
    }));
});

describe('a source that cannot be read', () => {
  it('is left out file by file, with a warning for each', () =>
    withTrial('plain', async (trial) => {
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      for (const folder of ['closed', 'listed only', 'open']) tree.directory(folder);
      for (const file of ['closed/a', 'listed only/b', 'open/c', 'unreadable', 'zz'])
        tree.file(file, Buffer.from(file));
      await tree.socket('socket');
      tree.finish();
      giveAway(trial);
      chmodSync(join(trial.source, 'unreadable'), 0);
      chmodSync(join(trial.source, 'closed'), 0);
      chmodSync(join(trial.source, 'listed only'), 0o400);
      const { stdout, told } = await trial.run(['-v5', ...at(0), 'full', trial.source, trial.url], user);
      for (const name of ['unreadable', 'closed', 'listed only/b']) {
        assert.match(told, new RegExp(`possibly locked file .*/source/${name}: EACCES`), name);
      }
      assert.match(stdout, /Skipping socket .*\/source\/socket/);
      // A path of which nothing at all can be told is a warning, but no error: as for the peer.
      assert.equal(errorsOf(stdout), 2);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target], user);
      assert.deepEqual([...describeTree(target).keys()].sort(), ['.', 'listed only', 'open', 'open/c', 'zz']);

      for (const name of ['unreadable', 'closed', 'listed only']) chmodSync(join(trial.source, name), 0o755);
      const next = await trial.run([...at(100), trial.source, trial.url], user);
      assert.equal(errorsOf(next.stdout), 0);
      assert.doesNotMatch(next.told, /cannot|could not|Error (?:accessing|listing)/);
      const last = trial.newTarget();
      await trial.run(['restore', trial.url, last], user);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(last)), []);
    }));

  it('a source folder that may not be listed is told', () =>
    withTrial('plain', async (trial) => {
      writeFileSync(join(trial.source, 'a'), '');
      giveAway(trial);
      chmodSync(trial.source, 0o300);
      const { told } = await trial.run(['full', trial.source, trial.url], { ...user, status: 'any' });
      assert.match(told, /source.*EACCES/);
    }));

  it('files that fail when they are read, or are larger than they seem, are told', () =>
    withTrial('gzip', async (trial) => {
      // The memory of a process can be opened, but its first page cannot be read; other files there have no size.
      const process = `/proc/${globalThis.process.pid}`;
      const rules = ['mem', 'comm', 'status'].flatMap((name) => ['--include', `${process}/${name}`]);
      const args = [...at(0), 'full', ...rules, '--exclude', '**', process, trial.url];
      const { stdout, told } = await trial.run(args);
      assert.match(told, /^mem: EIO/m);
      assert.match(told, /^comm: the file grew while it was read \(0 to \d+ bytes\)/m);
      assert.equal(errorsOf(stdout), 3);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(readdirSync(target).sort(), ['comm', 'status']);
      assert.equal(readFileSync(join(target, 'comm'), 'latin1'), readFileSync(`${process}/comm`, 'latin1'));
      await trial.run(['verify', trial.url, target]);
      await trial.run([...at(100), 'incremental', ...rules, '--exclude', '**', process, trial.url]);
    }));
});
