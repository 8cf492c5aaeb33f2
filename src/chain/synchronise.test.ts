import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { noPrefixes } from '../format/names.js';
import { readCatalog } from './catalog.js';
import { endsWithFileList, openRemote } from './metadata.js';
import {
  collect,
  fakeSeal,
  folderBackend,
  lentPieces,
  MemoryBackend,
  plainContents,
  temporaryFolder,
  testStores,
} from './stores.fixture.js';
import {
  planSynchronisation,
  refetch,
  type SynchroniseOptions,
  type SynchronisePlan,
  synchronise,
} from './synchronise.js';

const first = '20200101T000000Z';
const second = '20200102T000000Z';
const manifest = `duplicity-full.${first}.manifest`;
const signatures = `duplicity-full-signatures.${first}.sigtar`;
const volume = `duplicity-full.${first}.vol1.difftar`;
const nextManifest = `duplicity-inc.${first}.to.${second}.manifest`;
const nextSignatures = `duplicity-new-signatures.${first}.to.${second}.sigtar`;
const nextVolume = `duplicity-inc.${first}.to.${second}.vol1.difftar`;

const everything: SynchroniseOptions = { mode: 'full', time: 2e9, dryRun: false };

function plan(remote: string[], local: string[], options: Partial<SynchroniseOptions> = {}): SynchronisePlan {
  const catalog = readCatalog(remote, local, noPrefixes);
  return planSynchronisation(remote, local, noPrefixes, catalog, { ...everything, ...options });
}

