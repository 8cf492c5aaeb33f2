import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { formatManifestHeader, formatVolumeRecord } from '../format/manifest.js';
import { noPrefixes } from '../format/names.js';
import type { StorageBackend, ThawState } from '../storage/backend.js';
import { readCatalog } from './catalog.js';
import { checkLastManifest, type LastManifestOptions, type SourceIdentity } from './last-manifest.js';
import { fakeSeal, MemoryBackend, temporaryFolder, testStores } from './stores.fixture.js';

const local = 'duplicity-full.20200101T000000Z.manifest';
const remote = `${local}.gpg`;

const volume = (hex: string) =>
  formatVolumeRecord({
    number: 1,
    startKey: '',
    startBlock: undefined,
    endKey: 'z',
    endBlock: undefined,
    hashes: [{ algorithm: 'SHA1', hex }],
  });
const manifestText = (hostname = 'host', localDir = '/data', hex = 'aa') =>
  formatManifestHeader({ hostname, localDir }) + volume(hex);
const sealed = (text: string) => Buffer.concat([fakeSeal, Buffer.from(text, 'latin1')]);

const source: SourceIdentity = {
  hostname: 'host',
  fullHostname: async () => 'host.example.org',
  directory: '/data',
};

interface Case {
  stored?: Uint8Array | undefined;
  cached?: string | undefined;
  source?: Partial<SourceIdentity>;
  options?: Partial<LastManifestOptions>;
  state?: ThawState;
}

async function check(t: TestContext, { stored, cached, ...rest }: Case): Promise<string[]> {
  const { state } = rest;
  const survey = async () =>
    [...backend.objects].map(([name, { length }]) => {
      return { name, sizeBytes: length, state: state!, storageClass: 'test', store: 'cold' };
    });
  const backend: MemoryBackend & StorageBackend = new MemoryBackend();
  if (state !== undefined) Object.assign(backend, { cold: { survey } });
  if (stored !== undefined) backend.objects.set(remote, stored);
  const stores = await testStores(temporaryFolder(t), backend);
  if (cached !== undefined) writeFileSync(stores.archive.pathOf(local), cached, 'latin1');
  const catalog = readCatalog([...backend.objects.keys()], await stores.archive.list(), noPrefixes);
  await checkLastManifest(
    catalog,
    stores,
    { ...source, ...rest.source },
    { checkRemote: true, allowSourceMismatch: false, ...rest.options },
  );
  return stores.texts();
}

describe('checkLastManifest', () => {
  it('passes where host and folder are those of the last backup', async (t) => {
    assert.deepEqual(await check(t, { stored: sealed(manifestText()), cached: manifestText() }), []);
    assert.deepEqual(await check(t, { stored: sealed(manifestText()) }), []);
    assert.deepEqual(await check(t, { stored: sealed('') }), []);
    assert.deepEqual(await check(t, {}), []);
  });

  it('knows a host by its full name, which is looked up only if it must be', async (t) => {
    await check(t, { stored: sealed(manifestText('host.example.org')) });
    const fullHostname = () => Promise.reject(new Error('nobody asked'));
    await check(t, { stored: sealed(manifestText()), source: { fullHostname } });
  });

  it('refuses another host or folder, unless it is allowed', async (t) => {
    const stored = sealed(manifestText());
    await assert.rejects(
      check(t, { stored, source: { hostname: 'other', fullHostname: async () => undefined } }),
      {
        exitStatus: 3,
        message: /Current host: other\nPrevious host: host$/,
        advice: /--allow-source-mismatch/,
      },
    );
    await assert.rejects(check(t, { stored, source: { directory: '/other' } }), { exitStatus: 42 });
    await check(t, { stored, source: { directory: '/other' }, options: { allowSourceMismatch: true } });
  });

  it('refuses manifests that differ', async (t) => {
    const stored = sealed(manifestText());
    for (const cached of [
      manifestText('other'),
      manifestText('host', '/data', 'bb'),
      manifestText('host', '/'),
    ]) {
      const options = { allowSourceMismatch: true };
      await assert.rejects(check(t, { stored, cached, options }), { exitStatus: 5 });
    }
  });

  it('does without the manifest on the storage where there is no key for it', async (t) => {
    const stored = Buffer.from('cannot be opened');
    assert.deepEqual(await check(t, { stored, cached: manifestText(), options: { checkRemote: false } }), []);
    const [told] = await check(t, { stored, cached: manifestText() });
    assert.match(told!, /cannot be opened/);
    await assert.rejects(check(t, { stored }), { exitStatus: 6 });
    await assert.rejects(check(t, { stored, cached: manifestText(), options: { mustOpen: true } }), {
      exitStatus: 31,
    });
  });

  it('does without a manifest in cold storage, where there is one here', async (t) => {
    const stored = sealed(manifestText());
    for (const state of ['sealed', 'thawing'] as const) {
      const [told] = await check(t, { stored: Buffer.from('not read'), cached: manifestText(), state });
      assert.match(told!, /lies in cold storage/);
    }
    assert.deepEqual(await check(t, { stored, cached: manifestText(), state: 'ready' }), []);
    const other = manifestText('other');
    await assert.rejects(check(t, { stored, cached: other, state: 'ready' }), { exitStatus: 5 });
    await assert.rejects(check(t, { stored, cached: other, state: 'sealed' }), { exitStatus: 3 });
  });

  it('does without a local manifest that is damaged', async (t) => {
    const [told] = await check(t, { stored: sealed(manifestText()), cached: 'rubbish\n' });
    assert.match(told!, /not a manifest/);
  });
});
