import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { emptyAttributes } from '../base/attributes.js';
import type { PathKey } from '../base/path-key.js';
import { allSets, readCatalog } from '../chain/catalog.js';
import { openRestoreMap } from '../chain/restore-map.js';
import type { PlannedVolume, RestorePlan } from '../chain/restore-plan.js';
import { SignatureFileWriter } from '../chain/signature-file.js';
import { MemoryBackend, temporaryFolder, testStores } from '../chain/stores.fixture.js';
import { type FileChange, formatFileListEntry, formatFileListHeader } from '../format/manifest.js';
import { noPrefixes } from '../format/names.js';
import { narrowPlan } from './narrow-plan.js';
import type { Session } from './session.js';

const full = 'duplicity-full.20200101T000000Z';
const incremental = 'duplicity-inc.20200101T000000Z.to.20200102T000000Z';
const signaturesOf = {
  [full]: 'duplicity-full-signatures.20200101T000000Z.sigtar.gz',
  [incremental]: 'duplicity-new-signatures.20200101T000000Z.to.20200102T000000Z.sigtar.gz',
} as const;

type Held = Record<PathKey, 'folder' | FileChange>;

/** What the sets hold. The volumes of the full one end behind `a` and behind `c`. */
const held: Record<keyof typeof signaturesOf, Held> = {
  [full]: { '': 'folder', a: 'new', b: 'new', c: 'new' },
  [incremental]: { '': 'folder', b: 'changed', c: 'deleted' },
};

function manifestOf(set: Held): string {
  const files = Object.entries(set).filter(([, kind]) => kind !== 'folder') as [PathKey, FileChange][];
  const list = files.map(([key, change]) => formatFileListEntry(change, key)).join('');
  return `Volume 1:\n    StartingPath   .\n    EndingPath     c\n${formatFileListHeader(files.length)}${list}`;
}

function sigtarOf(folder: string, set: Held): Buffer {
  const path = join(folder, 'sigtar');
  const writer = new SignatureFileWriter(path);
  for (const [key, what] of Object.entries(set)) {
    const kind = what === 'folder' ? 'snapshot' : what === 'deleted' ? 'deleted' : 'signature';
    const type = what === 'folder' ? 'directory' : 'file';
    writer.add(kind, key, { ...emptyAttributes, name: '', sizeBytes: 0, type });
  }
  writer.finish();
  return gzipSync(readFileSync(path));
}

function volume(set: string, number: number, startKey: PathKey, endKey: PathKey): PlannedVolume {
  const name = `${set}.vol${number}.difftar.gz`;
  const range = { startKey, lowestKey: startKey, startsEarlier: false, endKey };
  return { number, name, ...range, hash: undefined, encrypted: false, compressed: true };
}

const volumes: PlannedVolume[][] = [
  [volume(full, 1, '', 'a'), volume(full, 2, 'b', 'c')],
  [volume(incremental, 1, '', 'c')],
];

/** A session with a chain of two sets, all metadata here and on the storage. */
async function sceneOf(t: TestContext) {
  const folder = temporaryFolder(t);
  const backend = new MemoryBackend();
  const stores = await testStores(folder, backend);
  const { archive, retries, opener, prefixes, events } = stores;
  for (const set of [full, incremental] as const) {
    const files = {
      [`${set}.manifest`]: manifestOf(held[set]),
      [signaturesOf[set]]: sigtarOf(folder, held[set]),
    };
    for (const [name, content] of Object.entries(files)) {
      backend.objects.set(name, Buffer.from(content));
      writeFileSync(archive.pathOf(name), content);
    }
  }
  for (const { name } of volumes.flat()) backend.objects.set(name, Buffer.alloc(10));
  const session = {
    backend,
    archive,
    retries,
    opener,
    prefixes,
    tempFolder: folder,
    events,
  } as unknown as Session;
  const narrowed = async (wanted: PathKey, { dryRun = false, sets = volumes } = {}) => {
    const catalog = readCatalog([...backend.objects.keys()], await archive.list(), noPrefixes);
    const plan: RestorePlan = { wanted, sets: structuredClone(sets) };
    const result = await narrowPlan(session, catalog, allSets(catalog.chains[0]!), plan, dryRun);
    return { ...result, names: result.sets.flat().map(({ name }) => name) };
  };
  return { backend, archive, narrowed, texts: () => stores.texts() };
}