describe('planSynchronisation', () => {
  const gpg = [`${volume}.gpg`, `${manifest}.gpg`, `${signatures}.gpg`];

  it('fetches what is missing and removes what the storage has not', () => {
    assert.deepEqual(plan(gpg, []), { missing: [`${signatures}.gpg`, `${manifest}.gpg`], spurious: [] });
    assert.deepEqual(plan([], [manifest, `${signatures}.gz`, 'lockfile']), {
      missing: [],
      spurious: [`${signatures}.gz`, manifest],
    });
    assert.deepEqual(plan(gpg, [manifest, `${signatures}.gz`]), { missing: [], spurious: [] });
  });

  it('leaves the files of an interrupted run alone', () => {
    const local = [manifest, `${signatures}.gz`, `${nextManifest}.part`, `${nextSignatures}.part`];
    assert.deepEqual(plan([...gpg, `${nextVolume}.gpg`], local), { missing: [], spurious: [] });
    assert.deepEqual(plan([...gpg, `${nextVolume}.gpg`, `${nextSignatures}.gpg`], local), {
      missing: [],
      spurious: [],
    });
  });

  it('removes a final file whose making was interrupted', () => {
    const local = [`${nextManifest}.part`, `${nextSignatures}.part`, `${nextSignatures}.gz`];
    assert.deepEqual(plan([`${nextVolume}.gpg`], local), { missing: [], spurious: [`${nextSignatures}.gz`] });
  });

  it('removes partial signatures of a run that was killed before it had a manifest', () => {
    const local = [manifest, `${signatures}.gz`, `${nextSignatures}.part`];
    assert.deepEqual(plan(gpg, local), { missing: [], spurious: [`${nextSignatures}.part`] });
  });

  it('replaces partial files once the storage has the manifest', () => {
    const local = [`${manifest}.part`, `${signatures}.part`, `${signatures}.gz`];
    assert.deepEqual(plan(gpg, local), {
      missing: [`${signatures}.gpg`, `${manifest}.gpg`],
      spurious: [`${signatures}.gz`, `${signatures}.part`, `${manifest}.part`],
    });
  });

  it('removes encrypted files that were on their way to the storage', () => {
    const local = [manifest, `${signatures}.gz`, `${manifest}.gpg`];
    assert.deepEqual(plan(gpg, local), { missing: [], spurious: [`${manifest}.gpg`] });
    assert.deepEqual(plan(gpg, [manifest, `${signatures}.gpg`]), {
      missing: [`${signatures}.gpg`],
      spurious: [`${signatures}.gpg`],
    });
  });

  it('fetches only the chain of a time in partial mode', () => {
    const later = gpg.map((name) => name.replaceAll(first, '20210101T000000Z'));
    const remote = [...gpg, `${nextManifest}.gpg`, `${nextSignatures}.gpg`, ...later];
    const missingAt = (time: number) => plan(remote, [], { mode: 'partial', time }).missing;
    const [firstDay, otherYear] = [Date.UTC(2020, 0, 1) / 1000, Date.UTC(2021, 5, 1) / 1000];
    const chain = [`${signatures}.gpg`, `${nextSignatures}.gpg`, `${manifest}.gpg`, `${nextManifest}.gpg`];
    assert.deepEqual(missingAt(firstDay), chain.sort());
    assert.deepEqual(missingAt(otherYear), later.slice(1).sort());
  });

  it('fetches for a restore only the manifests that it reads', () => {
    const third = '20200103T000000Z';
    const last = `duplicity-inc.${second}.to.${third}.manifest`;
    const lastSignatures = `duplicity-new-signatures.${second}.to.${third}.sigtar`;
    const later = gpg.map((name) => name.replaceAll(first, '20210101T000000Z'));
    const remote = [...gpg, nextManifest, nextSignatures, last, lastSignatures, ...later];
    const missingAt = (time: number, local: string[] = []) =>
      plan(remote, local, { mode: 'restore', time }).missing;
    const day = (number: number) => Date.UTC(2020, 0, number, 12) / 1000;
    assert.deepEqual(missingAt(day(1)), [`${manifest}.gpg`]);
    assert.deepEqual(missingAt(day(2)), [`${manifest}.gpg`, nextManifest]);
    assert.deepEqual(missingAt(day(3)), [`${manifest}.gpg`, nextManifest, last]);
    assert.deepEqual(missingAt(day(3), [manifest, nextManifest]), [last]);
    assert.deepEqual(missingAt(day(400)), [later[1]]);
    assert.deepEqual(plan([], [manifest], { mode: 'restore' }), { missing: [], spurious: [manifest] });
    assert.deepEqual(plan([`${signatures}.gpg`], [], { mode: 'restore' }), { missing: [], spurious: [] });
  });

  it('has nothing left to do when it was carried out', () => {
    const bases = [manifest, signatures, nextManifest, nextSignatures];
    const remoteName = fc.constantFrom(...bases.flatMap((base) => [base, `${base}.gz`, `${base}.gpg`]));
    const localName = fc.constantFrom(
      ...bases.flatMap((base) => [base, `${base}.gz`, `${base}.part`, `${base}.gpg`]),
    );
    fc.assert(
      fc.property(fc.uniqueArray(remoteName), fc.uniqueArray(localName), (remote, local) => {
        const { missing, spurious } = plan(remote, local);
        const fetched = missing.map(
          (name) => name.replace(/\.g.*/, '') + (name.includes('sigtar') ? '.gz' : ''),
        );
        const after = [...local.filter((name) => !spurious.includes(name)), ...fetched];
        assert.deepEqual(plan(remote, after), { missing: [], spurious: [] });
        for (const name of after) assert.doesNotMatch(name, /\.gpg$/);
      }),
    );
  });
});

const sigtarText = 'signatures '.repeat(90);
const manifestText = 'Hostname h\nLocaldir d\nFilelist 0\n';

function sealed(text: string): Buffer {
  return Buffer.concat([fakeSeal, Buffer.from(text)]);
}

async function storesWith(t: Parameters<typeof temporaryFolder>[0], objects: Record<string, Uint8Array>) {
  const backend = new MemoryBackend();
  for (const [name, bytes] of Object.entries(objects)) backend.objects.set(name, bytes);
  const stores = await testStores(temporaryFolder(t), backend);
  const remote = Object.keys(objects);
  const run = async (options: Partial<SynchroniseOptions> = {}) => {
    const catalog = readCatalog(remote, await stores.archive.list(), noPrefixes);
    return synchronise(stores, remote, catalog, { ...everything, ...options });
  };
  return { backend, stores, remote, run };
}

