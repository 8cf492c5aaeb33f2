/** Includes and excludes in the order of the command line: the first that matches decides. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { smallTreeSeconds } from './small-tree.js';
import { type Trial, withTrial } from './trial.js';

const files = [
  'a/1',
  'a/2.log',
  'a/sub/3',
  'b/1',
  'b/2.log',
  'c',
  'd/e/f/4',
  'odd [x]/5',
  '\xc3\xa9t\xc3\xa9/\xff',
];

function selectionTree(folder: string): void {
  const tree = new TreeWriter(folder, smallTreeSeconds);
  tree.directory('.');
  for (const file of files) {
    const parent = file.slice(0, Math.max(0, file.lastIndexOf('/')));
    if (parent !== '') tree.directory(parent);
    tree.file(file, Buffer.from(file));
  }
  tree.directory('empty');
  tree.finish();
}

/** Options, with `S` for the source folder, and what is then backed up, the root and its path left out. */
const cases: [options: string[], selected: string[]][] = [
  [
    [],
    [
      'a',
      'a/1',
      'a/2.log',
      'a/sub',
      'a/sub/3',
      'b',
      'b/1',
      'b/2.log',
      'c',
      'd',
      'd/e',
      'd/e/f',
      'd/e/f/4',
      'empty',
      'odd [x]',
      'odd [x]/5',
      '\xc3\xa9t\xc3\xa9',
      '\xc3\xa9t\xc3\xa9/\xff',
    ],
  ],
  [
    ['--include', 'S/a', '--exclude', '**'],
    ['a', 'a/1', 'a/2.log', 'a/sub', 'a/sub/3'],
  ],
  [
    ['--include', 'S/a/*', '--exclude', '**'],
    ['a', 'a/1', 'a/2.log', 'a/sub', 'a/sub/3'],
  ],
  [
    ['--exclude', 'S/a/sub', '--include', 'S/a', '--exclude', '**'],
    ['a', 'a/1', 'a/2.log'],
  ],
  [
    ['--include', 'S/a', '--exclude', 'S/a/sub', '--exclude', '**'],
    ['a', 'a/1', 'a/2.log', 'a/sub', 'a/sub/3'],
  ],
  [
    ['--exclude', '**.log', '--include', 'S/a', '--include', 'S/b', '--exclude', 'S/*'],
    ['a', 'a/1', 'a/sub', 'a/sub/3', 'b', 'b/1'],
  ],
  [
    ['--exclude', '**/1', '--exclude', '**/[0-9].log', '--include', 'S/[ab]', '--exclude', '**'],
    ['a', 'a/sub', 'a/sub/3', 'b'],
  ],
  // A folder is in for what is included below it, though a later rule leaves it out.
  [
    ['--include', 'S/d/e/f/4', '--exclude', '**'],
    ['d', 'd/e', 'd/e/f', 'd/e/f/4'],
  ],
  [['--include', 'S/a/sub/nothing-of-that-name', '--exclude', '**'], []],
  [['--exclude', 'ignorecase:S/A', '--exclude', 'S/[b-z]*', '--exclude', 'S/?t?'], []],
  [['--exclude', 'S/odd [[]x]', '--exclude', 'S/[a-e]*', '--exclude', 'S/\u00e9*'], []],
  [['--include=S/c', '--exclude=**'], ['c']],
];

async function selectedBy(trial: Trial, options: string[]): Promise<string[]> {
  const given = options.map((option) => option.replace(/S(?=\/)/, trial.source));
  const { stdout } = await trial.run([
    'full',
    '--dry-run',
    '-v5',
    '--no-print-statistics',
    ...given,
    trial.source,
    trial.url,
  ]);
  return [...stdout.matchAll(/^A (.*)$/gm)].map(([, path]) => path as string).filter((path) => path !== '.');
}

describe('selection', () => {
  it('follows the order of the command line', () =>
    withTrial('plain', async (trial) => {
      selectionTree(trial.source);
      for (const [options, selected] of cases) {
        assert.deepEqual(await selectedBy(trial, options), [...selected], options.join(' '));
      }
    }));

  it('what cannot match, or changes nothing, is refused', () =>
    withTrial('plain', async (trial) => {
      selectionTree(trial.source);
      for (const [options, status, text] of [
        [['--include', '/elsewhere/a', '--exclude', '**'], 14, /\/elsewhere\/a.*cannot match/],
        [['--exclude', '**.log', '--include', `${trial.source}/a`], 16, /isn't an exclude/],
        [['--exclude', `${trial.source}//a`], 15, /two slashes/],
      ] as const) {
        const { told } = await trial.run(['full', ...options, trial.source, trial.url], { status });
        assert.match(told, text);
      }
    }));

  it('what a later run leaves out is gone from its set, and back when it is not', () =>
    withTrial('gzip', async (trial) => {
      selectionTree(trial.source);
      const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
      await trial.full(...at(0));
      await trial.incremental(
        ...at(1),
        '--exclude',
        `${trial.source}/[b-z]*`,
        '--exclude',
        `${trial.source}/\u00e9*`,
      );
      const all = describeTree(trial.source);
      const some = new Map([...all].filter(([path]) => path === '.' || /^a(?:\/|$)/.test(path)));
      assert.deepEqual(await trial.restoredDifferences(some), []);
      await trial.incremental(...at(2));
      assert.deepEqual(await trial.restoredDifferences(all), []);
      assert.deepEqual(await trial.restoredDifferences(some, ['-t', '1700000001']), []);
    }));

  it('verify --compare-data compares what is selected', () =>
    withTrial('plain', async (trial) => {
      selectionTree(trial.source);
      const rules = ['--include', `${trial.source}/a`, '--exclude', '**'];
      await trial.full(...rules);
      await trial.run(['verify', '--compare-data', ...rules, trial.url, trial.source]);
      const { stdout } = await trial.run(['verify', '--compare-data', trial.url, trial.source], {
        status: 1,
      });
      assert.match(stdout, /New file c$/m);
      assert.match(stdout, /6 files compared|1[0-9] files compared/);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(
        compareTrees(
          new Map([...describeTree(trial.source)].filter(([path]) => /^(?:\.$|a)/.test(path))),
          describeTree(target),
        ),
        [],
      );
    }));

  it('--copy-links takes what links lead to', () =>
    withTrial('plain', async (trial) => {
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      tree.directory('folder');
      tree.file('folder/inside', Buffer.from('inside'));
      tree.symlink('to folder', 'folder');
      tree.symlink('to file', 'folder/inside');
      tree.symlink('to nowhere', 'nowhere');
      tree.symlink('folder/loop', '..');
      tree.finish();
      const { told } = await trial.full('--copy-links');
      assert.match(told, /loop/);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      const restored = describeTree(target);
      assert.deepEqual([...restored.keys()].sort(), [
        '.',
        'folder',
        'folder/inside',
        'to file',
        'to folder',
        'to folder/inside',
      ]);
      assert.equal(restored.get('to file'), restored.get('folder/inside'));
    }));
});
