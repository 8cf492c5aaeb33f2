/** What the options of a backup do to what is stored, and where. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomBytes } from '../trees/contents.js';
import { describeTree } from '../trees/describe.js';
import { changeSmallTree, smallTree, smallTreeFileBytes } from './small-tree.js';
import { contentsOf, namesIn, withTrial } from './trial.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
const timeName = (seconds: number) =>
  new Date((1_700_000_000 + seconds) * 1000).toISOString().replace(/[-:]|\.000/g, '');

/** The counters of printed statistics. */
function countersOf(stdout: string): Record<string, number> {
  const lines = stdout.matchAll(/^([A-Z]\w+) (-?[\d.]+)(?: \(.*\))?$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
}

describe('statistics', () => {
  it('count what was done', () =>
    withTrial('gzip', async (trial) => {
      smallTree(trial.source);
      const folderBytes = () =>
        ['', 'sub', 'sub/deep'].reduce((sum, name) => sum + statSync(join(trial.source, name)).size, 0);
      const volumeBytes = () =>
        namesIn(trial.store)
          .filter((name) => name.includes('.difftar'))
          .reduce((sum, name) => sum + statSync(join(trial.store, name)).size, 0);
      const first = countersOf((await trial.full(...at(0))).stdout);
      const { StartTime, EndTime, ElapsedTime, ...counts } = first;
      assert.ok(StartTime! <= EndTime! && Math.abs(EndTime! - StartTime! - ElapsedTime!) < 0.02);
      const linkBytes = 'sub/b'.length;
      const size = smallTreeFileBytes + folderBytes() + linkBytes;
      assert.deepEqual(counts, {
        SourceFiles: 10,
        SourceFileSize: size,
        NewFiles: 10,
        NewFileSize: size,
        DeletedFiles: 0,
        ChangedFiles: 0,
        ChangedFileSize: 0,
        ChangedDeltaSize: 0,
        DeltaEntries: 10,
        RawDeltaSize: smallTreeFileBytes,
        TotalDestinationSizeChange: volumeBytes(),
        Errors: 0,
      });

      changeSmallTree(trial.source);
      const before = volumeBytes();
      const next = countersOf((await trial.incremental(...at(100))).stdout);
      const { RawDeltaSize, ...rest } = next;
      for (const name of ['StartTime', 'EndTime', 'ElapsedTime']) delete rest[name];
      // Changed: a, empty, sub/c; anew: both folders in which something came or went, and sub/new; gone: sub/b.
      const changedBytes = 8 + 0 + 170_000;
      const newBytes = statSync(trial.source).size + statSync(join(trial.source, 'sub')).size + 5000;
      const unchangedBytes = 10 + 0 + linkBytes + statSync(join(trial.source, 'sub/deep')).size;
      assert.deepEqual(rest, {
        SourceFiles: 10,
        SourceFileSize: changedBytes + newBytes + unchangedBytes,
        NewFiles: 3,
        NewFileSize: newBytes,
        DeletedFiles: 1,
        ChangedFiles: 3,
        ChangedFileSize: changedBytes,
        ChangedDeltaSize: 0,
        DeltaEntries: 7,
        TotalDestinationSizeChange: volumeBytes() - before,
        Errors: 0,
      });
      assert.ok(RawDeltaSize! > 25_000 && RawDeltaSize! < 26_000, `RawDeltaSize ${RawDeltaSize}`);
    }));

  it('are left out with --no-print-statistics', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      assert.match((await trial.full()).stdout, /Backup Statistics/);
      assert.doesNotMatch(
        (await trial.full('--no-print-statistics')).stdout,
        /Backup Statistics|SourceFiles/,
      );
    }));
});

describe('--dry-run', () => {
  it('counts, and changes neither store nor archive', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const first = countersOf((await trial.full('--dry-run', ...at(0))).stdout);
      assert.deepEqual(namesIn(trial.store), []);
      assert.deepEqual([...contentsOf(trial.archive).keys()], []);
      const real = countersOf((await trial.full(...at(0))).stdout);
      for (const name of ['SourceFiles', 'SourceFileSize', 'NewFiles', 'DeltaEntries']) {
        assert.equal(first[name], real[name], name);
      }

      changeSmallTree(trial.source);
      // Something to bring up to date, which a dry run leaves alone as well.
      writeFileSync(
        join(trial.archive, 'trial', `duplicity-full.${timeName(-5000)}.manifest`),
        'not on the store',
      );
      const before = [contentsOf(trial.store), contentsOf(trial.archive)];
      const { stdout } = await trial.incremental('--dry-run', ...at(100));
      assert.equal(countersOf(stdout).ChangedFiles, 3);
      assert.equal(countersOf(stdout).DeletedFiles, 1);
      assert.match(stdout, /Sync would remove the following spurious local files:\n.*manifest/);
      const target = trial.newTarget();
      const restored = await trial.run(['restore', '--dry-run', trial.url, target]);
      assert.match(restored.stdout, /Required volumes to restore:\n\tduplicity-full\..*\.vol1\.difftar/);
      assert.deepEqual(namesIn(target), []);
      assert.deepEqual([contentsOf(trial.store), contentsOf(trial.archive)], before);
    }));
});

