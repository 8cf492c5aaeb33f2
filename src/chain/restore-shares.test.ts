import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isWithin, type KeyRange, type PathKey } from '../base/path-key.js';
import type { VolumeRecord } from '../format/manifest.js';
import { noPrefixes } from '../format/names.js';
import { type PlannedVolume, planRestore, type RestorePlan } from './restore-plan.js';
import { type RestoreShare, shareOut } from './restore-shares.js';
import { setNames } from './set-writer.js';
import type { BackupSet } from './sets.js';

/** Names whose order beside the separator is easy to get wrong. */
const paths: PathKey[] = [
  '',
  'a',
  'a\0!',
  'a\0b',
  'a\0b\0c',
  'a\0b!',
  'a!',
  'a.b',
  'a.b\0c',
  'b',
  'b\0a',
  'c',
  '\xff',
];

/** What a set holds: paths in order, each in so many blocks, and behind which blocks a volume ends. */
interface SetContents {
  files: { key: PathKey; blocks: number }[];
  ends: boolean[];
  /** What a volume's record says it begins with, where the file before it was not gone on with. */
  wrongStart: 'root' | 'second';
}

interface TestVolume {
  record: VolumeRecord;
  /** What is really in it. */
  keys: PathKey[];
}

/** Cuts a set into volumes. Where `isGone` is set, files that a volume ends in the middle of are not gone on with. */
function volumesOf({ files, ends, wrongStart }: SetContents, isGone: boolean): TestVolume[] {
  const blocks = files.flatMap(({ key, blocks }) =>
    Array.from({ length: blocks }, (_, block) => ({ key, block, isLast: block === blocks - 1, blocks })),
  );
  const volumes: TestVolume[] = [];
  let held: typeof blocks = [];
  let gone: PathKey | undefined;
  let isBehindGone = false;
  for (const [at, block] of blocks.entries()) {
    if (block.key === gone) continue;
    held.push(block);
    const isEnd = (ends[at % ends.length] ?? false) || at === blocks.length - 1;
    if (!isEnd) continue;
    const keys = [...new Set(held.map(({ key }) => key))];
    const [first, last] = [held[0]!, held.at(-1)!];
    const wrong = wrongStart === 'root' ? '' : (keys[1] ?? '');
    volumes.push({
      keys,
      record: {
        number: volumes.length + 1,
        startKey: isBehindGone ? wrong : first.key,
        startBlock: first.blocks > 1 ? first.block : undefined,
        endKey: last.key,
        endBlock: last.blocks > 1 ? last.block : undefined,
        hashes: [],
      },
    });
    isBehindGone = isGone && !last.isLast;
    gone = isBehindGone ? last.key : undefined;
    held = [];
  }
  return volumes;
}

const set: fc.Arbitrary<SetContents> = fc.record({
  files: fc
    .subarray(paths)
    .chain((keys) => fc.tuple(...keys.map((key) => fc.integer({ min: 1, max: 4 }).map((n) => [key, n]))))
    .map((some) => some.map(([key, blocks]) => ({ key: key as PathKey, blocks: blocks as number }))),
  ends: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
  wrongStart: fc.constantFrom('root' as const, 'second' as const),
});

function planOf(sets: readonly TestVolume[][], wanted: PathKey): Promise<RestorePlan> {
  const backupSets = sets.map((volumes, age): BackupSet => {
    const times = { type: 'full', time: 1_600_000_000 + age } as const;
    const names = setNames(times, { encrypted: false, compressed: true }, noPrefixes);
    return {
      times,
      volumes: new Map(volumes.map(({ record: { number } }) => [number, names.volume(number)])),
      manifestName: names.manifest,
      localManifestName: undefined,
      partial: false,
      encrypted: false,
    };
  });
  return planRestore(backupSets, wanted, noPrefixes, async (wantedSet) => ({
    hostname: undefined,
    localDir: undefined,
    volumes: sets[backupSets.indexOf(wantedSet)]!.map(({ record }) => record),
    fileListComplete: true,
  }));
}

const isIn = (key: PathKey, { after, upTo }: KeyRange) =>
  (after === undefined || key > after) && (upTo === undefined || key <= upTo);

/** A plan of one set, whose volumes hold one path each. */
function simplePlan(keys: readonly PathKey[], wanted: PathKey = ''): RestorePlan {
  const volumes = keys.map((key, index): PlannedVolume => {
    const place = { startKey: key, lowestKey: keys[index - 1] ?? key, startsEarlier: false, endKey: key };
    return {
      number: index + 1,
      name: `vol${index + 1}`,
      ...place,
      hash: undefined,
      encrypted: false,
      compressed: false,
    };
  });
  return { wanted, sets: [volumes] };
}

