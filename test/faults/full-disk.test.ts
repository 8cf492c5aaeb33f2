/** Disks that are full: of the store, of the temporary files, of the local archive, of the target of a restore. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { smallTree, smallTreeSeconds } from '../cli/small-tree.js';
import { isRoot, namesIn, type Trial, withTrial } from '../cli/trial.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];

/** A file system of a few KiB in memory. */
class SmallDisk {
  readonly #folder: string;

  /** Undefined where this cannot be had. */
  static mount(folder: string, kibibytes: number): SmallDisk | undefined {
    mkdirSync(folder, { recursive: true });
    const mounted = spawnSync('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=${kibibytes}k,mode=0700`,
      'tmpfs',
      folder,
    ]);
    return mounted.status === 0 ? new SmallDisk(folder) : undefined;
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  enlarge(): void {
    const { status, stderr } = spawnSync('mount', ['-o', 'remount,size=64m', this.#folder], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  }

  unmount(): void {
    spawnSync('umount', ['-l', this.#folder]);
  }
}

/** Has `act` work with a trial one folder of which is on a small disk. */
async function withSmallDisk(
  t: TestContext,
  folder: (trial: Trial) => string,
  kibibytes: number,
  act: (trial: Trial, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  if (!isRoot) return t.skip('only root can mount a small disk');
  await withTrial('gzip', async (trial) => {
    const disk = SmallDisk.mount(folder(trial), kibibytes);
    if (disk === undefined) return t.skip('a tmpfs cannot be mounted here');
    try {
      await act(trial, disk);
    } finally {
      disk.unmount();
    }
  });
}

function writeSource(trial: Trial): void {
  smallTree(trial.source);
  const tree = new TreeWriter(trial.source, smallTreeSeconds);
  for (const name of ['m', 'n', 'o']) tree.file(name, randomBytes(name, 1_500_000));
  tree.finish();
}

function changeSource(trial: Trial): void {
  const tree = new TreeWriter(trial.source, smallTreeSeconds + 86_400);
  for (const name of ['n', 'p']) tree.file(name, randomBytes(`${name} anew`, 2_500_000));
  tree.finish();
}

describe('no space', () => {
  it('on the store', (t) =>
    withSmallDisk(
      t,
      (trial) => trial.store,
      2048,
      async (trial, disk) => {
        writeSource(trial);
        const { stderr } = await trial.run([...at(0), '--volsize', '1', 'full', trial.source, trial.url], {
          status: 53,
        });
        assert.match(stderr, /no space/);
        assert.match(stderr, /[Ff]ree some space/);
        // The volumes that did fit are there, and no backup yet.
        await trial.run(['restore', trial.url, trial.newTarget()], { status: 20 });
        disk.enlarge();
        await trial.run([...at(100), '--volsize', '1', trial.source, trial.url]);
        assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
      },
    ));

  it('on the store, in an incremental backup', (t) =>
    withSmallDisk(
      t,
      (trial) => trial.store,
      7000,
      async (trial, disk) => {
        writeSource(trial);
        const before = describeTree(trial.source);
        await trial.full(...at(0));
        changeSource(trial);
        await trial.run([...at(100), 'incremental', trial.source, trial.url], { status: 53 });
        assert.deepEqual(await trial.restoredDifferences(before), []);
        disk.enlarge();
        await trial.run([...at(200), 'incremental', trial.source, trial.url]);
        assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
        assert.deepEqual(await trial.restoredDifferences(before, ['-t', '1700000150']), []);
      },
    ));

  it('for temporary files of a backup', (t) =>
    withSmallDisk(
      t,
      (trial) => trial.temp,
      1024,
      async (trial, disk) => {
        writeSource(trial);
        const { stderr } = await trial.run([...at(0), 'full', trial.source, trial.url], { status: 34 });
        assert.match(stderr, /no space/);
        assert.match(stderr, /--tempdir/);
        assert.deepEqual(namesIn(trial.store), []);
        disk.enlarge();
        await trial.run([...at(100), trial.source, trial.url]);
        assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
      },
    ));

  for (const kibibytes of [16, 60, 150]) {
    it(`in a local archive of ${kibibytes} KiB`, (t) =>
      withSmallDisk(
        t,
        (trial) => trial.archive,
        kibibytes,
        async (trial, disk) => {
          writeSource(trial);
          const { stderr } = await trial.run([...at(0), 'full', '--volsize', '1', trial.source, trial.url], {
            status: 34,
          });
          assert.match(stderr, /no space/);
          assert.match(stderr, /--archive-dir/);
          assert.equal(namesIn(trial.store).filter((name) => name.includes('manifest')).length, 0);
          disk.enlarge();
          await trial.run([...at(100), trial.source, trial.url]);
          assert.deepEqual(await trial.restoredDifferences(describeTree(trial.source)), []);
        },
      ));
  }

  it('for a local archive that is fetched again', (t) =>
    withSmallDisk(
      t,
      (trial) => trial.path('other'),
      32,
      async (trial, disk) => {
        writeSource(trial);
        await trial.full(...at(0));
        trial.archive = trial.path('other');
        const { stderr } = await trial.run(['list-current-files', trial.url], { status: 34 });
        assert.match(stderr, /--archive-dir/);
        disk.enlarge();
        await trial.run(['list-current-files', trial.url]);
      },
    ));

  it('at the target of a restore', (t) =>
    withSmallDisk(
      t,
      (trial) => trial.path('place'),
      2048,
      async (trial, disk) => {
        writeSource(trial);
        await trial.full(...at(0));
        const target = join(trial.path('place'), 'target');
        const { stderr } = await trial.run(['restore', trial.url, target], { status: 34 });
        assert.match(stderr, /ENOSPC|no space/);
        assert.match(stderr, /--force/);
        assert.ok(existsSync(target));
        assert.deepEqual(
          namesIn(target).filter((name) => name.startsWith('.tundra')),
          [],
        );
        disk.enlarge();
        await trial.run(['restore', '--force', trial.url, target]);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      },
    ));

  it('for temporary files of a restore', (t) =>
    withSmallDisk(
      t,
      (trial) => trial.path('small'),
      1024,
      async (trial, disk) => {
        // A file with three versions is put together in temporary files.
        const write = (step: number) => {
          const tree = new TreeWriter(trial.source, smallTreeSeconds + step * 1000);
          const bytes = randomBytes('large', 5_000_000);
          bytes.write(`step ${step}`, 1_000_000);
          tree.file('large', bytes);
          tree.finish();
        };
        for (const step of [0, 1, 2]) {
          write(step);
          await trial.run([...at(step), trial.source, trial.url]);
        }
        trial.temp = trial.path('small');
        const target = trial.newTarget();
        const { stderr } = await trial.run(['restore', trial.url, target], { status: 34 });
        assert.match(stderr, /ENOSPC|no space/);
        disk.enlarge();
        await trial.run(['restore', '--force', trial.url, target]);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      },
    ));
});
