import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { errorOfPlain, plainError, TundraError } from '../base/errors.js';
import { readCatalog } from '../chain/catalog.js';
import { SignatureStore } from '../chain/signature-store.js';
import { MemoryBackend, temporaryFolder, testStores } from '../chain/stores.fixture.js';
import { synchronise } from '../chain/synchronise.js';
import { noPrefixes } from '../format/names.js';
import { ArchiveMender, withMendedArchive } from './mend-archive.js';
import type { Session } from './session.js';

const manifest = 'duplicity-full.20200101T000000Z.manifest';
const signatures = 'duplicity-full-signatures.20200101T000000Z.sigtar.gz';

/** A session with a full set, all of it in the local archive. */
async function sessionOf(t: TestContext) {
  const backend = new MemoryBackend();
  backend.objects.set(manifest, Buffer.from('Hostname h\n'));
  backend.objects.set(signatures, gzipSync(Buffer.alloc(10_240)));
  const stores = await testStores(temporaryFolder(t), backend);
  const remote = [...backend.objects.keys()];
  const options = { mode: 'full', time: 2e9, dryRun: false } as const;
  await synchronise(stores, remote, readCatalog(remote, [], noPrefixes), options);
  stores.told.length = 0;
  const { archive, retries, opener, prefixes, temporaryFolder: tempFolder, events } = stores;
  const session = { backend, archive, retries, opener, prefixes, tempFolder, events } as unknown as Session;
  return { session, backend, archive, texts: () => stores.texts() };
}

/** Reads the signatures; the error comes as from another thread. */
async function readSignatures(path: string): Promise<void> {
  const store = new SignatureStore([path]);
  try {
    while ((await store.next()) !== undefined);
  } catch (error) {
    throw errorOfPlain(plainError(error));
  } finally {
    await store.close();
  }
}

describe('mending the local archive', () => {
  it('fetches a damaged file again, with a warning, and has the work done anew', async (t) => {
    const { session, archive, texts } = await sessionOf(t);
    const path = archive.pathOf(signatures);
    truncateSync(path, 12);
    let tries = 0;
    await withMendedArchive(session, () => {
      tries++;
      return readSignatures(path);
    });
    assert.equal(tries, 2);
    assert.deepEqual(texts(), [`${path} is damaged\nIt is fetched from the storage again.`]);
    assert.equal(gunzipSync(readFileSync(path)).length, 10_240);
    writeFileSync(archive.pathOf(manifest), '');
    await withMendedArchive(session, async () => {
      const whole = readFileSync(archive.pathOf(manifest), 'latin1') === 'Hostname h\n';
      if (!whole)
        throw new TundraError('bad-archive-dir', `${archive.pathOf(manifest)} is damaged: it is empty`);
    });
  });

  it('fetches each file once', async (t) => {
    const { session, backend, archive } = await sessionOf(t);
    const before = backend.fetched.length;
    const damaged = new TundraError('bad-archive-dir', `${archive.pathOf(signatures)} is damaged`);
    await assert.rejects(
      withMendedArchive(session, async () => {
        throw damaged;
      }),
      damaged,
    );
    assert.equal(backend.fetched.length, before + 1);
  });

  it('leaves other errors alone', async (t) => {
    const { session, backend, archive } = await sessionOf(t);
    const before = backend.fetched.length;
    const mender = new ArchiveMender(session);
    for (const error of [
      new Error(`${archive.pathOf(signatures)} is damaged`),
      new TundraError('format', `${archive.pathOf(signatures)} is damaged`),
      new TundraError('bad-archive-dir', `${archive.folder} cannot be used`),
      new TundraError('bad-archive-dir', `/elsewhere/${signatures} is damaged`),
      undefined,
    ]) {
      assert.equal(await mender.mend(error), false);
    }
    assert.equal(backend.fetched.length, before);
  });

  it('says that the storage cannot give the file', async (t) => {
    const { session, backend, archive } = await sessionOf(t);
    backend.objects.delete(signatures);
    truncateSync(archive.pathOf(signatures), 12);
    await assert.rejects(
      withMendedArchive(session, () => readSignatures(archive.pathOf(signatures))),
      {
        code: 'backend-not-found',
        message: /is damaged; it cannot be fetched again: The storage has no file/,
      },
    );
  });
});
