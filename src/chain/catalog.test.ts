import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatRemoteName, noPrefixes, type SetTimes } from '../format/names.js';
import {
  allSets,
  type Catalog,
  chainAt,
  lastFullTime,
  readCatalog,
  setsAt,
  signatureChainAt,
} from './catalog.js';
import { setFileNames } from './sets.js';

const full = (time: number): SetTimes => ({ type: 'full', time });
const inc = (start: number, end: number): SetTimes => ({ type: 'incremental', start, end });

const gz = { partial: false, encrypted: false, compressed: true };
const gpg = { partial: false, encrypted: true, compressed: false };
const plain = { partial: false, encrypted: false, compressed: false };
const part = { partial: true, encrypted: false, compressed: false };

const volumeName = (set: SetTimes, volume: number, keeping = gpg) =>
  formatRemoteName({ kind: 'volume', set, volume, ...keeping }, noPrefixes);
const manifestName = (set: SetTimes, keeping = gpg) =>
  formatRemoteName({ kind: 'manifest', set, ...keeping }, noPrefixes);
const signatureName = (set: SetTimes, keeping = gpg) =>
  formatRemoteName({ kind: 'signatures', set, ...keeping }, noPrefixes);

/** All the storage holds of sets of two volumes. */
const stored = (...sets: SetTimes[]) =>
  sets.flatMap((set) => [volumeName(set, 1), volumeName(set, 2), manifestName(set), signatureName(set)]);
const cached = (...sets: SetTimes[]) =>
  sets.flatMap((set) => [manifestName(set, plain), signatureName(set, gz)]);

const read = (remote: string[], local: string[] = []) => readCatalog(remote, local, noPrefixes);
const codes = (catalog: Catalog) => catalog.warnings.map(({ code }) => code);
const timesOf = (sets: readonly { times: SetTimes }[]) => sets.map(({ times }) => times);

