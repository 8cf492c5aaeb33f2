import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isWithin, type PathKey } from '../base/path-key.js';
import type { Manifest, VolumeRecord } from '../format/manifest.js';
import { noPrefixes } from '../format/names.js';
import { fetchOrder, planRestore, requireWholeManifest } from './restore-plan.js';
import { setNames } from './set-writer.js';
import type { BackupSet } from './sets.js';

const paths: PathKey[] = ['', 'a', 'a\0b', 'a\0b\0c', 'a b', 'a-b', 'b', 'b\0a', '\xff'];

function record(number: number, startKey: PathKey, endKey: PathKey): VolumeRecord {
  const hashes = [
    { algorithm: 'MD5', hex: '55' },
    { algorithm: 'SHA1', hex: `${number}` },
  ];
  return { number, startKey, endKey, startBlock: undefined, endBlock: undefined, hashes };
}

/** A set of a chain with these volumes, all of them on the storage. */
function setOf(age: number, volumes: VolumeRecord[]): { set: BackupSet; manifest: Manifest } {
  const times = { type: 'full', time: 1_600_000_000 + age } as const;
  const names = setNames(times, { encrypted: age % 2 === 0, compressed: age % 2 === 1 }, noPrefixes);
  return {
    set: {
      times,
      volumes: new Map(volumes.map(({ number }) => [number, names.volume(number)])),
      manifestName: names.manifest,
      localManifestName: names.localManifest,
      partial: false,
      encrypted: age % 2 === 0,
    },
    manifest: { hostname: undefined, localDir: undefined, volumes, fileListComplete: true },
  };
}

function planOf(sets: ReturnType<typeof setOf>[], wanted: PathKey) {
  const manifests = new Map(sets.map(({ set, manifest }) => [set, manifest]));
  return planRestore(
    sets.map(({ set }) => set),
    wanted,
    noPrefixes,
    async (set) => manifests.get(set)!,
  );
}

describe('planRestore', () => {
  it('names every volume that holds something wanted', async () => {
    const contents = fc.subarray(paths, { minLength: 1 }).map((some) => some.sort());
    await fc.assert(
      fc.asyncProperty(contents, fc.nat(0xffff), fc.constantFrom(...paths), async (keys, cuts, wanted) => {
        const volumes: PathKey[][] = [];
        for (const [i, key] of keys.entries()) {
          if (i === 0 || (cuts >> i) & 1) volumes.push([]);
          volumes.at(-1)!.push(key);
        }
        const one = setOf(
          0,
          volumes.map((held, i) => record(i + 1, held[0]!, held.at(-1)!)),
        );
        const { sets } = await planOf([one], wanted);
        const planned = sets[0]!.map(({ number }) => number);
        for (const [i, held] of volumes.entries()) {
          if (held.some((key) => isWithin(key, wanted))) assert.ok(planned.includes(i + 1));
          if (held.at(-1)! < wanted) assert.ok(!planned.includes(i + 1));
          if (held[0]! > wanted && !isWithin(held[0]!, wanted)) assert.ok(!planned.includes(i + 1));
        }
      }),
    );
  });

  it('tells of each volume how it is sealed and its best hash', async () => {
    const { sets } = await planOf([setOf(0, [record(1, '', 'b')]), setOf(1, [record(1, 'a', 'a')])], '');
    assert.deepEqual(sets, [
      [
        {
          number: 1,
          name: 'duplicity-full.20200913T122640Z.vol1.difftar.gpg',
          startKey: '',
          lowestKey: '',
          startsEarlier: false,
          endKey: 'b',
          hash: { algorithm: 'SHA1', hex: '1' },
          encrypted: true,
          compressed: false,
        },
      ],
      [
        {
          number: 1,
          name: 'duplicity-full.20200913T122641Z.vol1.difftar.gz',
          startKey: 'a',
          lowestKey: 'a',
          startsEarlier: false,
          endKey: 'a',
          hash: { algorithm: 'SHA1', hex: '1' },
          encrypted: false,
          compressed: true,
        },
      ],
    ]);
  });

  it('misses a volume only where it is needed', async () => {
    const one = setOf(0, [record(1, '', 'a'), record(2, 'b', 'c')]);
    one.set.volumes.delete(1);
    assert.deepEqual((await planOf([one], 'b')).sets[0]!.length, 1);
    await assert.rejects(planOf([one], 'a'), { code: 'backend-not-found', message: /volume 1 of / });
  });

  it('takes the end of a volume for the lowest path of the next one', async () => {
    const volumes = [record(1, '', 'big'), record(2, 'big', 'm'), record(3, 'n', 'p')];
    const [planned] = (await planOf([setOf(0, volumes)], '')).sets;
    assert.deepEqual(
      planned!.map(({ lowestKey }) => lowestKey),
      ['', 'big', 'm'],
    );
  });

  it('finds what the peer wrote after it took up a run whose last file was gone', async () => {
    // The third volume holds a, b and c: it follows a volume that ends in the middle of a file.
    for (const startKey of ['', 'b']) {
      const volumes = [
        record(1, '', '0'),
        { ...record(2, '0', '0'), startBlock: 14, endBlock: 28 },
        record(3, startKey, 'c'),
      ];
      const plannedFor = async (wanted: PathKey) =>
        (await planOf([setOf(0, volumes)], wanted)).sets[0]!.map(({ number }) => number);
      assert.deepEqual(await plannedFor('a'), [3]);
      assert.deepEqual(await plannedFor('c'), [3]);
      assert.deepEqual(await plannedFor(''), [1, 2, 3]);
      assert.deepEqual(await plannedFor('d'), []);
    }
  });
});