const names = volumes.flat().map(({ name }) => name);

describe('narrowPlan', () => {
  it('leaves out volumes that hold nothing of what is wanted, and lists what there is', async (t) => {
    const { narrowed, texts } = await sceneOf(t);
    const needed = { a: [names[0]], b: [names[1], names[2]], c: [], '': names };
    for (const [wanted, expected] of Object.entries(needed)) {
      assert.deepEqual((await narrowed(wanted)).names, expected, wanted);
    }
    const index = openRestoreMap((await narrowed('')).map!);
    const keys: [PathKey, number][] = [];
    for (let entry = index.next(); entry !== undefined; entry = index.next())
      keys.push([entry.key, entry.file]);
    index.close();
    assert.deepEqual(keys, [
      ['', 1],
      ['a', 0],
      ['b', 1],
    ]);
    assert.deepEqual(texts(), []);
  });

  it('keeps a volume that may begin earlier than its manifest says', async (t) => {
    const { narrowed } = await sceneOf(t);
    const misplaced = { ...volume(full, 2, 'c', 'c'), lowestKey: 'a', startsEarlier: true };
    const sets = [[volumes[0]![0]!, misplaced], volumes[1]!];
    assert.deepEqual((await narrowed('b', { sets })).names, [names[1], names[2]]);
  });

  it('brings signatures that are not here, but not in a dry run', async (t) => {
    const { archive, narrowed, texts } = await sceneOf(t);
    const path = archive.pathOf(signaturesOf[incremental]);
    rmSync(path);
    const dry = await narrowed('a', { dryRun: true });
    assert.deepEqual([dry.names, dry.map], [names, undefined]);
    assert.match(
      texts()[0]!,
      /^The signatures of the backup of Thu Jan {2}2 .* are not here\.\nMore volumes may be asked/,
    );
    assert.ok(!existsSync(path));
    assert.deepEqual((await narrowed('a')).names, [names[0]]);
    assert.ok(existsSync(path));
    assert.equal(texts().length, 1);
  });

  it('mends signatures that are damaged here', async (t) => {
    const { archive, narrowed, texts } = await sceneOf(t);
    const path = archive.pathOf(signaturesOf[full]);
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 30));
    assert.deepEqual((await narrowed('a')).names, [names[0]]);
    assert.deepEqual(texts(), [`${path} is damaged\nIt is fetched from the storage again.`]);
    assert.deepEqual(readFileSync(path), whole);
  });

  it('leaves the plan as it is, and says so, where signatures cannot be had', async (t) => {
    for (const spoil of ['gone', 'damaged', 'damaged and dry'] as const) {
      const { backend, archive, narrowed, texts } = await sceneOf(t);
      const name = signaturesOf[full];
      if (spoil === 'gone') backend.objects.delete(name);
      else backend.objects.set(name, Buffer.from('damaged'));
      if (spoil === 'gone') rmSync(archive.pathOf(name));
      else writeFileSync(archive.pathOf(name), 'damaged');
      const { names: planned, map } = await narrowed('a', { dryRun: spoil === 'damaged and dry' });
      assert.deepEqual([planned, map], [names, undefined]);
      assert.match(texts().at(-1)!, /\nMore volumes may be asked for than a restore needs\.$/);
    }
  });

  it('lets a defect through', async (t) => {
    const { archive, narrowed } = await sceneOf(t);
    archive.pathOf = () => {
      throw new TypeError('a defect');
    };
    await assert.rejects(narrowed('a'), /a defect/);
  });
});