const boundsOf = (shares: readonly RestoreShare[]) => shares.slice(0, -1).map(({ range }) => range.upTo);
const numbersOf = (shares: readonly RestoreShare[]) =>
  shares.map(({ sets }) => sets.map((volumes) => volumes.map(({ number }) => number)));

describe('shareOut', () => {
  it('gives each path to one share, with every volume that may hold something of it', async () => {
    let divided = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(set, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.constantFrom(...paths),
        fc.integer({ min: 1, max: 5 }),
        async (contents, isGone, wanted, most) => {
          const sets = contents.map((one) => volumesOf(one, isGone));
          const plan = await planOf(sets, wanted);
          const shares = shareOut(plan, most);
          if (shares.length > 1) divided++;

          assert.ok(shares.length >= 1 && shares.length <= most);
          assert.equal(shares[0]!.range.after, undefined);
          assert.equal(shares.at(-1)!.range.upTo, undefined);
          for (const [i, bound] of boundsOf(shares).entries()) {
            assert.equal(shares[i + 1]!.range.after, bound);
            assert.ok(bound !== wanted && isWithin(bound!, wanted), 'a bound lies below what is wanted');
            const next = shares[i + 1]!.range.upTo;
            assert.ok(next === undefined || next > bound!);
          }
          for (const key of paths) assert.equal(shares.filter(({ range }) => isIn(key, range)).length, 1);

          for (const [age, volumes] of sets.entries()) {
            const planned = plan.sets[age]!;
            for (const { keys, record } of volumes) {
              for (const key of keys.filter((one) => isWithin(one, wanted))) {
                const share = shares.find(({ range }) => isIn(key, range))!;
                const numbers = share.sets[age]!.map(({ number }) => number);
                assert.ok(numbers.includes(record.number), `${JSON.stringify(key)} of set ${age}`);
              }
            }
            for (const { sets } of shares) {
              const given = sets[age]!;
              // The very same objects, in order: a volume is known by them.
              assert.deepEqual(
                given,
                planned.filter((volume) => given.includes(volume)),
              );
            }
            assert.ok(planned.every((volume) => shares.some(({ sets }) => sets[age]!.includes(volume))));
          }
        },
      ),
      { numRuns: 500 },
    );
    assert.ok(divided > 50, `only ${divided} plans were divided`);
  });

  it('makes one share of one volume, and of none', () => {
    const one = shareOut(simplePlan(['a']), 4);
    assert.deepEqual(one, [{ range: { after: undefined, upTo: undefined }, sets: simplePlan(['a']).sets }]);
    assert.equal(shareOut(simplePlan([]), 4).length, 1);
    assert.equal(shareOut({ wanted: '', sets: [] }, 4).length, 1);
  });

  it('makes shares of about the same size', () => {
    const ten = shareOut(simplePlan(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']), 4);
    assert.deepEqual(numbersOf(ten), [[[1, 2]], [[3, 4, 5]], [[6, 7]], [[8, 9, 10]]]);
    assert.deepEqual(numbersOf(shareOut(simplePlan(['a', 'b', 'c']), 4)), [[[1]], [[2]], [[3]]]);
    assert.equal(shareOut(simplePlan(['a', 'b', 'c']), 1).length, 1);
  });

  it('divides by the set with the most volumes, whichever that is', () => {
    const many = simplePlan(['b', 'd', 'f', 'h']).sets[0]!;
    const few = simplePlan(['a', 'z']).sets[0]!;
    for (const sets of [
      [few, many],
      [many, few],
    ])
      assert.deepEqual(boundsOf(shareOut({ wanted: '', sets }, 2)), ['d']);
  });

  it('divides a file over many volumes at most once from what follows', () => {
    assert.deepEqual(boundsOf(shareOut(simplePlan(['a', 'big', 'big', 'big', 'big', 'z']), 4)), ['a', 'big']);
    const all = shareOut(simplePlan(['big', 'big', 'big', 'big']), 2);
    assert.deepEqual(numbersOf(all), [[[1, 2, 3, 4]], [[]]]);
  });

  it('gives a volume that says it ends before it begins to somebody', () => {
    const plan = simplePlan(['b', 'd', 'f', 'h']);
    plan.sets[0]![1] = { ...plan.sets[0]![1]!, startKey: 'z' };
    const wrong = plan.sets[0]![1];
    assert.ok(shareOut(plan, 4).some(({ sets }) => sets[0]!.includes(wrong)));
  });
});
