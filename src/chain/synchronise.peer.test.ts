import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { hasProgram, needs } from '../../test/peers.js';
import { type NamePrefixes, noPrefixes } from '../format/names.js';
import { LocalArchive } from './archive.js';
import { readCatalog } from './catalog.js';
import { checkLastManifest } from './last-manifest.js';
import { PeerCollection } from './peer.fixture.js';
import { folderBackend, plainContents, testStores } from './stores.fixture.js';
import { type SynchroniseOptions, synchronise } from './synchronise.js';

const kinds: Record<string, { options: string[]; prefixes: NamePrefixes }> = {
  encrypted: { options: [], prefixes: noPrefixes },
  gzipped: {
    options: [
      '--no-encryption',
      ...['--file-prefix', 'all-', '--file-prefix-manifest', 'm-', '--file-prefix-signature', 's-'],
    ],
    prefixes: { all: 'all-', manifest: 'm-', signature: 's-', archive: '' },
  },
  plain: { options: ['--no-encryption', '--no-compression'], prefixes: noPrefixes },
};

describe('the local archive, against the peer', () => {
  let folder: string;
  let copies = 0;
  const collections: Record<string, PeerCollection> = {};

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tundra-sync-'));
    if (!hasProgram('duplicity') || !hasProgram('gpg')) return;
    for (const [kind, { options }] of Object.entries(kinds)) {
      const collection = new PeerCollection(join(folder, kind), [...options, '--volsize', '1']);
      collection.write('noise', randomBytes(1_200_000));
      collection.write('a b', 'one');
      collection.backUp('full', 1700000000);
      collection.write('a b', 'two');
      collection.backUp('inc', 1700001000);
      if (kind !== 'encrypted') collection.backUp('full', 1710000000);
      collections[kind] = collection;
    }
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What the peer and we make of the same storage and archive. */
  async function bothSynchronise(
    kind: string,
    change: (collection: PeerCollection) => void = () => {},
    options: Partial<SynchroniseOptions> = {},
    peerOptions = ['--metadata-sync-mode', 'full'],
  ) {
    const work = join(folder, `work${copies++}`);
    const collection = collections[kind]!.copyTo(work);
    change(collection);
    const peers = collection.withArchive(join(work, 'peers', 'name'));
    const ours = collection.withArchive(join(work, 'ours', 'name'));
    for (const { archive } of [peers, ours]) {
      if (existsSync(collection.archive)) cpSync(collection.archive, archive, { recursive: true });
    }
    const run = peers.run('list-current-files', peers.url, ...peerOptions);
    assert.equal(run.status, 0, run.stderr);

    const stores = await testStores(work, folderBackend(ours.target), 'secret');
    const { prefixes } = kinds[kind]!;
    const archive = await LocalArchive.open(ours.archive);
    const remote = ours.names();
    const catalog = readCatalog(remote, await archive.list(), prefixes);
    const all: SynchroniseOptions = { mode: 'full', time: 2e9, dryRun: false, ...options };
    await synchronise({ ...stores, archive, prefixes }, remote, catalog, all);
    assert.deepEqual(plainContents(ours.archive), plainContents(peers.archive));
    const told = (text: string) => /^(?:Copying|Deleting local|Synchronizing|Local and Remote)/.test(text);
    const peerTexts = run.stdout.split('\n').filter(told);
    assert.deepEqual(
      stores.texts(),
      peerTexts.map((text) => text.replace(peers.archive, ours.archive)),
    );

    const again = ours.run('list-current-files', ours.url, ...peerOptions);
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stdout, /no sync needed/);
    return { ours, names: Object.keys(plainContents(ours.archive)) };
  }

  for (const kind of Object.keys(kinds)) {
    it(`is made anew from ${kind} metadata`, async (t) => {
      if (!needs(t, 'duplicity', 'gpg')) return;
      const { names } = await bothSynchronise(kind, ({ archive }) => rmSync(archive, { recursive: true }));
      assert.equal(names.length, kind === 'encrypted' ? 4 : 6);
    });
  }

  it('is left alone when it is in order', async (t) => {
    if (!needs(t, 'duplicity', 'gpg')) return;
    await bothSynchronise('gzipped');
  });

  it('loses what the storage lost, and gets back what it lost itself', async (t) => {
    if (!needs(t, 'duplicity', 'gpg')) return;
    await bothSynchronise('plain', (collection) => {
      collection.lose(/inc.*manifest|new-sig/, 'target');
      collection.lose(/full.*20231114.*manifest|full-sig.*2024/, 'archive');
    });
  });

  it('keeps the files of an interrupted run', async (t) => {
    if (!needs(t, 'duplicity', 'gpg')) return;
    const { names } = await bothSynchronise('plain', (collection) => {
      collection.write('noise', randomBytes(1_300_000));
      collection.backUp('inc', 1710001000, '--fail', '1');
      collection.lose(/full.*manifest$/, 'archive');
    });
    assert.equal(names.filter((name) => name.endsWith('.part')).length, 2);
  });

  it('gets the metadata of one chain in partial mode', async (t) => {
    if (!needs(t, 'duplicity', 'gpg')) return;
    const { names } = await bothSynchronise(
      'plain',
      ({ archive }) => rmSync(archive, { recursive: true }),
      { mode: 'partial', time: 1700001500 },
      ['--metadata-sync-mode', 'partial', '--time', '1700001500'],
    );
    assert.equal(names.length, 4);
  });

  it('and the source that it is of are checked alike', async (t) => {
    if (!needs(t, 'duplicity', 'gpg')) return;
    const collection = collections.plain!.copyTo(join(folder, `work${copies++}`));
    const other = join(folder, 'other');
    mkdirSync(other);
    const statusOf = async (directory: string) => {
      const stores = await testStores(folder, folderBackend(collection.target));
      const archive = await LocalArchive.open(collection.archive);
      const catalog = readCatalog(collection.names(), collection.archiveNames(), noPrefixes);
      const identity = { hostname: hostname(), fullHostname: async () => undefined, directory };
      const options = { checkRemote: true, allowSourceMismatch: false };
      try {
        await checkLastManifest(catalog, { ...stores, archive }, identity, options);
        return 0;
      } catch (error) {
        return (error as { exitStatus: number }).exitStatus;
      }
    };
    const peerStatusOf = (source: string) =>
      collection.run('inc', '--dry-run', source, collection.url).status;
    const check = async (source: string, expected: number) =>
      assert.deepEqual([await statusOf(source), peerStatusOf(source)], [expected, expected]);

    await check(collection.source, 0);
    await check(other, 42);
    const newest = collection.names().find((name) => /full\.2024.*manifest/.test(name))!;
    const rename = (place: string) => {
      const path = join(place, newest);
      writeFileSync(
        path,
        readFileSync(path, 'latin1').replace(/^Hostname .*/, 'Hostname elsewhere'),
        'latin1',
      );
    };
    rename(collection.target);
    await check(collection.source, 5);
    rename(collection.archive);
    await check(collection.source, 3);
  });
});