describe('synchronise', () => {
  it('opens encrypted metadata, and keeps signatures gzipped', async (t) => {
    const { backend, stores, run } = await storesWith(t, {
      [`${manifest}.gpg`]: sealed(manifestText),
      [`${signatures}.gpg`]: sealed(sigtarText),
      [`${volume}.gpg`]: sealed('never looked at'),
    });
    await run();
    assert.deepEqual(plainContents(stores.archive.folder), {
      [`${signatures}.gz`]: sigtarText,
      [manifest]: manifestText,
    });
    assert.deepEqual(backend.fetched, [`${signatures}.gpg`, `${manifest}.gpg`]);
    assert.deepEqual(stores.texts(), [
      'Synchronizing remote metadata to local cache...',
      `Copying ${signatures}.gpg to local cache.`,
      `Copying ${manifest}.gpg to local cache.`,
    ]);
    assert.deepEqual(readdirSync(stores.temporaryFolder), ['archive']);
    await run();
    assert.equal(stores.texts().at(-1), 'Local and Remote metadata are synchronized, no sync needed.');
    assert.equal(backend.fetched.length, 2);
  });

  it('copies gzipped signatures as they are, and gzips plain ones', async (t) => {
    const gzipped = gzipSync(sigtarText, { level: 1 });
    const { stores, run } = await storesWith(t, {
      [manifest]: Buffer.from(manifestText),
      [`${signatures}.gz`]: gzipped,
      [nextSignatures]: Buffer.from('plain'),
    });
    await run();
    const kept = await collect(stores.archive.read(`${nextSignatures}.gz`));
    assert.equal(String(kept), 'plain');
    assert.deepEqual(plainContents(stores.archive.folder)[manifest], manifestText);
    assert.deepEqual(
      gunzipSync(gzipped).toString(),
      plainContents(stores.archive.folder)[`${signatures}.gz`],
    );
    assert.deepEqual(stores.opener.opened, []);
  });

  it('opens files in place where the storage is a folder', async (t) => {
    const folder = temporaryFolder(t);
    const target = join(folder, 'target');
    mkdirSync(target);
    writeFileSync(join(target, `${manifest}.gpg`), sealed(manifestText));
    const stores = await testStores(folder, folderBackend(target));
    const remote = [`${manifest}.gpg`];
    await synchronise(stores, remote, readCatalog(remote, [], noPrefixes), everything);
    assert.deepEqual(stores.opener.opened, [join(target, `${manifest}.gpg`)]);
    assert.equal((stores.backend as unknown as MemoryBackend).fetched.length, 0);
    assert.deepEqual(plainContents(stores.archive.folder), { [manifest]: manifestText });
  });

  it('removes spurious files, telling their paths', async (t) => {
    const { stores, run } = await storesWith(t, {});
    writeFileSync(stores.archive.pathOf(manifest), '');
    await run();
    assert.deepEqual(await stores.archive.list(), []);
    const path = stores.archive.pathOf(manifest);
    assert.equal(stores.texts()[1], `Deleting local ${path} (not authoritative at backend).`);
  });

  it('only tells in a dry run', async (t) => {
    const { backend, stores, run } = await storesWith(t, { [`${manifest}.gpg`]: sealed(manifestText) });
    writeFileSync(stores.archive.pathOf(nextManifest), '');
    await run({ dryRun: true });
    assert.deepEqual(await stores.archive.list(), [nextManifest]);
    assert.deepEqual(backend.fetched, []);
    assert.deepEqual(stores.texts(), [
      `Sync would copy the following from remote to local:\n${manifest}.gpg`,
      `Sync would remove the following spurious local files:\n${nextManifest}`,
    ]);
  });

  it('leaves nothing half written when the storage, the seal or the gzip breaks', async (t) => {
    const cut = gzipSync(sigtarText).subarray(0, -5);
    const { backend, stores, remote } = await storesWith(t, {
      [`${manifest}.gpg`]: Buffer.from('no seal on this'),
      [nextManifest]: Buffer.from(manifestText),
      [`${signatures}.gz`]: cut,
      [`${nextSignatures}.gpg`]: sealed(sigtarText),
    });
    backend.broken.add(nextManifest).add(`${nextSignatures}.gpg`);
    const codes: Record<string, string> = {
      [`${manifest}.gpg`]: 'encryption',
      [nextManifest]: 'connection',
      [`${signatures}.gz`]: 'format',
      [`${nextSignatures}.gpg`]: 'connection',
    };
    for (const name of remote) {
      const catalog = readCatalog([name], [], noPrefixes);
      await assert.rejects(synchronise(stores, [name], catalog, everything), { code: codes[name]! });
    }
    assert.deepEqual(await stores.archive.list(), []);
    assert.deepEqual(readdirSync(stores.temporaryFolder), ['archive']);
  });

  it('begins again where the storage breaks off', async (t) => {
    const objects = {
      [manifest]: Buffer.from(manifestText),
      [`${signatures}.gz`]: gzipSync(sigtarText, { level: 1 }),
      [`${nextManifest}.gpg`]: sealed(manifestText),
      [`${nextSignatures}.gpg`]: sealed(sigtarText),
    };
    const { backend, stores, run } = await storesWith(t, objects);
    for (const name of Object.keys(objects)) backend.breaks.set(name, 2);
    await run();
    assert.deepEqual(plainContents(stores.archive.folder), {
      [`${signatures}.gz`]: sigtarText,
      [manifest]: manifestText,
      [`${nextSignatures}.gz`]: sigtarText,
      [nextManifest]: manifestText,
    });
    assert.equal(backend.fetched.length, 12);
    assert.equal(
      stores.texts().filter((text) => text.includes('the line went dead; trying again')).length,
      8,
    );
    assert.deepEqual(readdirSync(stores.temporaryFolder), ['archive']);
  });

  it('fetches several files at once, and all that began is done when one fails', async (t) => {
    const names = Array.from({ length: 20 }, (_, day) => manifest.replace('0101', `01${day + 10}`));
    const { backend, stores, run } = await storesWith(
      t,
      Object.fromEntries(names.map((name) => [name, Buffer.from(manifestText)])),
    );
    await run({ concurrency: 4 });
    assert.deepEqual((await stores.archive.list()).sort(), names);
    backend.broken.add(names[7]!);
    for (const name of names) await stores.archive.remove(name);
    await assert.rejects(run({ concurrency: 4 }), { code: 'connection' });
    const left = await stores.archive.list();
    assert.deepEqual(
      left.filter((name) => !names.includes(name)),
      [],
    );
    assert.ok(!left.includes(names[7]!) && left.length < 20);
  });
});

