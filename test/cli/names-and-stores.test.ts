/** Which file lands where: prefixes, several stores, volume sizes, the local archive, temporary files. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { changeSmallTree, smallTree, smallTreeSeconds } from './small-tree.js';
import { namesIn, type Trial, withTrial } from './trial.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
const timeName = (seconds: number) =>
  new Date((1_700_000_000 + seconds) * 1000).toISOString().replace(/[-:]|\.000/g, '');

/** Writes a configuration of two stores and returns the URL. */
function twoStores(trial: Trial, query: string, prefixes: [string[], string[]] | undefined): string {
  const stores = ['hot', 'cold'].map((name, index) => {
    mkdirSync(trial.path(name), { recursive: true });
    return {
      description: name,
      url: `file://${trial.path(name)}`,
      ...(prefixes && { prefixes: prefixes[index] }),
    };
  });
  writeFileSync(trial.path('config.json'), JSON.stringify(stores));
  return `multi://${trial.path('config.json')}${query}`;
}

describe('names and stores', () => {
  it('prefixes send metadata to the hot store and volumes to the cold one', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const url = twoStores(trial, '?mode=mirror&onfail=abort', [['hot_'], ['cold_']]);
      const names = [
        '--file-prefix-manifest',
        'hot_',
        '--file-prefix-signature',
        'hot_',
        '--file-prefix-archive',
        'cold_',
      ];
      const first = describeTree(trial.source);
      await trial.run([...names, ...at(0), 'full', trial.source, url]);
      changeSmallTree(trial.source);
      await trial.run([...names, ...at(100), 'incremental', trial.source, url]);
      const [full, inc] = [timeName(0), `${timeName(0)}.to.${timeName(100)}`];
      assert.deepEqual(namesIn(trial.path('hot')), [
        `hot_duplicity-full-signatures.${full}.sigtar.gpg`,
        `hot_duplicity-full.${full}.manifest.gpg`,
        `hot_duplicity-inc.${inc}.manifest.gpg`,
        `hot_duplicity-new-signatures.${inc}.sigtar.gpg`,
      ]);
      assert.deepEqual(namesIn(trial.path('cold')), [
        `cold_duplicity-full.${full}.vol1.difftar.gpg`,
        `cold_duplicity-inc.${inc}.vol1.difftar.gpg`,
      ]);
      const state = describeTree(trial.source);
      for (const [time, expected] of [
        [[], state],
        [['-t', '1700000000'], first],
      ] as const) {
        const target = trial.newTarget();
        await trial.run([...names, ...time, 'restore', url, target]);
        assert.deepEqual(compareTrees(expected, describeTree(target)), []);
      }
      await trial.run([...names, 'verify', '--compare-data', url, trial.source]);
      const { stdout } = await trial.run([...names, 'collection-status', url]);
      assert.match(stdout, /Number of contained backup sets: 2/);
      assert.match(stdout, /No orphaned or incomplete backup sets found/);
      // Without the prefixes nothing there is a backup.
      await trial.run(['restore', url, trial.newTarget()], { status: 20 });
    }));

  it('--file-prefix stands before the prefix of the kind', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const names = [
        '--file-prefix',
        'all-',
        '--file-prefix-manifest',
        'm-',
        '--file-prefix-signature',
        's-',
        '--file-prefix-archive',
        'v-',
      ];
      await trial.full(...names, ...at(0));
      await trial.full(...at(100));
      const time = timeName(0);
      assert.deepEqual(
        namesIn(trial.store).filter((name) => name.startsWith('all-')),
        [
          `all-m-duplicity-full.${time}.manifest`,
          `all-s-duplicity-full-signatures.${time}.sigtar`,
          `all-v-duplicity-full.${time}.vol1.difftar`,
        ],
      );
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source), names), []);
    }));

  it('a stripe deals files out in turn, and a restore finds them again', () =>
    withTrial('gzip', async (trial) => {
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      tree.directory('.');
      for (const name of ['x', 'y', 'z']) tree.file(name, randomBytes(name, 900_000));
      tree.finish();
      const url = twoStores(trial, '?mode=stripe', undefined);
      await trial.run(['full', '--volsize', '1', trial.source, url]);
      const [hot, cold] = [namesIn(trial.path('hot')), namesIn(trial.path('cold'))];
      assert.ok(hot.some((name) => name.includes('vol1.')) && cold.some((name) => name.includes('vol2.')));
      assert.equal(hot.filter((name) => cold.includes(name)).length, 0);
      const target = trial.newTarget();
      await trial.run(['restore', url, target]);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));

  it('prefixes with a stripe are refused', () =>
    withTrial('plain', async (trial) => {
      const url = twoStores(trial, '', [['hot_'], ['cold_']]);
      const { told } = await trial.run(['full', trial.source, url], { status: 'any' });
      assert.match(told, /prefixes/);
    }));

  it('--volsize bounds every volume', () =>
    withTrial('passphrase', async (trial) => {
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      tree.directory('.');
      tree.file('large', randomBytes('large', 3_500_000));
      tree.finish();
      await trial.full('--volsize', '1');
      const sizes = namesIn(trial.store)
        .filter((name) => name.includes('.difftar'))
        .map((name) => statSync(join(trial.store, name)).size);
      assert.equal(sizes.length, 4);
      for (const size of sizes) assert.ok(size <= 1024 * 1024, `${size}`);
      // An encrypted volume that is not the last one is filled up.
      for (const size of sizes.slice(0, -1)) assert.ok(size > 1024 * 1024 - 4096, `${size}`);
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));

  it('the local archive lies where --archive-dir and --name say, else at the MD5 of the URL', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      const own = { ownArchive: true };
      const holds = (folder: string, seconds: number) =>
        assert.ok(namesIn(folder).includes(`duplicity-full.${timeName(seconds)}.manifest`), folder);
      await trial.run([...at(0), 'full', source, url], own);
      const byUrl = join(trial.home, '.cache/duplicity', createHash('md5').update(url).digest('hex'));
      holds(byUrl, 0);
      assert.equal(statSync(byUrl).mode & 0o777, 0o700);
      await trial.run([...at(1), 'full', source, url, '--name', 'mine'], own);
      holds(join(trial.home, '.cache/duplicity/mine'), 1);
      await trial.run([...at(2), 'full', source, url, '--archive-dir', trial.path('elsewhere/deep')], own);
      holds(trial.path(`elsewhere/deep/${byUrl.slice(-32)}`), 2);
      await trial.run([...at(3), 'full', source, url, '--archive-dir', '~/tilde', '--name', '$NAME_OF_IT'], {
        ...own,
        env: { NAME_OF_IT: 'expanded' },
      });
      holds(join(trial.home, 'tilde/expanded'), 3);
      await trial.run([...at(4), 'full', source, url], {
        ...own,
        env: { XDG_CACHE_HOME: trial.path('xdg') },
      });
      holds(trial.path(`xdg/duplicity/${byUrl.slice(-32)}`), 4);
    }));

  it('temporary files lie where --tempdir, else TMPDIR says', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      writeFileSync(trial.path('file'), '');
      await trial.full('--tempdir', trial.path('made/for/it'));
      assert.deepEqual(namesIn(trial.path('made/for/it')), []);
      for (const [args, env] of [
        [['--tempdir', trial.path('file')], {}],
        [[], { TMPDIR: trial.path('file/below') }],
      ] as const) {
        const { told } = await trial.run(['full', ...args, trial.source, trial.url], { status: 1, env });
        assert.match(told, /no temporary folder in .*\/file/);
      }
    }));
});
