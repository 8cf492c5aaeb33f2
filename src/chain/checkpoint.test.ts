import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { SetTimes } from '../format/names.js';
import { LocalArchive } from './archive.js';
import { type Checkpoint, CheckpointWriter, checkpointName, readCheckpoint } from './checkpoint.js';
import { temporaryFolder } from './stores.fixture.js';

const full: SetTimes = { type: 'full', time: 1_600_000_000 };
const sha1Hex = 'ab'.repeat(20);
const first = { volume: 1, sizeBytes: 7, sha1Hex, file: undefined };
const file = { kind: 'diff', stamp: '1.2.3.4', deltaRevision: 1 } as const;
const second = { volume: 2, sizeBytes: 9, sha1Hex, file };
const third = { volume: 3, sizeBytes: 8, sha1Hex, file: { ...file, stamp: undefined } };

async function written(t: TestContext, beginning?: Checkpoint): Promise<LocalArchive> {
  const archive = await LocalArchive.open(temporaryFolder(t));
  const writer = new CheckpointWriter(archive, full, beginning);
  if (beginning === undefined) for (const volume of [first, second, third]) writer.add(volume);
  writer.close();
  renameSync(writer.path, archive.pathOf(checkpointName));
  return archive;
}

describe('the notes of a set in the making', () => {
  it('are read as they were written', async (t) => {
    const archive = await written(t);
    const found = readCheckpoint(archive, full);
    assert.deepEqual([...(found?.volumes.values() ?? [])], [first, second, third]);
    const beginning = { token: 'dG9rZW4=', keys: ['A', 'B'], volumes: new Map([[1, first]]) };
    assert.deepEqual(readCheckpoint(await written(t, beginning), full), beginning);
  });

  it('are none where there is no file, or it is of another set or form', async (t) => {
    const archive = await written(t);
    assert.equal(readCheckpoint(archive, { type: 'full', time: 1 }), undefined);
    assert.equal(readCheckpoint(archive, { type: 'incremental', start: 1, end: 1_600_000_000 }), undefined);
    for (const text of ['', 'null', '[]', '{"version":2,"set":"1600000000"}', '{"version":1}\n']) {
      writeFileSync(archive.pathOf(checkpointName), text);
      assert.equal(readCheckpoint(archive, full), undefined, text);
    }
    await archive.remove(checkpointName);
    assert.equal(readCheckpoint(archive, full), undefined);
  });

  it('hold up to where they are cut off, at any byte', async (t) => {
    const archive = await written(t);
    const path = archive.pathOf(checkpointName);
    const bytes = readFileSync(path);
    const lineEnds = [...bytes.keys()].filter((at) => bytes[at] === 0x0a);
    for (let size = 0; size < bytes.length; size++) {
      writeFileSync(path, bytes.subarray(0, size));
      // A line counts without its end too.
      const lines = lineEnds.filter((end) => end <= size).length;
      const numbers: number[] = [...(readCheckpoint(archive, full)?.volumes.keys() ?? [])];
      assert.deepEqual(numbers, [1, 2, 3].slice(0, Math.max(0, lines - 1)));
    }
  });
});
