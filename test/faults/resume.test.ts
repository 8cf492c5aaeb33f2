/**
 * Backups that are stopped after a volume, and the run that goes on with them. `--fail` stops them where the test wants it;
 * moments that nobody chose are in `killed.test.ts`.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { contentsOf, isRoot, namesIn, passphrase } from '../cli/trial.js';
import { ColdTrial } from '../cold/cold-trial.js';
import { Workshop } from '../interop/programs.js';
import { needs } from '../peers.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import {
  type Bench,
  benchTests,
  counterOf,
  fileSeconds,
  largeBytes,
  largeContents,
  mixture,
  settleFolder,
  settlingMs,
  smallFiles,
  twoLarge,
} from './bench.js';
import { whileReading } from './stopped.js';

describe('an interrupted backup', () => {
  const trial = benchTests();

  describe('nothing changed', { concurrency: 4 }, () => {
    for (const seal of ['plain', 'gzip', 'passphrase'] as const) {
      trial(`goes on in the middle of a large file, ${seal}`, { seal }, async (bench, t) => {
        await bench.interrupt('full', 2);
        const { stdout } = await bench.goOn(2);
        assert.match(stdout, /in the middle of large/);
        await bench.checkNext(0);
        if (seal === 'passphrase' || !needs(t, 'duplicity')) return;
        await bench.checkPeerRestores();
        bench.write('d/b', 'of the peer', fileSeconds + 1);
        await bench.peer(['incremental', bench.source, bench.url]);
        await bench.checkPeerRestores();
        assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
      });
    }

    trial('goes on at the end of a file', { seal: 'gzip', fill: smallFiles }, async (bench) => {
      await bench.interrupt('full', 2);
      const { stdout } = await bench.goOn(2);
      assert.match(stdout, /behind file \d\d\./);
      await bench.checkNext(0);
    });

    trial(
      'with a file whose records its first piece lacks stores them next',
      { seal: 'gzip' },
      async (bench) => {
        linkSync(bench.at('large'), bench.at('z9'));
        settleFolder(bench);
        await sleep(settlingMs);
        await bench.interrupt('full', 2, '--no-hard-links');
        assert.match((await bench.goOn(2)).stdout, /in the middle of large/);
        await bench.checkNext(1);
        const target = bench.newTarget();
        await bench.run(['restore', bench.url, target]);
        assert.equal(statSync(join(target, 'large')).nlink, 2);
      },
    );

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
      await bench.checkPeerRestores();
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

  describe('the file in the middle of which it was interrupted', { concurrency: 4 }, () => {
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
        if (what.includes('truncated') || what.includes('grown')) {
          utimesSync(bench.at('large'), fileSeconds + 1, fileSeconds + 1);
        }
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

  describe('what changes before the point where it goes on', { concurrency: 4 }, () => {
    trial('is not in the full set, but in the next one', { fill: twoLarge }, async (bench) => {
      await bench.interrupt('full', 3);
      const old = describeTree(bench.source);
      bench.write('file 12', 'changed', fileSeconds + 1);
      rmSync(bench.at('file 13'));
      bench.write('file 14 new', 'new');
      bench.write('z', 'changed behind it', fileSeconds + 1);
      settleFolder(bench);
      const { stdout } = await bench.goOn(3, { expected: mixture(old, describeTree(bench.source), 'm') });
      assert.equal(counterOf(stdout, 'SourceFiles'), old.size);
      assert.equal(counterOf(stdout, 'NewFiles'), old.size);
      assert.match(bench.manifest(), new RegExp(`^Filelist ${old.size - 1}$`, 'm'));
      await bench.checkNext(3);
    });

    trial('is not in the incremental set, but in the next one', { fill: twoLarge }, async (bench) => {
      await bench.back('full');
      const unchanged = describeTree(bench.source);
      for (const number of [10, 11, 12]) bench.write(`file ${number}`, `changed ${number}`, fileSeconds + 1);
      rmSync(bench.at('file 13'));
      rmSync(bench.at('file 14'));
      bench.write('file 15 new', 'new');
      bench.write('file 16 new', 'new');
      bench.write('m', randomBytes('new m', largeBytes), fileSeconds + 1);
      settleFolder(bench);
      await sleep(settlingMs);
      await bench.interrupt('incremental', 1);
      const old = describeTree(bench.source);
      // One that is gone, one as before, one that is back, one that was new and is gone, one that had not changed.
      rmSync(bench.at('file 10'));
      bench.write('file 11', randomBytes('file 11', 60_000));
      bench.write('file 13', randomBytes('file 13', 60_000));
      rmSync(bench.at('file 15 new'));
      rmSync(bench.at('file 17'));
      bench.write('z', 'changed behind it', fileSeconds + 1);
      settleFolder(bench);
      const expected = mixture(old, describeTree(bench.source), 'm');
      const { stdout } = await bench.goOn(1, { expected });
      assert.equal(counterOf(stdout, 'ChangedFiles'), 5);
      assert.equal(counterOf(stdout, 'NewFiles'), 2);
      assert.equal(counterOf(stdout, 'DeletedFiles'), 2);
      assert.equal(counterOf(stdout, 'SourceFiles'), unchanged.size);
      assert.match(bench.manifest(), /^Filelist 9$/m);
      await bench.checkNext(5);
    });
  });

  describe('the file that is gone on with', () => {
    const manyBytes = 40_000_000;
    const fill = (bench: Bench) => bench.write('large', randomBytes('large', manyBytes));
    trial('changes while the rest of it is read: what builds on it is right', { fill }, async (bench) => {
      await bench.back('full');
      bench.write('large', randomBytes('changed', manyBytes), fileSeconds + 1);
      settleFolder(bench);
      await sleep(settlingMs);
      await bench.interrupt('incremental', 10);
      const args = ['--volsize', '1', 'backup', bench.source, bench.url];
      const running = bench.start(args);
      await whileReading(running, bench.at('large'), () => {
        // The next difference to the full backup copies what that has at the beginning, and this one has overwritten.
        const front = randomBytes('front', 30_000_000);
        const back = randomBytes('large', manyBytes).subarray(0, manyBytes - front.length);
        bench.write('large', Buffer.concat([front, back]), fileSeconds + 2);
      });
      const outcome = await running.ended;
      bench.check(args, outcome, 0);
      assert.match(outcome.told, /goes on after volume 10, in the middle of large/);
      assert.doesNotMatch(outcome.told, /nothing of it/);
      await bench.back('incremental');
      assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
    });
  });

  describe('by another run than the one that was', { concurrency: 4 }, () => {
    const refusal = { status: 45 };

    trial('of another passphrase is refused', { seal: 'passphrase' }, async (bench) => {
      await bench.interrupt('full', 2);
      const args = ['backup', '--volsize', '1', bench.source, bench.url];
      const before = [...bench.stampsOfVolumes().values(), ...bench.partialFiles()];
      await bench.run(args, { ...refusal, env: { PASSPHRASE: 'another one' } });
      await bench.run(['--no-encryption', ...args], refusal);
      // Without what is noted, the first volume tells.
      renameSync(bench.checkpoint, bench.path('kept'));
      await bench.run(args, { ...refusal, env: { PASSPHRASE: 'another one' } });
      renameSync(bench.path('kept'), bench.checkpoint);
      assert.deepEqual([...bench.stampsOfVolumes().values(), ...bench.partialFiles()], before);
      await bench.goOn(2);
    });

    trial('is refused, and what it was can be given up', { seal: 'passphrase' }, async (bench) => {
      await bench.interrupt('full', 2);
      const other = { env: { PASSPHRASE: 'another one' } };
      const told = await bench.run(['backup', bench.source, bench.url], { ...refusal, ...other });
      assert.match(told.told, /cleanup --force/);
      await bench.run(['cleanup', '--force', bench.url], other);
      assert.deepEqual(namesIn(bench.store), []);
      assert.deepEqual(bench.partialFiles(), []);
      await bench.run(['backup', bench.source, bench.url], other);
      const target = bench.newTarget();
      await bench.run(['restore', bench.url, target], other);
      assert.deepEqual(compareTrees(describeTree(bench.source), describeTree(target)), []);
    });

    trial('with a passphrase begins anew without the first volume', { seal: 'passphrase' }, async (bench) => {
      await bench.interrupt('full', 2, '--skip-volume', '1');
      rmSync(bench.checkpoint);
      const { told } = await bench.back('backup');
      assert.match(told, /nothing of it can be used/);
      await bench.checkWhole();
    });

    trial('to another key is refused', { seal: 'passphrase' }, async (bench, t) => {
      if (!needs(t, 'gpg')) return;
      const workshop = new Workshop();
      try {
        const keys = ['one', 'two'].map((name) => workshop.makeKey(name, passphrase));
        const env = { ...workshop.environment, HOME: bench.home, PASSPHRASE: passphrase };
        const run = (key: number, args: string[], status = 0) => {
          const options = ['--archive-dir', bench.archive, '--name', 'trial', '--volsize', '1'];
          const to = ['--encrypt-key', keys[key] as string, ...options];
          return bench.run([...to, ...args], { ownArchive: true, env, status });
        };
        const backup = ['backup', bench.source, bench.url];
        await run(0, ['--fail', '2', ...backup], 30);
        await run(1, backup, 45);
        const { told } = await run(0, backup);
        assert.match(told, /goes on after volume 2/);
        const target = bench.newTarget();
        await run(0, ['restore', bench.url, target]);
        assert.deepEqual(compareTrees(describeTree(bench.source), describeTree(target)), []);
      } finally {
        workshop.dispose();
      }
    });

    trial('of another folder is refused, unless it may be another one', {}, async (bench) => {
      await bench.interrupt('full', 2);
      const moved = bench.path('moved');
      renameSync(bench.source, moved);
      const args = ['backup', '--volsize', '1', moved, bench.url];
      await bench.run(args, { status: 42 });
      const { told } = await bench.run(['--allow-source-mismatch', ...args]);
      // A move keeps the file as it was.
      assert.match(told, /goes on after volume 2, in the middle of large/);
      await bench.checkWhole(describeTree(moved));
    });

    trial('of another host is refused, unless it may be another one', {}, async (bench) => {
      await bench.interrupt('full', 2);
      const manifest = bench.partialFile('manifest');
      const text = readFileSync(manifest, 'latin1');
      writeFileSync(manifest, text.replace(/^Hostname .*/, 'Hostname elsewhere'), 'latin1');
      await bench.run(['backup', bench.source, bench.url], { status: 3 });
      await bench.goOn(2, { args: ['--allow-source-mismatch'] });
    });

    trial('without the local archive begins a new set', {}, async (bench) => {
      await bench.interrupt('full', 2);
      const old = [...bench.volumes().values()];
      rmSync(bench.archiveFolder, { recursive: true });
      await sleep(1000);
      const { told } = await bench.back('backup');
      assert.match(told, /incomplete backup sets/);
      for (const name of old) assert.ok(told.includes(name));
      await bench.checkWhole();
      await bench.run(['cleanup', '--force', bench.url]);
      assert.deepEqual(
        namesIn(bench.store).filter((name) => old.includes(name)),
        [],
      );
      await bench.checkWhole();
    });
  });

  describe('damaged', { concurrency: 4 }, () => {
    const cut = (path: string, bytes: number) => truncateSync(path, statSync(path).size - bytes);
    // Of volume 3, so many bytes before its hash.
    const cutRecord = (bench: Bench, bytes: number) => {
      const path = bench.partialFile('manifest');
      const text = readFileSync(path, 'latin1');
      truncateSync(path, text.indexOf('    Hash', text.indexOf('Volume 3:')) - bytes);
    };
    const damages: Record<string, [kept: number, damage: (bench: Bench) => void]> = {
      'a volume is gone': [1, (bench) => rmSync(join(bench.store, bench.volumes().get(2) as string))],
      'a volume is cut short': [1, (bench) => cut(join(bench.store, bench.volumes().get(2) as string), 1)],
      'the notes are gone': [2, (bench) => rmSync(bench.checkpoint)],
      'the notes are cut': [
        2,
        (bench) =>
          truncateSync(bench.checkpoint, readFileSync(bench.checkpoint, 'utf8').indexOf('"volume":4') - 15),
      ],
      'the notes are cut in their first line': [2, (bench) => truncateSync(bench.checkpoint, 20)],
      'the notes are of another set': [
        2,
        (bench) => {
          const text = readFileSync(bench.checkpoint, 'utf8');
          writeFileSync(bench.checkpoint, text.replace(/"set":"[^"]*"/, '"set":"5"'));
        },
      ],
      'the last record is cut': [2, (bench) => cutRecord(bench, 40)],
      'the last record has no hash': [2, (bench) => cutRecord(bench, 0)],
      'the last record has half a hash': [2, (bench) => cutRecord(bench, -30)],
      'the list of files was begun': [
        3,
        (bench) =>
          writeFileSync(bench.partialFile('manifest'), 'Filelist 2\n    new   a\n   ', { flag: 'a' }),
      ],
      'the signatures are cut behind the last file': [3, (bench) => cut(bench.partialFile('sigtar'), 1)],
    };
    for (const [what, [kept, damage]] of Object.entries(damages)) {
      trial(`goes on when ${what}`, {}, async (bench) => {
        await bench.interrupt('full', 3);
        damage(bench);
        await bench.goOn(kept);
        await bench.checkNext(0);
      });
    }

    trial('goes on when a volume was lost', {}, async (bench) => {
      await bench.interrupt('full', 3, '--skip-volume', '2');
      await bench.goOn(1);
    });

    trial('goes on from where the signatures reach', { fill: smallFiles }, async (bench) => {
      await bench.interrupt('full', 2);
      // Volume 1 ends behind file 26.
      truncateSync(bench.partialFile('sigtar'), 512 + 20 * (512 + 1536) + 700);
      await bench.goOn(1);
      await bench.checkNext(0);
    });

    for (const what of ['signatures', 'records'] as const) {
      trial(`begins anew without ${what}`, {}, async (bench) => {
        await bench.interrupt('full', 2);
        if (what === 'signatures') rmSync(bench.partialFile('sigtar'));
        else truncateSync(bench.partialFile('manifest'), 0);
        await sleep(1000);
        const { told } = await bench.back('backup');
        assert.match(told, /nothing of it can be used/);
        await bench.checkWhole();
        await bench.checkNext(0);
      });
    }
  });

  describe('interrupted again', { concurrency: 4 }, () => {
    trial('after each volume', {}, async (bench) => {
      await bench.interrupt('full', 1);
      const first = bench.stampsOfVolumes().get(1);
      for (const volume of [2, 3]) await bench.interrupt('backup', volume);
      await bench.goOn(3);
      assert.equal(bench.stampsOfVolumes().get(1), first);
      await bench.checkNext(0);
    });

    trial('before the next volume was sent, twice', {}, async (bench) => {
      await bench.interrupt('full', 2);
      const third = (bench.volumes().get(2) as string).replace('vol2', 'vol3');
      for (let again = 0; again < 2; again++) {
        // What cannot be written over cannot be stored.
        mkdirSync(join(bench.store, third, 'in the way'), { recursive: true });
        const { status } = await bench.run(
          ['backup', '--volsize', '1', '--num-retries', '1', bench.source, bench.url],
          { status: 'any' },
        );
        assert.notEqual(status, 0);
        rmSync(join(bench.store, third), { recursive: true });
      }
      await bench.goOn(2);
      await bench.checkNext(0);
    });

    trial('before anything was done', {}, async (bench) => {
      await bench.interrupt('full', 2);
      await bench.run(['backup', '--tempdir', '/dev/null/x', bench.source, bench.url], { status: 'any' });
      await bench.goOn(2);
    });

    trial('after the last volume: only the rest is sent', { seal: 'gzip' }, async (bench) => {
      await bench.interrupt('full', 4);
      const before = bench.stampsOfVolumes();
      assert.equal(before.size, 4);
      await bench.goOn(4);
      assert.deepEqual(bench.stampsOfVolumes(), before);
      await bench.checkNext(0);
    });

    trial('before the manifest was sent', { seal: 'gzip' }, async (bench) => {
      await bench.interrupt('full', 4);
      const before = bench.stampsOfVolumes();
      const manifest = namesIn(bench.archiveFolder).find((name) => name.endsWith('manifest.part')) as string;
      const inTheWay = join(bench.store, manifest.replace('.part', ''));
      mkdirSync(join(inTheWay, 'x'), { recursive: true });
      await bench.run(['backup', '--num-retries', '1', bench.source, bench.url], { status: 'any' });
      rmSync(inTheWay, { recursive: true });
      assert.ok(bench.partialFiles().length > 0);
      await bench.goOn(4);
      assert.deepEqual(bench.stampsOfVolumes(), before);
      await bench.checkNext(0);
    });
  });

  describe('and the next command', { concurrency: 4 }, () => {
    const counters = ['SourceFiles', 'NewFiles', 'ChangedFiles', 'DeletedFiles', 'DeltaEntries'];

    trial('is full: first the incremental set is finished', {}, async (bench) => {
      await bench.back('full');
      bench.write('large', randomBytes('new', largeBytes), fileSeconds + 1);
      bench.write('z2', 'changed', fileSeconds + 1);
      settleFolder(bench);
      await sleep(settlingMs);
      await bench.interrupt('incremental', 1);
      const told = await bench.run(['full', '--dry-run', bench.source, bench.url]);
      assert.deepEqual(
        [...told.stdout.matchAll(/^DeltaEntries (\d+)/gm)].map(([, count]) => count),
        ['2', '9'],
      );
      const { stdout } = await bench.back('full');
      assert.match(stdout, /incremental backup .* goes on after volume 1/);
      assert.deepEqual(
        [...stdout.matchAll(/^DeltaEntries (\d+)/gm)].map(([, count]) => count),
        ['2', '9'],
      );
      await bench.checkWhole();
      const manifests = namesIn(bench.store).filter((name) => name.endsWith('.manifest'));
      assert.equal(manifests.length, 3);
      const { stdout: status } = await bench.run(['collection-status', bench.url]);
      assert.match(status, /No orphaned or incomplete/);
    });

    trial('is incremental: the full set is finished', {}, async (bench) => {
      await bench.interrupt('full', 2);
      await bench.run(['incremental', '--dry-run', bench.source, bench.url]);
      await bench.goOn(2, { mode: 'incremental' });
      assert.equal(namesIn(bench.store).filter((name) => name.endsWith('.manifest')).length, 1);
    });

    trial('is full when the last one is too old: the incremental set is finished', {}, async (bench) => {
      await bench.back('full');
      bench.write('large', randomBytes('new', largeBytes), fileSeconds + 1);
      settleFolder(bench);
      await sleep(settlingMs);
      await bench.interrupt('incremental', 2);
      const { stdout } = await bench.goOn(2, { args: ['--full-if-older-than', '1s'] });
      assert.match(stdout, /incremental backup .* goes on/);
      const next = await bench.back('backup', '--full-if-older-than', '1s');
      assert.equal(counterOf(next.stdout, 'NewFiles'), 9);
    });

    trial('is a dry run: it counts all of the set and changes nothing', {}, async (bench) => {
      await bench.interrupt('full', 2);
      const before = [contentsOf(bench.store), contentsOf(bench.archive)];
      const dry = await bench.back('backup', '--dry-run');
      assert.match(dry.told, /was interrupted/);
      assert.deepEqual([contentsOf(bench.store), contentsOf(bench.archive)], before);
      const { stdout } = await bench.goOn(2);
      for (const name of counters) assert.equal(counterOf(dry.stdout, name), counterOf(stdout, name), name);
    });

    for (const kind of ['full', 'incremental'] as const) {
      trial(`reads: what was before the ${kind} set is there`, {}, async (bench) => {
        await bench.back('full');
        const state = describeTree(bench.source);
        bench.write('a', 'changed', fileSeconds + 1);
        bench.write('large', randomBytes('new', largeBytes), fileSeconds + 1);
        rmSync(bench.at('z3'));
        settleFolder(bench);
        await sleep(1000);
        await bench.interrupt(kind, 2);
        assert.deepEqual(await bench.restoredDifferences(state), []);
        await bench.run(['verify', bench.url, bench.source]);
        const { stdout: list } = await bench.run(['list-current-files', bench.url]);
        assert.match(list, / z3$/m);
        const status = await bench.run(['collection-status', bench.url]);
        assert.match(status.told, new RegExp(`The ${kind} backup of .* was interrupted`));
        // What stays must be what can be restored.
        await bench.run(['remove-all-but-n-full', '1', '--force', bench.url]);
        assert.deepEqual(await bench.restoredDifferences(state), []);
        await bench.back('backup');
        await bench.checkWhole();
      });
    }

    trial('reads, and there is nothing before it', {}, async (bench) => {
      await bench.interrupt('full', 2);
      await bench.run(['restore', bench.url, bench.newTarget()], { status: 20 });
      await bench.run(['list-current-files', bench.url], { status: 18 });
      const status = await bench.run(['collection-status', bench.url]);
      assert.match(status.told, /The full backup of .* was interrupted/);
    });

    it('reads no cold volume', async () => {
      const bench = new ColdTrial({ thaw: '1' });
      try {
        writeFileSync(join(bench.source, 'large'), largeContents);
        await sleep(settlingMs);
        const args = ['--volsize', '1', 'full', bench.source, bench.url];
        await bench.run(['--fail', '1', ...args], { status: 30 });
        for (const volume of [2, 3]) {
          bench.sealAll();
          const { told } = await bench.run(['--fail', String(volume), ...args], { status: 'any' });
          assert.match(told, new RegExp(`goes on after volume ${volume - 1}, in the middle of large`));
          assert.deepEqual(bench.requests(), []);
        }
      } finally {
        bench.dispose();
      }
    });
  });
});
