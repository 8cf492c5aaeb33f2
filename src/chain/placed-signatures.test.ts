import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { emptyAttributes } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { accessPointsName } from './access-points.js';
import { LocalArchive } from './archive.js';
import { PlacedSignatures } from './placed-signatures.js';
import { SignatureFileWriter } from './signature-file.js';
import { keepSignaturePoints, readSignaturePoints, signaturePointBytes } from './signature-points.js';
import { collect, temporaryFolder } from './stores.fixture.js';

interface Placed {
  key: PathKey;
  startBytes: number;
  data: Buffer;
}

const noise = randomBytes(300_000);
const name = 'duplicity-full-signatures.20200101T000000Z.sigtar';

/** Small and large signatures, long paths among them, for some megabytes. */
function writePlain(path: string): Placed[] {
  const writer = new SignatureFileWriter(path);
  const placed: Placed[] = [];
  const header = { ...emptyAttributes, type: 'file' as const, name: '', sizeBytes: 0 };
  for (let i = 0; i < 900; i++) {
    const key = `folder\0${String(i).padStart(4, '0')}${i % 50 === 7 ? 'n'.repeat(300) : ''}`;
    const data = noise.subarray(i, i + (i % 97 === 3 ? 250_000 : (i * 37) % 3000));
    writer.add('signature', key, { ...header }, data);
    placed.push({ key, startBytes: writer.last!.startBytes, data });
  }
  writer.finish();
  return placed;
}

/** As one gzip member that can be unpacked from each of the points. */
function packed(plain: Buffer): { file: Buffer; points: number[] } {
  const { Z_SYNC_FLUSH } = constants;
  const member = gzipSync(Buffer.alloc(0)).subarray(0, 10);
  const parts = [member];
  const points: number[] = [];
  let size = member.length;
  for (let at = 0; at < plain.length; at += signaturePointBytes) {
    if (at > 0) points.push(size);
    const part = deflateRawSync(plain.subarray(at, at + signaturePointBytes), { finishFlush: Z_SYNC_FLUSH });
    parts.push(part);
    size += part.length;
  }
  const trailer = gzipSync(plain, { level: 1 }).subarray(-8);
  return { file: Buffer.concat([...parts, Buffer.from([3, 0]), trailer]), points };
}

/** An archive with a signature file that has points. */
async function withPoints(t: TestContext) {
  const archive = await LocalArchive.open(temporaryFolder(t));
  const plain = archive.pathOf(name);
  const placed = writePlain(plain);
  const { file, points } = packed(readFileSync(plain));
  const path = `${plain}.gz`;
  writeFileSync(path, file);
  await keepSignaturePoints(archive, basename(path), points);
  return { plain, path, placed, points, pointsPath: archive.pathOf(accessPointsName(basename(path))) };
}

async function assertReads(file: string, placed: readonly Placed[]): Promise<void> {
  const signatures = new PlacedSignatures(file, 128 * 1024);
  for (const { key, startBytes, data } of placed) {
    assert.ok(data.equals(await collect(signatures.data(key, startBytes))), key);
  }
  await signatures.close();
}

/** Every so many of them. */
function some(placed: readonly Placed[], step: number): Placed[] {
  return placed.filter((_, i) => i % step === 0);
}

async function assertRefused(file: string, { key, startBytes }: Placed, code: string): Promise<void> {
  const signatures = new PlacedSignatures(file, 128 * 1024);
  await assert.rejects(
    () => collect(signatures.data(key, startBytes)),
    (error) => error instanceof TundraError && error.code === code,
  );
  await signatures.close();
}

describe('signatures that are read from their places', () => {
  it('are all there, with access points and without, in order and out of it', async (t) => {
    const { plain, path, placed, points, pointsPath } = await withPoints(t);
    assert.ok(points.length > 20);
    assert.deepEqual(readSignaturePoints(path), points);
    assert.deepEqual(readSignaturePoints(plain), []);
    for (const file of [path, plain]) {
      for (const step of [1, 7, 200]) await assertReads(file, some(placed, step));
      await assertReads(file, some(placed, 100).reverse());
    }
    renameSync(pointsPath, `${pointsPath}.away`);
    await assertReads(path, some(placed, 7));
  });

  it('need nothing of the file but what is around them', async (t) => {
    const { path, placed, points } = await withPoints(t);
    const { mtimeMs } = statSync(path);
    const damaged = readFileSync(path);
    const middle = points.length >> 1;
    const last = Math.floor(placed.at(-1)!.startBytes / signaturePointBytes) - 1;
    damaged.fill(0xff, 10, points[middle]);
    writeFileSync(path, damaged);
    utimesSync(path, mtimeMs / 1000, mtimeMs / 1000);
    await keepAgain(path, points);
    const later = placed.filter(({ startBytes }) => startBytes >= (middle + 1) * signaturePointBytes);
    assert.ok(later.length > 10 && last > middle);
    await assertReads(path, some(later, 5));
    await assertRefused(path, placed[3]!, 'bad-archive-dir');
  });

  it('are found though their access points are wrong', async (t) => {
    const { path, placed, points } = await withPoints(t);
    await keepAgain(
      path,
      points.map((point) => point + 1),
    );
    await assertReads(path, some(placed, 50));
    await keepAgain(path, points.slice(1));
    await assertReads(path, some(placed, 50));
    await keepAgain(path, [...points.slice(0, 5), statSync(path).size * 2]);
    await assertReads(path, some(placed, 50));
  });

  it('are told where another entry is, or none', async (t) => {
    const { plain, path, placed } = await withPoints(t);
    const end = statSync(plain).size;
    for (const file of [path, plain]) {
      for (const [i, startBytes] of [
        [500, placed[501]!.startBytes],
        [500, placed[500]!.startBytes + 512],
        [500, 0],
        [500, end - 512],
        [500, end + 51200],
        [500, 2 ** 50],
      ] as const) {
        await assertRefused(file, { ...placed[i]!, startBytes }, 'format');
      }
    }
  });

  it('are an error where their file is cut short', async (t) => {
    const { plain, path, placed, points } = await withPoints(t);
    const last = placed.at(-1)!;
    truncateSync(plain, last.startBytes + 512);
    await assertRefused(plain, last, 'format');
    truncateSync(path, points[10]!);
    await assertRefused(path, last, 'bad-archive-dir');
    await assertReads(path, some(placed.slice(0, 100), 10));
  });

  it('have access points only while these fit the file and are whole', async (t) => {
    const { path, points, pointsPath } = await withPoints(t);
    const whole = readFileSync(pointsPath);
    for (let at = 0; at < whole.length - 1; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      writeFileSync(pointsPath, damaged);
      assert.deepEqual(readSignaturePoints(path), [], `byte ${at}`);
    }
    writeFileSync(pointsPath, whole.subarray(0, 100));
    assert.deepEqual(readSignaturePoints(path), []);
    writeFileSync(pointsPath, whole);
    assert.deepEqual(readSignaturePoints(path), points);
    utimesSync(path, 1000, 1000);
    assert.deepEqual(readSignaturePoints(path), []);
  });
});

/** Other points for a signature file, that fit it by size and time. */
async function keepAgain(path: string, points: readonly number[]): Promise<void> {
  await keepSignaturePoints(await LocalArchive.open(join(path, '..')), basename(path), points);
}
