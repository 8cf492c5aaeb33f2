/**
 * Damage inside volumes whose hashes fit, or that have none: without --ignore-errors it ends the run; with it, what
 * cannot be read is left out, told and counted, and nothing wrong is restored.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { namesIn, type Trial, withTrial } from '../cli/trial.js';
import { randomBytes } from '../trees/contents.js';
import { entryBytes, fileEntry, folderEntry, tarOf, writeCraftedSet } from './crafted-backup.js';

const root = folderEntry('snapshot/./');
const literal = (text: string) =>
  Buffer.concat([Buffer.from('rs\x026'), Buffer.from([text.length]), Buffer.from(text), Buffer.from([0])]);
/** A delta that copies five bytes of the version before, and adds some. */
const append = (text: string) =>
  Buffer.concat([
    Buffer.from('rs\x026'),
    Buffer.from([0x45, 0, 5, text.length]),
    Buffer.from(text),
    Buffer.from([0]),
  ]);
const pieces = (name: string, data: Buffer) =>
  Array.from({ length: Math.floor(data.length / 65_536) + 1 }, (_, index) =>
    fileEntry(`multivol_snapshot/${name}/${index + 1}`, data.subarray(index * 65_536, (index + 1) * 65_536)),
  );

async function restored(trial: Trial, ...options: string[]): Promise<{ target: string; told: string }> {
  const target = trial.newTarget();
  const { told } = await trial.run(['restore', '--ignore-errors', ...options, trial.url, target], {
    status: 1,
  });
  return { target, told };
}

const read = (target: string, name: string) =>
  existsSync(join(target, name)) ? readFileSync(join(target, name), 'latin1') : undefined;

describe('damage in a volume that hashes do not tell of', () => {
  it('ends a run, unless errors are to be ignored: then the rest of that volume is left out', () =>
    withTrial('plain', async (trial) => {
      const big = randomBytes('big', 200_000);
      const parts = pieces('m', big);
      const damaged = Buffer.concat([
        tarOf([root, fileEntry('snapshot/a', 'good')]),
        ...parts.slice(0, 2).map(entryBytes),
        // Where the third piece should be.
        Buffer.alloc(1024, 0xee),
        tarOf(parts.slice(3)),
        tarOf([fileEntry('snapshot/n', 'lost')]),
      ]);
      const good = tarOf([fileEntry('snapshot/x', 'good'), ...pieces('y', big)]);
      writeCraftedSet(trial.store, 0, [
        { bytes: damaged, start: '.', end: 'n' },
        { bytes: good, start: 'x', end: 'y' },
      ]);
      for (const args of [
        ['restore', trial.url, trial.newTarget()],
        ['verify', trial.url, trial.source],
      ]) {
        const { told } = await trial.run(args, { status: 1 });
        assert.match(told, /vol1\.difftar: a header is damaged/);
        assert.doesNotMatch(told, /left out/);
      }
      const { target, told } = await restored(trial);
      assert.match(told, /vol1\.difftar: a header is damaged.*\nThe rest of this volume is left out/);
      assert.match(told, /^m: .*the end of the file is missing/m);
      assert.match(told, /^2 entries could not be restored/m);
      assert.deepEqual(namesIn(target), ['a', 'x', 'y']);
      assert.deepEqual(readFileSync(join(target, 'y')), big);
      await trial.run(['verify', '--ignore-errors', trial.url, target], { status: 1 });
    }));

  it('in a gzipped volume without a hash', () =>
    withTrial('gzip', async (trial) => {
      const gzipped = { hash: 'none', compressed: true } as const;
      const names = ['a', 'b', 'c'];
      const data = (name: string) => randomBytes(name, 300_000);
      const packed = gzipSync(tarOf([root, ...names.flatMap((name) => pieces(name, data(name)))]));
      writeCraftedSet(trial.store, 0, [
        { ...gzipped, bytes: packed.subarray(0, packed.length / 2), start: '.', end: 'c' },
        { ...gzipped, bytes: gzipSync(tarOf([fileEntry('snapshot/d', 'good')])), start: 'd', end: 'd' },
      ]);
      const { told: refused } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 1 });
      assert.match(refused, /vol1\.difftar\.gz/);
      const { target, told } = await restored(trial);
      assert.deepEqual(namesIn(target), ['a', 'd']);
      assert.deepEqual(readFileSync(join(target, 'a')), data('a'));
      assert.match(told, /vol1\.difftar\.gz.*\nThe rest of this volume is left out/);
      assert.match(told, /^b: /m);
    }));

  it('never has a difference put onto a version that it does not fit', () =>
    withTrial('plain', async (trial) => {
      const names = ['a', 'b', 'c', 'd'];
      const differences = (delta: Buffer) => names.map((name) => fileEntry(`diff/${name}`, delta));
      writeCraftedSet(trial.store, 0, [
        { bytes: tarOf([root, ...names.map((name) => fileEntry(`snapshot/${name}`, 'first'))]) },
      ]);
      const second = differences(literal('other'));
      // Damaged behind b; another volume has d.
      const damaged = Buffer.concat([tarOf(second.slice(0, 2)), Buffer.alloc(1024, 0xee)]);
      writeCraftedSet(trial.store, 1, [
        { bytes: damaged, start: 'a', end: 'c' },
        { bytes: tarOf(second.slice(3)), start: 'd', end: 'd' },
      ]);
      writeCraftedSet(trial.store, 2, [
        { bytes: tarOf(differences(append(' third'))), start: 'a', end: 'd' },
      ]);
      const { target, told } = await restored(trial);
      assert.deepEqual(
        names.map((name) => read(target, name)),
        ['other third', 'other third', undefined, 'other third'],
      );
      assert.match(told, /^c: it may build on a version in a volume that is left out/m);
      assert.match(told, /^2 entries could not be restored/m);
      // A volume that is left out as a whole does the same.
      writeCraftedSet(trial.store, 1, [
        { bytes: tarOf(second.slice(0, 2)), start: 'a', end: 'b' },
        { bytes: tarOf(second.slice(2)), start: 'c', end: 'd', hash: 'wrong' },
      ]);
      trial.archive = trial.path('archive/new');
      const whole = await restored(trial);
      assert.deepEqual(namesIn(whole.target), ['a', 'b']);
      assert.match(whole.told, /hash mismatch.*\n.*\n.*\n.*\n.*left out/);
      assert.match(whole.told, /^3 entries could not be restored/m);
    }));

  it('leaves the state before it, where nothing builds on it', () =>
    withTrial('plain', async (trial) => {
      writeCraftedSet(trial.store, 0, [
        { bytes: tarOf([root, fileEntry('snapshot/a', 'old'), fileEntry('snapshot/b', 'old')]) },
      ]);
      writeCraftedSet(trial.store, 1, [
        { bytes: Buffer.alloc(2048, 0xee), start: 'a', end: 'a' },
        { bytes: tarOf([fileEntry('diff/b', literal('new'))]), start: 'b', end: 'b' },
      ]);
      const { target } = await restored(trial);
      assert.deepEqual([read(target, 'a'), read(target, 'b')], ['old', 'new']);
    }));
});
