/** What the program makes of its command line: names of commands, missing and wrong arguments, statuses. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { runProgram } from '../interop/programs.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { changeSmallTree, smallTree } from './small-tree.js';
import { namesIn, type Trial, tundraProgram, withTrial } from './trial.js';

describe('commands', () => {
  it('are known by all their names', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
      const writers = ['full', 'fb', 'inc', 'incr', 'ib', 'incremental', 'bu', 'backup'];
      for (const [index, name] of writers.entries()) await trial.run([...at(index), name, source, url]);
      const sets = namesIn(trial.store).filter((name) => /^duplicity-\w+\.[\dTZ.to]+\.manifest$/.test(name));
      assert.equal(sets.filter((name) => name.startsWith('duplicity-full.')).length, 2, sets.join(' '));
      assert.equal(sets.filter((name) => name.startsWith('duplicity-inc.')).length, 6, sets.join(' '));

      const state = describeTree(source);
      for (const name of ['restore', 'rb']) {
        const target = trial.newTarget();
        await trial.run([name, url, target]);
        assert.deepEqual(compareTrees(state, describeTree(target)), []);
      }
      for (const names of [
        ['verify', 'vb'],
        ['collection-status', 'st', 'collection'],
        ['list-current-files', 'ls', 'list'],
      ]) {
        const outputs: string[] = [];
        for (const name of names) {
          const target = names[0] === 'verify' ? [source] : [];
          outputs.push((await trial.run([name, url, ...target])).stdout);
        }
        assert.equal(new Set(outputs).size, 1, names.join());
      }
    }));

  it('are implied by where the URL stands', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      await trial.run(['--current-time', '1700000000', source, url]);
      changeSmallTree(source);
      await trial.run([source, url, '--current-time=1700001000']);
      assert.equal(namesIn(trial.store).filter((name) => name.startsWith('duplicity-full.')).length, 2);
      assert.equal(namesIn(trial.store).filter((name) => name.startsWith('duplicity-inc.')).length, 2);
      const target = trial.newTarget();
      await trial.run([url, target]);
      assert.deepEqual(compareTrees(describeTree(source), describeTree(target)), []);
    }));

  it('take options before, between and behind their arguments', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      await trial.run([
        '--volsize',
        '3',
        'full',
        '--no-print-statistics',
        source,
        '-v',
        '5',
        url,
        '--name=trial',
      ]);
      const { stdout } = await trial.run(['-v1', 'ls', url]);
      assert.equal(stdout.split('\n')[0], 'Sun Sep 13 12:26:40 2020 .');
    }));

  it('tell the version and the help', () =>
    withTrial('plain', async (trial) => {
      for (const args of [['--version'], ['-V']]) {
        const { stdout, stderr } = await runProgram(process.execPath, [tundraProgram, ...args], {});
        assert.match(stdout, /^tundra \d+\.\d+\.\d+\n$/);
        assert.equal(stderr, '');
      }
      for (const args of [['--help'], ['-h'], ['--help-all']]) {
        const { stdout, stderr } = await trial.run(args);
        assert.match(stdout, /Usage: tundra/);
        for (const word of ['collection-status', '--full-if-older-than', 'PASSPHRASE'])
          assert.ok(stdout.includes(word));
        assert.equal(stderr, '');
      }
    }));

  it('end quietly when nobody reads on, and do what they were asked for', () =>
    withTrial('plain', async (trial) => {
      const folder = `${trial.source}/${'long name '.repeat(20)}`;
      mkdirSync(folder);
      for (let index = 0; index < 1000; index++) writeFileSync(`${folder}/${index}`, '');
      const script = '"$@" | head -n 1; exit $((PIPESTATUS[0] * 100 + PIPESTATUS[1]))';
      for (const args of [
        ['-v5', 'full', trial.source, trial.url],
        ['ls', trial.url],
      ]) {
        const { status, stdout, stderr } = await runProgram(
          'bash',
          [
            '-c',
            script,
            'bash',
            process.execPath,
            tundraProgram,
            '--no-encryption',
            '--name',
            'trial',
            ...args,
          ],
          { PATH: process.env.PATH, HOME: trial.home, TMPDIR: trial.temp, TZ: 'UTC' },
        );
        assert.equal(status, 0, stderr);
        assert.equal(stderr, '');
        assert.equal(stdout.split('\n').length, 2);
        assert.deepEqual(trial.leftovers(), []);
      }
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));
});

/** Wrong command lines that need no backup: what is given, the status, what the message must say. */
const wrongLines: [args: (trial: Trial) => string[], status: number, text: RegExp][] = [
  [() => [], 2, /Too few arguments/],
  [() => ['full'], 2, /Too few arguments: expected SOURCE and URL/],
  [() => ['restore', 'file:///nowhere'], 2, /Too few arguments: expected URL and TARGET/],
  [() => ['collection-status'], 2, /Too few arguments/],
  [({ source }) => ['full', source, 'file:///x', 'more'], 2, /Too many arguments: "more"/],
  [({ source }) => [source], 2, /is no command/],
  [() => ['verfy'], 2, /"verfy" is no command; did you mean verify\?/],
  [({ url }) => [url], 2, /a URL alone needs a command/],
  [({ source, store }) => [source, store], 2, /one of the two arguments must be a URL.*file:\/\/\//],
  [
    ({ source, url }) => ['bakup', source, url],
    2,
    /Too many arguments: "bakup" is no command; did you mean backup\?/,
  ],
  [({ url }) => ['collecton-status', url], 13, /was the command collection-status meant\?/],
  [({ source, store }) => ['full', source, store], 2, /is not a URL/],
  [
    ({ source, url }) => ['full', '--exlude', 'x', source, url],
    2,
    /no such option: --exlude; did you mean --exclude\?/,
  ],
  [({ source, url }) => ['full', '--volzise=3', source, url], 2, /--volzise.*did you mean --volsize\?/],
  [({ source, url }) => ['full', '--zzzzzzzzzzzz', source, url], 2, /no such option: --zzzzzzzzzzzz$/m],
  [({ source, url }) => ['full', '-Q', source, url], 2, /no such option: -Q/],
  [({ source, url }) => ['full', source, url, '--volsize'], 2, /--volsize needs a value/],
  [({ source, url }) => ['full', source, url, '--volsize', '0'], 2, /--volsize: "0"/],
  [({ source, url }) => ['full', source, url, '--volsize', 'ten'], 2, /--volsize: "ten"/],
  [({ source, url }) => ['full', source, url, '--volsize=-1'], 2, /--volsize: "-1"/],
  [({ source, url }) => ['full', source, url, '--dry-run=yes'], 2, /--dry-run takes no value/],
  [({ source, url }) => ['full', source, url, '-v', 'loud'], 2, /"loud"/],
  [({ source, url }) => ['full', source, url, '--full-if-older-than', 'soon'], 2, /Bad time "soon"/],
  [({ source }) => ['full', source, 'fle:///x'], 8, /unknown scheme fle:\/\/.*file:\/\//],
  [({ source }) => ['full', source, 'gopherhole://host/x'], 8, /unknown scheme gopherhole:\/\//],
  [({ source }) => ['full', source, 'file://'], 8, /bad address file:\/\//],
  [({ source }) => ['full', source, 'mega://user:geheim@host/x'], 33, /mega:\/\/ are not supported/],
  [() => ['full', '/nowhere/at/all', 'file:///nowhere/either'], 13, /\/nowhere\/at\/all does not exist/],
  [({ source, url }) => ['incremental', source, url], 17, /Old signatures not found/],
  [({ url }) => ['restore', url, '/nowhere/at/all'], 20, /No backup chains found/],
  [({ url, source }) => ['verify', url, source], 20, /No backup chains found/],
  [({ url }) => ['list-current-files', url], 18, /No signature chains found/],
  [({ url }) => ['verify', url, '/nowhere/at/all'], 12, /\/nowhere\/at\/all does not exist/],
  [({ url }) => ['restore', url, '/nowhere/at/all', '-t', 'whenever'], 2, /Bad time "whenever"/],
  [({ url }) => ['restore', url, '/nowhere/at/all', '-r', '../up'], 2, /"\.\.\/up" must be relative/],
  [({ url }) => ['restore', url, '/nowhere/at/all', '-r', 'a/../../up'], 2, /must be relative/],
];

describe('wrong command lines', () => {
  it('end with their status, say why, and leave everything as it was', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      for (const [args, status, text] of wrongLines) {
        const given = args(trial);
        const { told } = await trial.run(given, { status });
        assert.match(told, text, given.join(' '));
        assert.ok(!told.includes('geheim'), 'a password came out');
      }
      assert.deepEqual(namesIn(trial.store), []);
    }));

  it('a folder where no backup is has a status all the same', () =>
    withTrial('plain', async (trial) => {
      const { stdout } = await trial.run(['collection-status', trial.url]);
      assert.match(stdout, /Last full backup date: none/);
      assert.match(stdout, /No backup chains with active signatures found/);
    }));

  it('an archive folder that is a file is refused', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      writeFileSync(trial.path('file'), 'keep me');
      const { told } = await trial.run(
        ['full', trial.source, trial.url, '--archive-dir', trial.path('file')],
        {
          status: 9,
          ownArchive: true,
        },
      );
      assert.match(told, /--archive-dir/);
      assert.equal(readFileSync(trial.path('file'), 'utf8'), 'keep me');
      assert.deepEqual(namesIn(trial.store), []);
    }));

  it('a store that is a file is refused', () =>
    withTrial('plain', async (trial) => {
      writeFileSync(trial.path('file'), 'keep me');
      await trial.run(['full', trial.source, `file://${trial.path('file')}`], { status: 50 });
      assert.equal(readFileSync(trial.path('file'), 'utf8'), 'keep me');
    }));

  it('a link to nowhere is a source of its own, but not if links are followed', () =>
    withTrial('plain', async (trial) => {
      symlinkSync('nowhere', trial.path('broken'));
      await trial.run(['full', trial.path('broken'), trial.url]);
      await trial.run(['full', '--copy-links', trial.path('broken'), trial.url], { status: 13 });
    }));
});