describe('readCatalog', () => {
  it('finds nothing in empty listings', () => {
    const catalog = read([], []);
    assert.deepEqual(catalog.chains, []);
    assert.equal(catalog.primary, undefined);
    assert.deepEqual(catalog.warnings, []);
    assert.equal(lastFullTime(catalog), undefined);
    assert.equal(chainAt(catalog, 5), undefined);
    assert.equal(signatureChainAt(catalog, 5), undefined);
  });

  it('links sets into chains and matches the newest with the local signatures', () => {
    const sets = [full(1000), inc(1000, 2000), inc(2000, 3000), full(4000), inc(4000, 5000)];
    const catalog = read(['lockfile', 'notes.txt', ...stored(...sets)], cached(...sets));
    assert.deepEqual(
      catalog.chains.map((chain) => timesOf(allSets(chain))),
      [sets.slice(0, 3), sets.slice(3)],
    );
    assert.deepEqual(
      catalog.chains.map(({ startTime, endTime }) => [startTime, endTime]),
      [
        [1000, 3000],
        [4000, 5000],
      ],
    );
    assert.equal(catalog.primary?.chain, catalog.chains[1]);
    assert.equal(catalog.primary?.signatures.location, 'local');
    assert.deepEqual(catalog.primary?.signatures.files, [
      { name: signatureName(full(4000), gz), end: 4000 },
      { name: signatureName(inc(4000, 5000), gz), end: 5000 },
    ]);
    assert.deepEqual(catalog.warnings, []);
    const [set] = allSets(catalog.chains[0]!);
    assert.deepEqual(setFileNames(set!), [
      volumeName(full(1000), 1),
      volumeName(full(1000), 2),
      manifestName(full(1000)),
    ]);
    assert.equal(set!.localManifestName, manifestName(full(1000), plain));
    assert.equal(set!.encrypted, true);
    assert.equal(set!.partial, false);
  });

  it('takes the signatures on the storage where the archive has none', () => {
    const catalog = read(stored(full(1000)));
    assert.equal(catalog.primary?.signatures.location, 'remote');
    assert.equal(catalog.chains[0]!.full.localManifestName, undefined);
  });

  it('makes a partial set of a local partial manifest', () => {
    const set = inc(1000, 2000);
    const local = [...cached(full(1000)), manifestName(set, part), signatureName(set, part)];
    const catalog = read([...stored(full(1000)), volumeName(set, 1), volumeName(set, 2)], local);
    const last = catalog.chains[0]!.incrementals[0]!;
    assert.equal(last.partial, true);
    assert.equal(last.manifestName, undefined);
    assert.equal(last.localManifestName, manifestName(set, part));
    assert.equal(last.encrypted, true);
    assert.equal(last.volumes.size, 2);
    assert.deepEqual(setFileNames(last), [volumeName(set, 1), volumeName(set, 2)]);
    assert.equal(catalog.primary?.signatures.endTime, 2000);
    assert.deepEqual(catalog.warnings, []);
  });

  it('passes over partial signatures without a partial manifest', () => {
    const local = [...cached(full(1000)), signatureName(inc(1000, 2000), part)];
    const { primary } = read(stored(full(1000)), local);
    assert.deepEqual([primary?.signatures.location, primary?.signatures.endTime], ['local', 1000]);
  });

  it('takes a set as complete whose manifest is on the storage, partial as the local one may be', () => {
    const set = full(1000);
    const catalog = read(stored(set), [manifestName(set, part), signatureName(set, gz)]);
    assert.equal(catalog.chains[0]!.full.partial, false);
    assert.equal(catalog.chains[0]!.full.manifestName, manifestName(set));
    assert.equal(catalog.chains[0]!.full.localManifestName, undefined);
  });

  it('calls a set without a manifest incomplete, and what builds on it orphaned', () => {
    const sets = [full(1000), inc(1000, 2000), inc(2000, 3000)];
    const remote = stored(...sets).filter((name) => name !== manifestName(inc(1000, 2000)));
    const catalog = read(remote, cached(full(1000)));
    assert.deepEqual(timesOf(catalog.incompleteSets), [inc(1000, 2000)]);
    assert.deepEqual(timesOf(catalog.orphanedSets), [inc(2000, 3000)]);
    assert.deepEqual(codes(catalog), [5, 6]);
    assert.equal(catalog.primary?.signatures.endTime, 1000);
  });

  it('names signatures that fit no chain', () => {
    const stray = inc(500, 600);
    const catalog = read([...stored(full(1000)), signatureName(stray)], [signatureName(stray, gz)]);
    assert.deepEqual(catalog.orphanedSignatures, {
      local: [signatureName(stray, gz)],
      remote: [signatureName(stray)],
    });
    assert.deepEqual(codes(catalog), [2, 2]);
  });

  it('tells of signatures without a backup', () => {
    assert.deepEqual(codes(read([], cached(full(1000)))), [4]);
  });

  it('gives up a last set without signatures, if the one before is incremental', () => {
    const sets = [full(1000), inc(1000, 2000), inc(2000, 3000)];
    const remote = stored(...sets).filter((name) => name !== signatureName(sets[2]!));
    const catalog = read(remote);
    assert.deepEqual(timesOf(catalog.primary!.chain.incrementals), [sets[1]]);
    assert.deepEqual(timesOf(catalog.incompleteSets), [sets[2]]);
    assert.deepEqual(codes(catalog), [1, 5]);
  });

  it('matches nothing if the last of two sets has no signatures', () => {
    const sets = [full(1000), inc(1000, 2000)];
    const catalog = read(stored(...sets).filter((name) => name !== signatureName(sets[1]!)));
    assert.equal(catalog.primary, undefined);
    assert.deepEqual(codes(catalog), [4]);
  });

  it('prefers of two sets that build on the same one the later', () => {
    const sets = [full(1000), inc(1000, 2000), inc(1000, 3000), inc(3000, 4000)];
    const catalog = read(stored(...sets), cached(...sets));
    assert.deepEqual(timesOf(catalog.chains[0]!.incrementals), [sets[2], sets[3]]);
    assert.deepEqual(timesOf(catalog.replacedSets), [sets[1]]);
    assert.equal(catalog.primary?.signatures.endTime, 4000);
    assert.deepEqual(catalog.orphanedSignatures.local, [signatureName(sets[1]!, gz)]);
  });

  it('keeps the encrypted one of two files that claim to be the same', () => {
    const set = full(1000);
    const remote = [
      ...stored(set),
      volumeName(set, 1, gz),
      volumeName(set, 2, plain),
      manifestName(set, plain),
      signatureName(set, gz),
    ];
    const catalog = read(remote);
    assert.deepEqual(setFileNames(catalog.chains[0]!.full), [
      volumeName(set, 1),
      volumeName(set, 2),
      manifestName(set),
    ]);
    assert.deepEqual(
      catalog.duplicates.toSorted(),
      [
        volumeName(set, 1, gz),
        volumeName(set, 2, plain),
        manifestName(set, plain),
        signatureName(set, gz),
      ].sort(),
    );
    assert.deepEqual(codes(catalog), [1]);
    assert.equal(catalog.primary?.signatures.files[0]?.name, signatureName(set));
  });

  it('reads chains that end together', () => {
    const sets = [full(1000), inc(1000, 3000), full(2000), inc(2000, 3000), full(3000)];
    const catalog = read(stored(...sets), cached(...sets));
    assert.deepEqual(
      catalog.chains.map(({ startTime, endTime }) => [startTime, endTime]),
      [
        [1000, 3000],
        [2000, 3000],
        [3000, 3000],
      ],
    );
    assert.equal(catalog.primary?.chain.startTime, 3000);
  });

  it('passes over names that would leave a folder, and partial files on the storage', () => {
    const set = full(1000);
    const evil = `${manifestName(set, plain)}./../../evil`;
    const catalog = read([...stored(set), evil, volumeName(set, 3, part), manifestName(full(9), part)]);
    assert.deepEqual(catalog.duplicates, []);
    assert.equal(catalog.chains.length, 1);
    assert.equal(catalog.chains[0]!.full.volumes.size, 2);
  });

  it('sorts each file of a backup into one place, in whatever order it is listed', () => {
    const times = fc.integer({ min: 1, max: 6 }).map((n) => n * 1000);
    const set = fc.oneof(
      times.map(full),
      fc.tuple(times, times).map(([start, end]) => inc(start, end)),
    );
    const keeping = fc.constantFrom(gz, gpg, plain, part);
    const name = fc.oneof(
      fc.tuple(set, fc.integer({ min: 1, max: 3 }), keeping).map((args) => volumeName(...args)),
      fc.tuple(set, keeping).map((args) => manifestName(...args)),
      fc.tuple(set, keeping).map((args) => signatureName(...args)),
      fc.constantFrom('lockfile', 'duplicity-full.x.manifest', ''),
    );
    const names = fc.uniqueArray(name, { maxLength: 60 });
    fc.assert(
      fc.property(names, names, fc.infiniteStream(fc.nat()), (remote, local, order) => {
        const catalog = readCatalog(remote, local, noPrefixes);
        const keyed = remote.map((name) => [order.next().value as number, name] as const);
        const shuffled = keyed.sort(([a], [b]) => a - b).map(([, name]) => name);
        const other = readCatalog(shuffled, local.toReversed(), noPrefixes);
        assert.deepEqual({ ...other, listing: catalog.listing }, catalog);

        const inSets = [
          ...catalog.chains.flatMap(allSets),
          ...catalog.orphanedSets,
          ...catalog.incompleteSets,
          ...catalog.replacedSets,
        ].flatMap(setFileNames);
        const inSignatures = catalog.signatureChains
          .filter(({ location }) => location === 'remote')
          .flatMap(({ files }) => files.map(({ name }) => name));
        const found = [
          ...inSets,
          ...inSignatures,
          ...catalog.orphanedSignatures.remote,
          ...catalog.duplicates,
        ];
        const expected = remote.filter((name) => /\.(?:difftar|manifest|sigtar)(?:\.gz|\.gpg)?$/.test(name));
        const known = expected.filter((name) => name !== 'duplicity-full.x.manifest');
        assert.deepEqual(found.sort(), known.sort());

        for (const chain of catalog.chains) {
          let end = chain.startTime;
          for (const { times } of chain.incrementals) {
            assert.ok(times.type === 'incremental' && times.start === end);
            end = times.end;
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('choosing by time', () => {
  const sets = [full(1000), inc(1000, 2000), full(3000), inc(3000, 4000)];
  const catalog = read(stored(...sets), cached(...sets));

  it('takes the chain that covers a time, else the one before, else the oldest', () => {
    const startAt = (time: number) => chainAt(catalog, time)?.startTime;
    assert.deepEqual([999, 1000, 2000, 2500, 3000, 9999].map(startAt), [1000, 1000, 1000, 1000, 3000, 3000]);
  });

  it('takes of several chains that cover a time the one that began last', () => {
    const mixed = read(stored(full(1000), inc(1000, 9000), full(2000), inc(2000, 5000)));
    assert.equal(chainAt(mixed, 3000)?.startTime, 2000);
    assert.equal(chainAt(mixed, 6000)?.startTime, 1000);
  });

  it('takes the sets up to a time', () => {
    const chain = catalog.chains[0]!;
    assert.deepEqual(timesOf(setsAt(chain, 1999)), [full(1000)]);
    assert.deepEqual(timesOf(setsAt(chain, 2000)), sets.slice(0, 2));
    assert.deepEqual(timesOf(setsAt(chain, 0)), [full(1000)]);
  });

  it('takes local signatures before those on the storage', () => {
    const chosen = (time: number) => signatureChainAt(catalog, time)!;
    assert.deepEqual([chosen(1500).startTime, chosen(1500).location], [1000, 'local']);
    assert.deepEqual([chosen(2500).startTime, chosen(2500).location], [1000, 'local']);
    assert.deepEqual([chosen(1).startTime, chosen(1).location], [1000, 'local']);
    assert.equal(chosen(3500).startTime, 3000);
  });

  it('knows the last full backup', () => {
    assert.equal(lastFullTime(catalog), 3000);
  });
});