describe('requireWholeManifest', () => {
  const never = async () => assert.fail('the text was read again');

  it('refuses a manifest that names fewer volumes than there are, one with a gap, and an empty one', async () => {
    const check = async (named: number[], stored: number[]) => {
      const { set, manifest } = setOf(
        0,
        stored.map((number) => record(number, 'a', 'b')),
      );
      manifest.volumes = named.map((number) => record(number, 'a', 'b'));
      return requireWholeManifest(set, manifest, 'its manifest', async () => false);
    };
    const cutBefore = (number: number) => ({
      code: 'unreadable-manifests',
      message: `the manifest its manifest is cut short: it does not name volume ${number}`,
    });
    assert.deepEqual(await check([1, 2], [1, 2]), []);
    assert.deepEqual(await check([1, 2], [2]), []);
    await assert.rejects(check([1], [1, 2]), cutBefore(2));
    await assert.rejects(check([1], [1, 5]), cutBefore(2));
    await assert.rejects(check([1, 3], [1, 2, 3]), cutBefore(2));
    await assert.rejects(check([2, 3], [2, 3]), cutBefore(1));
    await assert.rejects(check([], [1]), cutBefore(1));
    await assert.rejects(check([], []), cutBefore(1));
  });

  it('takes volumes behind the last one for leftovers where nothing was cut off', async () => {
    const { set, manifest } = setOf(0, [record(1, 'a', 'b'), record(2, 'c', 'd'), record(3, 'e', 'f')]);
    manifest.volumes = manifest.volumes.slice(0, 1);
    const leftovers = await requireWholeManifest(set, manifest, 'it', async () => true);
    assert.deepEqual(leftovers, [set.volumes.get(2), set.volumes.get(3)]);
    manifest.volumes = [];
    await assert.rejects(requireWholeManifest(set, manifest, 'it', never), { code: 'unreadable-manifests' });
    const whole = setOf(0, [record(1, 'a', 'b')]);
    assert.deepEqual(await requireWholeManifest(whole.set, whole.manifest, 'it', never), []);
  });
});

describe('fetchOrder', () => {
  it('is by first path, then oldest set first, and never turns the volumes of a set round', async () => {
    const plan = await planOf(
      [
        setOf(0, [record(1, '', 'big'), record(2, 'big', 'big'), record(3, 'big', 'z')]),
        setOf(1, [record(1, '', 'c'), record(2, 'd', 'e')]),
        setOf(2, [record(1, 'big', 'big')]),
      ],
      '',
    );
    assert.deepEqual(
      fetchOrder(plan).map(({ set, volume }) => `${set}.${volume.number}`),
      ['0.1', '1.1', '0.2', '0.3', '2.1', '1.2'],
    );
  });
});
