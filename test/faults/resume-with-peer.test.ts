/** Backups that one program begins and the other goes on with. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../peers.js';
import { randomBytes } from '../trees/contents.js';
import { describeTree } from '../trees/describe.js';
import {
  type Bench,
  benchTests,
  fileSeconds,
  largeBytes,
  mixture,
  settleFolder,
  settlingMs,
} from './bench.js';

/** Has the peer work in the local archive of tundra. */
async function peerHere(bench: Bench, args: string[], status = 0): Promise<string> {
  const told = await bench.peer([...args, bench.source, bench.url], status, bench.archive);
  // It keeps the file that it locks.
  bench.acceptLeftovers();
  return told;
}

const failAt = (volume: number) => ['--fail-on-volume', String(volume)];

describe('a backup that the peer began', { concurrency: 4 }, () => {
  const trial = benchTests();

  for (const seal of ['plain', 'gzip', 'passphrase'] as const) {
    trial(`is finished, full, ${seal}`, { seal }, async (bench, t) => {
      if (!needs(t, 'duplicity')) return;
      await peerHere(bench, ['full', ...failAt(3)], 30);
      // Of its third volume nobody knows whether it is whole.
      const { told } = await bench.goOn(2);
      assert.match(told, /in the middle of large/);
      await bench.checkPeerRestores();
      await bench.checkNext(0);
    });
  }

  trial('is not gone on with by another passphrase', { seal: 'passphrase' }, async (bench, t) => {
    if (!needs(t, 'duplicity')) return;
    await peerHere(bench, ['full', ...failAt(3)], 30);
    const args = ['backup', '--volsize', '1', bench.source, bench.url];
    await bench.run(args, { status: 45, env: { PASSPHRASE: 'another one' } });
    assert.equal(bench.volumes().size, 3);
  });

  trial('is finished, incremental, in the middle of a new file', { seal: 'gzip' }, async (bench, t) => {
    if (!needs(t, 'duplicity')) return;
    await peerHere(bench, ['full']);
    bench.write('d/b', 'changed', fileSeconds + 1);
    bench.write('m', randomBytes('m', largeBytes));
    rmSync(bench.at('z2'));
    settleFolder(bench);
    await sleep(settlingMs);
    await peerHere(bench, ['incremental', ...failAt(3)], 30);
    const { told } = await bench.goOn(2);
    assert.match(told, /incremental backup .* in the middle of m\./);
    await bench.checkPeerRestores();
    await bench.checkNext(0);
  });

  trial('is made anew, incremental, in the middle of its delta', { seal: 'gzip' }, async (bench, t) => {
    if (!needs(t, 'duplicity')) return;
    await peerHere(bench, ['full']);
    bench.write('large', randomBytes('new', largeBytes), fileSeconds + 1);
    settleFolder(bench);
    await sleep(settlingMs);
    await peerHere(bench, ['incremental', ...failAt(3)], 30);
    const { told } = await bench.back('backup');
    assert.match(told, /nothing of it can be used/);
    await bench.checkWhole();
    await bench.checkPeerRestores();
    await bench.checkNext(0);
  });

  trial(
    'and took up itself has signatures of files as they were then',
    { seal: 'gzip' },
    async (bench, t) => {
      if (!needs(t, 'duplicity')) return;
      await peerHere(bench, ['full', ...failAt(3)], 30);
      const old = describeTree(bench.source);
      // The peer notes how it is now, and stores it nowhere.
      bench.write('a', randomBytes('new a', 131_072), fileSeconds + 1);
      settleFolder(bench);
      await peerHere(bench, ['full', ...failAt(3)], 30);
      await bench.goOn(2, { expected: mixture(old, describeTree(bench.source), 'large') });
      const { stdout } = await bench.back('incremental');
      assert.match(stdout, /^DeltaEntries 2$/m);
      assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
      await bench.checkPeerRestores();
    },
  );

  trial('and finished itself is built on', { seal: 'gzip' }, async (bench, t) => {
    if (!needs(t, 'duplicity')) return;
    await peerHere(bench, ['full', ...failAt(3)], 30);
    assert.match(await peerHere(bench, ['full']), /Restarting after volume 2/);
    assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
    bench.write('large', Buffer.concat([randomBytes('new', 100_000), randomBytes('large', largeBytes)]));
    settleFolder(bench);
    await bench.back('incremental');
    bench.write('large', randomBytes('newer', 200_000), fileSeconds + 2);
    await bench.back('incremental');
    assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
    await bench.checkPeerRestores();
  });
});

describe('a backup that the peer goes on with', { concurrency: 4 }, () => {
  const trial = benchTests();

  for (const seal of ['plain', 'gzip', 'passphrase'] as const) {
    trial(`is finished by it, ${seal}`, { seal }, async (bench, t) => {
      if (!needs(t, 'duplicity')) return;
      await bench.interrupt('full', 3);
      assert.match(await peerHere(bench, ['full']), /Restarting after volume 2, file large/);
      assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
      await bench.checkPeerRestores();
      await bench.checkNext(0);
      assert.deepEqual(bench.partialFiles(), []);
    });
  }

  trial('and breaks off is finished', { seal: 'gzip' }, async (bench, t) => {
    if (!needs(t, 'duplicity')) return;
    await bench.interrupt('full', 3);
    const old = describeTree(bench.source);
    bench.write('a', randomBytes('new a', 131_072), fileSeconds + 1);
    settleFolder(bench);
    await peerHere(bench, ['full', ...failAt(3)], 30);
    await bench.goOn(2, { expected: mixture(old, describeTree(bench.source), 'large') });
    await bench.back('incremental');
    assert.deepEqual(await bench.restoredDifferences(describeTree(bench.source)), []);
    await bench.checkPeerRestores();
  });
});