describe('refetch', () => {
  it('replaces a damaged file with the one on the storage', async (t) => {
    const { stores, remote, run } = await storesWith(t, {
      [`${manifest}.gpg`]: sealed(manifestText),
      [`${signatures}.gpg`]: sealed(sigtarText),
    });
    await run();
    const name = `${signatures}.gz`;
    writeFileSync(stores.archive.pathOf(name), 'rubbish');
    assert.equal(await stores.archive.isReadable(name), false);
    await refetch(stores, remote, name);
    assert.equal(String(await collect(stores.archive.read(name))), sigtarText);
  });

  it('says so if the storage does not have it', async (t) => {
    const { stores } = await storesWith(t, {});
    await assert.rejects(refetch(stores, [], manifest), { code: 'backend-not-found' });
    await assert.rejects(refetch(stores, [manifest], `${manifest}.part`), { code: 'backend-not-found' });
  });
});

describe('openRemote', () => {
  it('refuses what is no name of a backup', async (t) => {
    const { stores } = await storesWith(t, {});
    await assert.rejects(
      openRemote(stores, 'notes.txt', async () => {}),
      { code: 'format' },
    );
  });
});

describe('endsWithFileList', () => {
  const volumeLines = 'Volume 1:\n    StartingPath   .  \n    EndingPath     a  \n    Hash SHA1 00\n';
  const ends = (text: string, pieceBytes = 7) => endsWithFileList(lentPieces(Buffer.from(text), pieceBytes));

  it('tells a manifest that was written to its end from one that was cut, wherever that was', async () => {
    const text = `Hostname h\n${volumeLines}Filelist 2\n    new      a\n    changed  b\n`;
    assert.equal(await ends(text), true);
    assert.equal(await ends(text, 1000), true);
    assert.equal(await ends(`Hostname h\n${volumeLines}Filelist 0\n`), true);
    const lastLine = text.lastIndexOf('\n', text.length - 2) + 1;
    for (let length = 0; length < lastLine; length++) {
      assert.equal(await ends(text.slice(0, length)), false, `${length}`);
    }
  });

  it('knows nothing of manifests without a list, or with one before the volumes', async () => {
    assert.equal(await ends(`Hostname h\n${volumeLines}`), false);
    assert.equal(await ends(`Hostname h\nFilelist 1\n    new      a\n${volumeLines}`), false);
    assert.equal(await ends(''), false);
    assert.equal(await ends(`Filelist 0\n${'x'.repeat(2 << 20)}`, 100_000), false);
  });
});
