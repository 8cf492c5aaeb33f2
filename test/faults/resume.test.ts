/**
 * Backups that are stopped after a volume, and the run that goes on with them. `--fail` stops them where the test wants it;
 * moments that nobody chose are in `killed.test.ts`.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRoot, namesIn } from '../cli/trial.js';
import { needs } from '../peers.js';
import { randomBytes } from '../trees/contents.js';
import { describeTree } from '../trees/describe.js';
import {
  type Bench,
  benchTests,
  counterOf,
  fileSeconds,
  largeBytes,
  largeContents,
  settleFolder,
  settlingMs,
  smallFiles,
  twoLarge,
} from './bench.js';

describe('an interrupted backup', () => {
  const trial = benchTests();

  describe('nothing changed', () => {
    for (const seal of ['plain', 'gzip', 'passphrase'] as const) {
      trial(`goes on in the middle of a large file, ${seal}`, { seal }, async (bench, t) => {
        await bench.interrupt('full', 2);
        const { stdout } = await bench.goOn(2);
        assert.match(stdout, /in the middle of large/);
        await bench.checkNext(0);
        if (!needs(t, 'duplicity')) return;
        bench.checkPeerRestores();
        bench.write('d/b', 'of the peer');
        bench.peer(['incremental', bench.source, bench.url]);
        bench.checkPeerRestores();
        assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
      });
    }

    trial('goes on at the end of a file', { seal: 'gzip', fill: smallFiles }, async (bench) => {
      await bench.interrupt('full', 2);
      const { stdout } = await bench.goOn(2);
      assert.match(stdout, /behind file \d\d\./);
      await bench.checkNext(0);
    });

    trial('goes on in the middle of a delta', { seal: 'gzip' }, async (bench, t) => {
      await bench.back('full');
      const changed = randomBytes('changed', largeBytes);
      largeContents.copy(changed, 1_000_000, 0, 300_000);
      bench.write('large', changed, fileSeconds + 1);
      bench.write('z2', 'changed', fileSeconds + 1);
      settleFolder(bench);
      await sleep(settlingMs);
      await bench.interrupt('incremental', 1);
      const { stdout } = await bench.goOn(1);
      assert.match(stdout, /incremental backup .* in the middle of large/);
      assert.equal(counterOf(stdout, 'ChangedFiles'), 2);
      await bench.checkNext(0);
      if (!needs(t, 'duplicity')) return;
      bench.checkPeerRestores();
    });

    trial('goes on with volumes sent side by side', {}, async (bench) => {
      await bench.interrupt('full', 2, '--concurrency', '3');
      const sent = bench.volumes().size;
      const { told } = await bench.back('backup', '--concurrency', '3');
      const kept = Number(/goes on after volume (\d+)/.exec(told)?.[1]);
      assert.ok(kept >= 1 && kept <= sent, told);
      await bench.checkWhole();
      await bench.checkNext(0);
    });

    trial('gives the statistics and the list of files of a run that was not', {}, async (bench) => {
      const uninterrupted = await bench.back('full', '--archive-dir', bench.path('other'));
      const other = join(bench.path('other'), 'trial');
      const name = namesIn(other).find((name) => name.endsWith('.manifest')) as string;
      const list = /^Filelist[\s\S]*/m.exec(readFileSync(join(other, name), 'latin1'))?.[0];
      assert.ok(list !== undefined);
      for (const name of namesIn(bench.store)) rmSync(join(bench.store, name));
      await bench.interrupt('full', 2);
      const { stdout } = await bench.goOn(2);
      for (const name of [
        'SourceFiles',
        'SourceFileSize',
        'NewFiles',
        'NewFileSize',
        'DeltaEntries',
        'Errors',
      ]) {
        assert.equal(counterOf(stdout, name), counterOf(uninterrupted.stdout, name), name);
      }
      assert.equal(/^Filelist[\s\S]*/m.exec(bench.manifest())?.[0], list);
    });
  });

  describe('the file in the middle of which it was interrupted', () => {
    const other = randomBytes('other', largeBytes);
    const changes: Record<string, (bench: Bench) => void> = {
      'was changed': (bench) => bench.write('large', other, fileSeconds + 1),
      'was truncated': (bench) => truncateSync(bench.at('large'), 100_000),
      'was truncated to a part of a block': (bench) => truncateSync(bench.at('large'), 100),
      'has grown': (bench) => writeFileSync(bench.at('large'), 'more', { flag: 'a' }),
      'was deleted': (bench) => rmSync(bench.at('large')),
      'became a folder': (bench) => {
        rmSync(bench.at('large'));
        bench.write('large/in it', 'in it');
      },
      'became a link to itself': (bench) => {
        rmSync(bench.at('large'));
        symlinkSync('large', bench.at('large'));
      },
      'was replaced by one of the same size and time': (bench) => {
        bench.write('new', other);
        renameSync(bench.at('new'), bench.at('large'));
      },
      'was written over with the same size and time': (bench) => bench.write('large', other),
    };
    for (const [what, change] of Object.entries(changes)) {
      trial(what, {}, async (bench) => {
        await bench.interrupt('full', 2);
        change(bench);
        settleFolder(bench);
        // Volume 1 ends in the middle of it as well: nothing can be used, and the set begins anew.
        const { told } = await bench.back('backup');
        assert.match(told, /nothing of it can be used/);
        await bench.checkWhole();
        await bench.checkNext(0);
      });
    }

    trial('is not selected any more', { fill: twoLarge }, async (bench) => {
      await bench.interrupt('full', 3);
      const expected = describeTree(bench.source);
      expected.delete('m');
      await bench.goOn(1, { args: ['--exclude', bench.at('m')], expected });
    });

    trial('was changed: what comes before it stays', { fill: twoLarge }, async (bench) => {
      await bench.interrupt('full', 3);
      bench.write('m', randomBytes('new m', largeBytes), fileSeconds + 1);
      settleFolder(bench);
      const { stdout } = await bench.goOn(1);
      assert.match(stdout, /behind file \d\d\./);
      await bench.checkNext(0);
    });

    trial('cannot be read any more', { fill: twoLarge }, async (bench) => {
      const uid = isRoot ? 65_534 : undefined;
      const options = uid === undefined ? {} : { uid };
      for (const folder of [bench.source, bench.store, bench.archive, bench.temp, bench.home]) {
        if (uid !== undefined) chownSync(folder, uid, uid);
      }
      const args = ['backup', '--volsize', '1', bench.source, bench.url];
      await bench.run(['--fail', '3', ...args], { ...options, status: 30 });
      const expected = describeTree(bench.source);
      expected.delete('m');
      chmodSync(bench.at('m'), 0);
      const before = bench.stampsOfVolumes();
      const { told } = await bench.run(args, options);
      assert.match(told, /goes on after volume 1, behind file/);
      assert.match(told, /m: .*EACCES/);
      assert.equal(counterOf(told, 'Errors'), 1);
      assert.equal(bench.stampsOfVolumes().get(1), before.get(1));
      await bench.checkWhole(expected);
    });
  });
});
