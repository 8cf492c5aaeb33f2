/** The selection options beside globs: each must change what is backed up, in its place among the others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TreeWriter } from '../trees/writer.js';
import { smallTreeSeconds } from './small-tree.js';
import { type Trial, tundraProgram, withTrial } from './trial.js';

/** Files a, b.txt, B.log, keep/{1,skip}, other/{2,b.txt}, x[1]; `other/2` is a day younger than the others. */
function tree(folder: string): void {
  const writer = new TreeWriter(folder, smallTreeSeconds);
  for (const directory of ['.', 'keep', 'other']) writer.directory(directory);
  for (const file of ['a', 'b.txt', 'B.log', 'keep/1', 'keep/skip', 'other/b.txt', 'x[1]']) {
    writer.file(file, Buffer.from(file));
  }
  writer.file('other/2', Buffer.from('2'), { mtimeSeconds: smallTreeSeconds + 86_400 });
  writer.finish();
}

const everything = [
  'B.log',
  'a',
  'b.txt',
  'keep',
  'keep/1',
  'keep/skip',
  'other',
  'other/2',
  'other/b.txt',
  'x[1]',
];

function without(...left: string[]): string[] {
  return everything.filter((path) => !left.includes(path));
}

function dryRun(trial: Trial, options: readonly string[]): string[] {
  return ['full', '--dry-run', '-v5', '--no-print-statistics', ...options, trial.source, trial.url];
}

function added(stdout: string): string[] {
  return [...stdout.matchAll(/^A (.*)$/gm)].map(([, path]) => path as string).filter((path) => path !== '.');
}

async function selected(trial: Trial, options: readonly string[]): Promise<string[]> {
  return added((await trial.run(dryRun(trial, options))).stdout);
}

