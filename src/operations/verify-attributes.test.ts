import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { latin1OfNative } from '../base/path-key.js';
import { SignatureFileWriter } from '../chain/signature-file.js';
import { MemoryBackend, temporaryFolder, testStores } from '../chain/stores.fixture.js';
import { allKinds } from '../format/tar/records.js';
import { Owners } from '../source/owners.js';
import { createSelection } from '../source/selection.js';
import { walk } from '../source/walk.js';
import type { Session } from './session.js';
import { selectionRoot } from './source-events.js';
import { type AttributeOptions, verifyAttributes } from './verify-attributes.js';

const seconds = 1_600_000_000;

/** A small tree, and a session with a backup of it: metadata alone, on the storage. */
async function sceneOf(t: TestContext) {
  const folder = temporaryFolder(t);
  const tree = join(folder, 'tree');
  const at = (name: string) => join(tree, name);
  mkdirSync(at('sub/deep'), { recursive: true });
  for (const name of ['a', 'sub/b', 'sub/c', 'sub/deep/d']) writeFileSync(at(name), name);
  symlinkSync('a', at('link'));
  for (const name of ['a', 'sub/b', 'sub/c', 'sub/deep/d', 'sub/deep', 'sub', '.']) {
    utimesSync(at(name), seconds, seconds);
  }
  const root = latin1OfNative(tree);

  const sigtar = join(folder, 'sigtar');
  const writer = new SignatureFileWriter(sigtar);
  const options = { owners: new Owners(), onWarning: () => assert.fail() };
  for (const { key, attributes } of walk(root, createSelection([], selectionRoot(root)), options)) {
    const kind = attributes.type === 'file' ? 'signature' : 'snapshot';
    writer.add(kind, key, { ...attributes, name: '', sizeBytes: 0 });
  }
  writer.finish();

  const backend = new MemoryBackend();
  backend.objects.set('duplicity-full.20200101T000000Z.manifest', Buffer.from('Hostname h\n'));
  const signatures = gzipSync(readFileSync(sigtar));
  backend.objects.set('duplicity-full-signatures.20200101T000000Z.sigtar.gz', signatures);
  backend.objects.set('duplicity-full.20200101T000000Z.vol1.difftar.gz', Buffer.from('not read'));
  const stores = await testStores(folder, backend);
  const { archive, retries, opener, prefixes, events } = stores;
  const session = {
    ...{ backend, archive, retries, opener, prefixes, events },
    tempFolder: folder,
    syncMode: 'partial',
    now: () => 1_700_000_000,
  } as unknown as Session;
  const verify = async (more: Partial<AttributeOptions> = {}) => {
    stores.told.length = 0;
    const all = {
      root,
      rules: [],
      followLinks: false,
      recordKinds: allKinds,
      path: '',
      time: undefined,
      ...more,
    };
    const result = await verifyAttributes(session, all);
    const told = stores.texts().filter((text) => text.startsWith('Difference found: '));
    return { ...result, told: told.map((text) => text.slice('Difference found: '.length)) };
  };
  const touch = (...names: string[]) => {
    for (const name of names) utimesSync(at(name), seconds, seconds);
  };
  return { backend, at, verify, touch };
}

describe('verifyAttributes', () => {
  it('finds nothing where nothing has changed, and reads no volume', async (t) => {
    const { backend, verify } = await sceneOf(t);
    assert.deepEqual(await verify(), { entries: 8, failures: 0, told: [] });
    assert.deepEqual(
      backend.fetched.filter((name) => name.includes('.vol')),
      [],
    );
  });

  it('tells what is new, missing, of another type or with other attributes, in path order', async (t) => {
    const { at, verify, touch } = await sceneOf(t);
    writeFileSync(at('Z new'), '');
    writeFileSync(at('sub/z new'), '');
    chmodSync(at('a'), 0o600);
    rmSync(at('link'));
    rmSync(at('sub/b'));
    mkdirSync(at('sub/b'));
    rmSync(at('sub/deep'), { recursive: true });
    utimesSync(at('sub/c'), seconds, seconds + 2);
    touch('sub', '.');
    const { entries, failures, told } = await verify();
    assert.deepEqual([entries, failures], [10, 8]);
    const brief = told.map((text) => text.replace(/(mtime|permissions) .*/, '$1'));
    assert.deepEqual(brief, [
      'New file Z new',
      'File a has permissions',
      'File link is missing',
      'File sub/b has type dir, expected reg',
      'File sub/c has mtime',
      'File sub/deep is missing',
      'File sub/deep/d is missing',
      'New file sub/z new',
    ]);
  });

  it('takes a second less in the signatures for the mark of a file that was changed as it was read', async (t) => {
    const { at, verify, touch } = await sceneOf(t);
    utimesSync(at('sub/c'), seconds, seconds + 1);
    touch('sub', '.');
    assert.equal((await verify()).failures, 0);
  });

  it('does not see contents that changed without a trace', async (t) => {
    const { at, verify, touch } = await sceneOf(t);
    writeFileSync(at('a'), 'other');
    touch('a');
    assert.equal((await verify()).failures, 0);
  });

  it('compares a part of the backup with the folder that is given', async (t) => {
    const { at, verify, touch } = await sceneOf(t);
    renameSync(at('sub'), at('../elsewhere'));
    touch('../elsewhere');
    const root = latin1OfNative(at('../elsewhere'));
    assert.deepEqual(await verify({ root, path: 'sub' }), { entries: 5, failures: 0, told: [] });
    rmSync(at('../elsewhere/c'));
    touch('../elsewhere');
    assert.deepEqual((await verify({ root, path: 'sub' })).told, ['File c is missing']);
    // A path is not the beginning of another name.
    assert.deepEqual((await verify({ root: latin1OfNative(at('a')), path: 'a' })).told, []);
    const single = await verify({ root: latin1OfNative(at('../elsewhere/b')), path: 'sub\0c' });
    assert.deepEqual([single.entries, single.failures], [1, 0], 'the same attributes');
  });

  it('leaves out of the folder what is excluded', async (t) => {
    const { at, verify, touch } = await sceneOf(t);
    writeFileSync(at('new'), '');
    touch('.');
    const rules = [{ kind: 'exclude' as const, glob: latin1OfNative(at('new')) }];
    assert.equal((await verify({ rules })).failures, 0);
    assert.deepEqual((await verify()).told, ['New file new']);
  });

  it('says that there is no backup', async (t) => {
    const { backend, verify } = await sceneOf(t);
    backend.objects.clear();
    await assert.rejects(verify(), { code: 'no-signatures' });
  });
});