describe('--skip-if-no-change', () => {
  it('makes no incremental set where there would be nothing in it, nor statistics of one', () =>
    withTrial('gzip', async (trial) => {
      smallTree(trial.source);
      const skipping = '--skip-if-no-change';
      await trial.full(skipping, ...at(0));
      const [store, archive] = [namesIn(trial.store), namesIn(join(trial.archive, 'trial'))];
      for (const mode of ['incremental', 'backup']) {
        const { stdout } = await trial.run([mode, skipping, ...at(100), trial.source, trial.url]);
        assert.match(stdout, /^Nothing has changed: no backup set is made\.$/m);
        assert.equal(countersOf(stdout).DeltaEntries, 0);
        const json = await trial.run([
          ...[mode, skipping, '--jsonstat', '--json', ...at(100)],
          ...[trial.source, trial.url],
        ]);
        assert.deepEqual(JSON.parse(json.stdout), { dryRun: false, sets: [] });
      }
      assert.deepEqual(namesIn(trial.store), store);
      assert.deepEqual(namesIn(join(trial.archive, 'trial')), archive);
      changeSmallTree(trial.source);
      await trial.incremental(skipping, ...at(200));
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
      const before = namesIn(trial.store).length;
      await trial.incremental(...at(300));
      assert.equal(namesIn(trial.store).length, before + 3);
    }));
});

describe('--fail and --skip-volume', () => {
  it('stop a run behind a volume, and leave one out', () =>
    withTrial('gzip', async (trial) => {
      for (const name of ['a', 'b', 'c'])
        writeFileSync(join(trial.source, name), randomBytes(name, 1_000_000));
      const volumes = ['--volsize', '1'];
      const stored = () => namesIn(trial.store).map((name) => /\.vol\d+/.exec(name)?.[0] ?? 'other');
      await trial.run(['full', ...volumes, '--fail', '2', trial.source, trial.url], { status: 30 });
      assert.deepEqual(stored(), ['.vol1', '.vol2']);
      const { told } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 20 });
      assert.match(told, /The first backup was interrupted: run it again/);
      await trial.run(['cleanup', '--force', trial.url]);
      const fail = ['--fail-on-volume', '2', '--skip-volume', '1'];
      await trial.run(['full', ...volumes, ...fail, trial.source, trial.url], { status: 30 });
      assert.deepEqual(stored(), ['.vol2']);
    }));
});

describe('full or incremental', () => {
  it('a backup is incremental if it can be, and full if the last full one is older than asked', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      const day = 86_400;
      const kinds = () =>
        namesIn(trial.store).filter((name) => /^duplicity-(?:full|inc)\..*manifest$/.test(name)).length;
      const fulls = () =>
        namesIn(trial.store).filter((name) => /^duplicity-full\..*manifest$/.test(name)).length;
      const older = (time: string) => ['--full-if-older-than', time];
      await trial.run([...older('10D'), ...at(0), source, url]);
      assert.deepEqual([fulls(), kinds()], [1, 1]);
      await trial.run([...older('10D'), ...at(9 * day), source, url]);
      assert.deepEqual([fulls(), kinds()], [1, 2]);
      const late = await trial.run([...older('10D'), ...at(11 * day), source, url]);
      assert.match(late.stdout, /Last full backup is too old, forcing full backup/);
      assert.deepEqual([fulls(), kinds()], [2, 3]);
      await trial.run([...older('1Y'), ...at(30 * day), source, url]);
      assert.deepEqual([fulls(), kinds()], [2, 4]);
      await trial.run([...older('1W'), ...at(31 * day), 'incremental', source, url]);
      assert.deepEqual([fulls(), kinds()], [3, 5]);
    }));

  it('a clock that runs behind the last backup ends the run', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      const { told } = await trial.run([...at(-100), trial.source, trial.url], { status: 23 });
      assert.match(told, /clock/);
      assert.equal(namesIn(trial.store).length, 3);
    }));

  it('an unchanged source makes a small set that restores', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      const counts = countersOf((await trial.incremental(...at(1))).stdout);
      assert.deepEqual([counts.DeltaEntries, counts.SourceFiles, counts.RawDeltaSize], [0, 10, 0]);
      assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
    }));
});

describe('what a chain is of', () => {
  it('another source folder or host is refused unless allowed', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const other = trial.path('other');
      smallTree(other);
      await trial.full(...at(0));
      const before = contentsOf(trial.store);
      const moved = await trial.run([...at(1), other, trial.url], { status: 42 });
      assert.match(moved.told, /allow-source-mismatch/);
      assert.ok(moved.told.includes(other) && moved.told.includes(trial.source));
      assert.deepEqual(contentsOf(trial.store), before);
      await trial.run([...at(2), '--allow-source-mismatch', other, trial.url]);
      // What the new place has made is what counts from then on; a full backup of the old one is fine too.
      await trial.run([...at(3), trial.source, trial.url], { status: 42 });
      await trial.run([...at(4), other, trial.url]);
      await trial.run([...at(5), 'full', trial.source, trial.url]);

      const manifest = `duplicity-full.${timeName(5)}.manifest`;
      for (const folder of [trial.store, join(trial.archive, 'trial')]) {
        const text = readFileSync(join(folder, manifest), 'latin1');
        writeFileSync(
          join(folder, manifest),
          text.replace(/^Hostname .*$/m, 'Hostname elsewhere.example'),
          'latin1',
        );
      }
      const { told } = await trial.run([...at(6), trial.source, trial.url], { status: 3 });
      assert.match(told, /elsewhere\.example/);
      await trial.run([...at(6), '--allow-source-mismatch', trial.source, trial.url]);
    }));

  it('the same folder written in another way is the same', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      await trial.run([...at(1), 'inc', `${trial.source}//./`, trial.url]);
    }));
});