describe('selection options', () => {
  it('select by regular expressions, times and names, in their order', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const s = trial.source;
      const cases: [options: string[], selected: string[]][] = [
        [['--exclude-regexp', '\\.txt$'], without('b.txt', 'other/b.txt')],
        [['--exclude-regexp', '(?i)/b\\.'], without('B.log', 'b.txt', 'other/b.txt')],
        [['--include-regexp', '/(?P<x>o)ther', '--exclude-regexp', '\\.txt\\Z'], without('b.txt')],
        [['--exclude-if-present', 'skip'], without('keep', 'keep/1', 'keep/skip')],
        [['--include', `${s}/keep`, '--exclude-if-present', 'skip', '--exclude', '**'], []],
        [
          ['--exclude-older-than', `${smallTreeSeconds + 1}`],
          ['keep', 'other', 'other/2'],
        ],
        [
          ['--include', `${s}/a`, '--exclude-older-than', '2020-09-14T00:00:00Z'],
          ['a', 'keep', 'other', 'other/2'],
        ],
        [
          ['--current-time', `${smallTreeSeconds + 86_400}`, '--exclude-older-than', '1h'],
          ['keep', 'other', 'other/2'],
        ],
        [['--exclude-device-files', '--exclude-other-filesystems'], everything],
      ];
      for (const [options, wanted] of cases) {
        assert.deepEqual(await selected(trial, options), wanted, options.join(' '));
      }
    }));

  it('leave out device files and other file systems', () =>
    withTrial('plain', async (trial) => {
      const of = async (...options: string[]) =>
        added(
          (
            await trial.run([
              'full',
              '--dry-run',
              '-v5',
              '--include',
              '/dev/nul*',
              ...options,
              '/dev',
              trial.url,
            ])
          ).stdout,
        );
      assert.deepEqual(await of('--exclude', '**'), ['null']);
      assert.deepEqual(await of('--exclude-device-files', '--exclude', '**'), []);
      // What /proc holds is on another file system than what it lies in.
      const root = async (...options: string[]) =>
        added(
          (
            await trial.run([
              'full',
              '--dry-run',
              '-v5',
              ...options,
              '--include',
              '/proc/version',
              '--exclude',
              '**',
              '/',
              trial.url,
            ])
          ).stdout,
        );
      assert.deepEqual(await root(), ['proc', 'proc/version']);
      assert.deepEqual(await root('--exclude-other-filesystems'), []);
    }));

  it('read lists of patterns', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const s = trial.source;
      const list = trial.path('list');
      const wanted = ['a', 'other', 'other/b.txt'];
      writeFileSync(list, `# what to keep\n\n- ${s}/other/2\n  '${s}/other'  \r\n+ ${s}/a\n- **\n`);
      assert.deepEqual(await selected(trial, ['--include-filelist', list]), wanted);
      assert.deepEqual(await selected(trial, ['--include-globbing-filelist', list]), wanted);
      const env = { LISTS: trial.folder };
      const expanded = await trial.run(dryRun(trial, ['--include-filelist', '$LISTS/list']), { env });
      assert.deepEqual(added(expanded.stdout), wanted);
      assert.match(expanded.stdout, /^Reading globbing filelist .*\/list$/m);

      writeFileSync(list, `${s}/other\0+ ${s}/keep/1\0${s}/keep\0`);
      assert.deepEqual(
        await selected(trial, ['--null-separator', '--exclude-filelist', list]),
        without('other', 'other/2', 'other/b.txt', 'keep/skip'),
      );
      writeFileSync(list, `${s}/other\n`);
      assert.deepEqual(
        await selected(trial, ['--include', `${s}/other/2`, '--exclude-globbing-filelist', list]),
        without('other/b.txt'),
      );
    }));

  it('read lists from standard input, also by their old names, which they tell of', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const run = (options: string[], input: string) => {
        const args = [
          tundraProgram,
          '--no-encryption',
          '--archive-dir',
          trial.archive,
          ...dryRun(trial, options),
        ];
        const env = { PATH: process.env.PATH, HOME: trial.home, TMPDIR: trial.temp };
        const { status, stdout, stderr } = spawnSync(process.execPath, args, {
          input,
          env,
          encoding: 'utf8',
        });
        assert.equal(status, 0, stderr);
        return { paths: added(stdout), stdout };
      };
      const keep = `${trial.source}/a\n- **\n`;
      assert.deepEqual(run(['--include-filelist', '-'], keep).paths, ['a']);
      assert.doesNotMatch(run(['--include-filelist', '-'], keep).stdout, /old name/);
      const included = run(['--include-filelist-stdin'], keep);
      assert.deepEqual(included.paths, ['a']);
      assert.match(included.stdout, /--include-filelist-stdin is an old name: --include-filelist -/);
      const excluded = run(['--exclude-filelist-stdin'], `${trial.source}/a\n`);
      assert.deepEqual(excluded.paths, without('a'));
      assert.match(excluded.stdout, /--exclude-filelist-stdin is an old name/);
      const globbing = run(['--exclude-globbing-filelist', '-'], `${trial.source}/a\n`);
      assert.deepEqual(globbing.paths, without('a'));
      assert.match(globbing.stdout, /--exclude-globbing-filelist is an old name of --exclude-filelist/);
    }));

  it('--files-from takes the paths of a list, and of them what is selected', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const list = trial.path('list');
      writeFileSync(list, 'other/2\nother/b.txt\nkeep\nx[1]\nnothing\n');
      const listed = ['keep', 'other', 'other/2', 'other/b.txt', 'x[1]'];
      assert.deepEqual(await selected(trial, ['--files-from', list]), listed);
      assert.deepEqual(
        await selected(trial, ['--files-from', list, '--exclude', '**.txt']),
        listed.filter((path) => path !== 'other/b.txt'),
      );
      writeFileSync(list, 'other/2\0a');
      assert.deepEqual(await selected(trial, ['--null-separator', '--files-from', list]), [
        'a',
        'other',
        'other/2',
      ]);
    }));

  it('--filter-… changes how the patterns that follow are read', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const s = trial.source;
      const list = trial.path('list');
      writeFileSync(list, `- ${s}/x[1]\n`);
      const cases: [options: string[], selected: string[]][] = [
        [['--exclude', `${s}/x[1]`], everything],
        [['--filter-literal', '--exclude', `${s}/x[1]`], without('x[1]')],
        [['--filter-literal', '--exclude-filelist', list], without('x[1]')],
        [['--exclude', `${s}/x[1]`, '--filter-literal', '--exclude', `${s}/a`], without('a')],
        [['--filter-regexp', '--exclude', '[ab]\\.txt$'], without('b.txt', 'other/b.txt')],
        [['--filter-regexp', '--filter-globbing', '--exclude', '**.txt'], without('b.txt', 'other/b.txt')],
        [['--filter-ignorecase', '--exclude', `${s}/b*`], without('B.log', 'b.txt')],
        [['--filter-ignorecase', '--filter-strictcase', '--exclude', `${s}/b*`], without('b.txt')],
        [['--filter-ignorecase', '--exclude-regexp', '/b[^/]*$'], without('B.log', 'b.txt', 'other/b.txt')],
        [['--filter-ignorecase', '--filter-literal', '--exclude', `${s}/b.LOG`], without('B.log')],
      ];
      for (const [options, wanted] of cases) {
        assert.deepEqual(await selected(trial, options), wanted, options.join(' '));
      }
    }));

  it('verify --compare-data keeps to them', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const list = trial.path('list');
      writeFileSync(list, 'a\n');
      await trial.full('--files-from', list);
      const verify = ['verify', '--compare-data', trial.url, trial.source];
      await trial.run([...verify, '--files-from', list]);
      await trial.run(verify, { status: 1 });
    }));

  it('what cannot be used is refused with its status', () =>
    withTrial('plain', async (trial) => {
      tree(trial.source);
      const list = trial.path('list');
      const empty = trial.path('empty');
      writeFileSync(list, `${trial.source}/a\n`);
      writeFileSync(empty, '\n');
      for (const [options, status, text] of [
        [['--exclude-filelist', trial.path('nowhere')], 7, /Error opening file .*nowhere/],
        [['--exclude-filelist', trial.folder], 7, /Error opening file/],
        [['--include-filelist', list], 16, /isn't an exclude/],
        [['--files-from', list], 7, /not below the source folder/],
        [['--files-from', empty], 7, /no files/],
        [['--exclude-regexp', 'a)'], 30, /regular expression "a\)" cannot be used/],
        [['--include-regexp', 'a'], 16, /include a isn't an exclude/],
        [['--exclude-older-than', 'yore'], 2, /Bad time "yore"/],
        [['--filter-literal', '--exclude', '/elsewhere'], 14, /cannot match/],
        [['--exclude', '**.log', '--filter-literal'], 2, /--filter-literal is the last selection option/],
        [
          ['--filter-globbing', '--exclude', '**.log'],
          2,
          /--filter-globbing: patterns are read like that anyway/,
        ],
        [['--exclude-device-files=yes'], 2, /takes no value/],
      ] as const) {
        const { stderr } = await trial.run(['full', ...options, trial.source, trial.url], { status });
        assert.match(stderr, text);
      }
    }));
});
