import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { AccessPointWriter, accessPointsName, readAccessPoints } from './access-points.js';
import { MemoryBackend, temporaryFolder, testStores } from './stores.fixture.js';

const sha1 = (digit: string) => digit.repeat(40);
const volume = (number: number, hex: string, algorithm = 'SHA1') => ({ number, hash: { algorithm, hex } });
const points = [
  { offset: 4000, after: 'caf\xe9\0"quoted"\n' },
  { offset: 9000, after: 'z' },
];

describe('access points', () => {
  it('come back for the volumes that have the same hash', async (t) => {
    const { archive } = await testStores(temporaryFolder(t), new MemoryBackend());
    const writer = new AccessPointWriter(archive);
    writer.add(1, sha1('a'), points);
    writer.add(2, sha1('b'), []);
    writer.add(12, sha1('c'), points.slice(1));
    assert.equal(writer.close(), true);
    await archive.keepAs(writer.path, accessPointsName('the.manifest'));
    const read = (...volumes: ReturnType<typeof volume>[]) =>
      readAccessPoints(archive, 'the.manifest', volumes);
    assert.deepEqual(
      read(volume(1, sha1('A')), volume(2, sha1('b')), volume(12, sha1('c'))),
      new Map([
        [1, points],
        [12, points.slice(1)],
      ]),
    );
    assert.deepEqual(read(volume(1, sha1('f')), volume(12, sha1('c'), 'MD5')), new Map());
    assert.deepEqual(readAccessPoints(archive, 'other.manifest', [volume(1, sha1('a'))]), new Map());

    const path = archive.pathOf(accessPointsName('the.manifest'));
    writeFileSync(path, readFileSync(path, 'utf8').replace('4000', '4001'));
    assert.deepEqual(read(volume(1, sha1('a')), volume(12, sha1('c'))), new Map([[12, points.slice(1)]]));
  });

  it('go with their set', async (t) => {
    const { archive } = await testStores(temporaryFolder(t), new MemoryBackend());
    for (const name of [
      'kept.manifest',
      accessPointsName('kept.manifest'),
      accessPointsName('gone.manifest'),
    ]) {
      writeFileSync(archive.pathOf(name), '');
    }
    await archive.removeLeftovers();
    assert.deepEqual((await archive.list()).sort(), ['kept.manifest', accessPointsName('kept.manifest')]);
  });
});
