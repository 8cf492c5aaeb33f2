import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Manifest } from '../format/manifest.js';
import { noPrefixes } from '../format/names.js';
import type { BackupSet } from './sets.js';
import { MemoryBackend } from './stores.fixture.js';
import { addUnlistedVolumes, withUnlisted } from './unlisted.js';

const first = '20200101T000000Z';
const second = '20200102T000000Z';
const manifest = `duplicity-full.${first}.manifest`;
const signatures = `duplicity-full-signatures.${first}.sigtar`;
const nextManifest = `duplicity-inc.${first}.to.${second}.manifest`;

/** A storage whose listings lag behind, if nothing else is said, and that notes what is looked for by name. */
class LaggingBackend extends MemoryBackend {
  override readonly promises: { atomicPut: true; consistentList: boolean };
  readonly looked: string[] = [];

  constructor(names: readonly string[], consistentList = false) {
    super();
    this.promises = { atomicPut: true, consistentList };
    for (const name of names) this.objects.set(name, Buffer.from(name));
  }

  override async stat(name: string) {
    this.looked.push(name);
    return super.stat(name);
  }
}

test('metadata in the local archive that is not listed is looked for by name', async () => {
  const backend = new LaggingBackend([`${manifest}.gpg`, `${signatures}.gpg`]);
  const local = [manifest, `${signatures}.gz`, `${nextManifest}.part`, 'tundra-index', 'lockfile'];
  assert.deepEqual((await withUnlisted({ backend, prefixes: noPrefixes }, ['other'], local)).sort(), [
    `${signatures}.gpg`,
    `${manifest}.gpg`,
    'other',
  ]);
  assert.ok(backend.looked.includes(nextManifest), 'the run may have ended well, though nobody was told');
});

test('what is listed is not looked for, nor anything where listings are right', async () => {
  const listed = [`${manifest}.gpg`, `${signatures}.gz`];
  const lagging = new LaggingBackend(listed);
  const local = [manifest, `${signatures}.gz`];
  assert.deepEqual(await withUnlisted({ backend: lagging, prefixes: noPrefixes }, listed, local), listed);
  assert.deepEqual(lagging.looked, []);
  const right = new LaggingBackend(listed, true);
  assert.deepEqual(await withUnlisted({ backend: right, prefixes: noPrefixes }, [], local), []);
  assert.deepEqual(right.looked, []);
});

test('volumes that a manifest names are found, however the set is sealed', async () => {
  const volume = (number: number) => `duplicity-full.${first}.vol${number}.difftar`;
  const named = { volumes: [1, 2, 3].map((number) => ({ number })) } as Manifest;
  for (const [suffix, encrypted] of [
    ['.gpg', true],
    ['.gz', false],
    ['', false],
  ] as const) {
    const backend = new LaggingBackend([1, 2].map((number) => volume(number) + suffix));
    const set: BackupSet = {
      times: { type: 'full', time: Date.UTC(2020, 0, 1) / 1000 },
      volumes: new Map([[1, volume(1) + suffix]]),
      manifestName: manifest,
      localManifestName: manifest,
      partial: false,
      encrypted,
    };
    await addUnlistedVolumes({ backend, prefixes: noPrefixes }, set, named);
    assert.deepEqual(
      [...set.volumes],
      [1, 2].map((number) => [number, volume(number) + suffix]),
    );
    assert.ok(!backend.looked.includes(volume(1) + suffix));
  }
});
