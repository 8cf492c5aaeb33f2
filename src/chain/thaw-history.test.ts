import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { LocalArchive } from './archive.js';
import { temporaryFolder } from './stores.fixture.js';
import { expectedWait, readThawHistory, recordThaw, type SeenThaw, thawHistoryName } from './thaw-history.js';

const newArchive = (t: TestContext) => LocalArchive.open(temporaryFolder(t));

function seen(storageClass: string, waitedMs: number, atMs = 0): SeenThaw {
  return { storageClass, store: 'pca://cold', sizeBytes: 200 << 20, waitedMs, atMs };
}

test('thaws are kept in order of their times', async (t) => {
  const archive = await newArchive(t);
  assert.deepEqual(readThawHistory(archive), []);
  const thaws = [seen('pca', 3, 20), seen('cold+file', 1.5, 30), { ...seen('pca', 7, 10), store: 'ä "b"\n' }];
  for (const thaw of thaws) recordThaw(archive, thaw);
  assert.deepEqual(readThawHistory(archive), [thaws[2], thaws[0], thaws[1]]);
  assert.deepEqual(readdirSync(archive.folder), [thawHistoryName]);
  assert.equal(statSync(archive.pathOf(thawHistoryName)).mode & 0o777, 0o600);
});

test('the newest 200 of each class are kept', async (t) => {
  const archive = await newArchive(t);
  const thaws = Array.from({ length: 250 }, (_, index) => seen('pca', index, index));
  const text = JSON.stringify({ thaws: [...thaws, seen('cold+file', 1, 0)] });
  writeFileSync(archive.pathOf(thawHistoryName), text);
  recordThaw(archive, seen('pca', 250, 250));
  const history = readThawHistory(archive);
  assert.deepEqual(
    history.filter(({ storageClass }) => storageClass === 'pca').map(({ atMs }) => atMs),
    Array.from({ length: 200 }, (_, index) => index + 51),
  );
  assert.equal(history.length, 201);
});

test('a history that cannot be read is empty, and begins anew', async (t) => {
  const archive = await newArchive(t);
  const path = archive.pathOf(thawHistoryName);
  const thaw = seen('pca', 5, 6);
  const whole = JSON.stringify({ thaws: [thaw] });
  const broken = ['', 'null', '7', '[]', '{}', '{"thaws":{}}', whole.slice(0, -2), '\xff\xfe'];
  broken.push(`${' '.repeat(5 << 20)}${whole}`);
  for (const text of broken) {
    writeFileSync(path, text);
    assert.deepEqual(readThawHistory(archive), [], text.slice(0, 50));
    recordThaw(archive, thaw);
    assert.deepEqual(readThawHistory(archive), [thaw]);
  }
});

test('entries that make no sense are left out', async (t) => {
  const archive = await newArchive(t);
  const thaw = seen('pca', 5, 6);
  const bad = [null, 7, [], {}, { ...thaw, waitedMs: -1 }, { ...thaw, sizeBytes: '1' }];
  const others = [
    { ...thaw, storageClass: 7 },
    { ...thaw, store: null },
    { ...thaw, atMs: null },
  ];
  writeFileSync(archive.pathOf(thawHistoryName), JSON.stringify({ thaws: [...bad, thaw, ...others] }));
  assert.deepEqual(readThawHistory(archive), [thaw]);
});

test('a history that cannot be written is an error of the archive, and leaves nothing', async (t) => {
  const archive = await newArchive(t);
  mkdirSync(join(archive.folder, thawHistoryName));
  assert.deepEqual(readThawHistory(archive), []);
  assert.throws(() => recordThaw(archive, seen('pca', 1)), { name: 'TundraError', code: 'bad-archive-dir' });
  assert.deepEqual(readdirSync(archive.folder), [thawHistoryName]);
  rmSync(archive.folder, { recursive: true });
  assert.throws(() => recordThaw(archive, seen('pca', 1)), { code: 'bad-archive-dir' });
});

test('three thaws say more than a promise', () => {
  const hourMs = 3600_000;
  const two = [seen('pca', 40), seen('pca', 20), seen('other', 1), seen('other', 2)];
  assert.deepEqual(expectedWait(two, 'pca'), { fromMs: 600_000, toMs: 12 * hourMs, source: 'class' });
  assert.equal(expectedWait(two, 'other'), undefined);
  assert.equal(expectedWait([], 'cold+file'), undefined);
  assert.equal(expectedWait([], 'constructor'), undefined);
  assert.deepEqual(expectedWait([...two, seen('pca', 30)], 'pca'), { fromMs: 20, toMs: 40, source: 'seen' });
  const hundred = Array.from({ length: 100 }, (_, index) => seen('pca', 100 - index));
  assert.deepEqual(expectedWait(hundred, 'pca'), { fromMs: 10, toMs: 90, source: 'seen' });
  assert.deepEqual(expectedWait([], 's3-deep-archive-bulk'), {
    fromMs: 0,
    toMs: 48 * hourMs,
    source: 'class',
  });
});

test('what is expected was seen, and covers eight of ten', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 3, maxLength: 200 }), (waits) => {
      const wait = expectedWait(
        waits.map((waitedMs) => seen('x', waitedMs)),
        'x',
      );
      assert.equal(wait?.source, 'seen');
      const { fromMs, toMs } = wait!;
      assert.ok(waits.includes(fromMs) && waits.includes(toMs));
      const covered = waits.filter((waitedMs) => waitedMs >= fromMs && waitedMs <= toMs);
      assert.ok(covered.length * 10 >= waits.length * 8);
    }),
  );
});
