import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { archivePlace, diskError, temporaryPlace } from '../base/local-disk.js';
import { DamagedArchiveFile, LocalArchive } from './archive.js';
import { collect, lentPieces, temporaryFolder } from './stores.fixture.js';

const sigtar = 'duplicity-full-signatures.20200101T000000Z.sigtar.gz';
const manifest = 'duplicity-full.20200101T000000Z.manifest';

async function* failing(): AsyncGenerator<Buffer> {
  yield Buffer.from('first');
  throw new Error('no more');
}

describe('LocalArchive', () => {
  it('makes its folder for the owner only', async (t) => {
    const folder = join(temporaryFolder(t), 'a', 'b');
    const archive = await LocalArchive.open(folder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.deepEqual(await archive.list(), []);
  });

  it('refuses a place that is no folder', async (t) => {
    const path = join(temporaryFolder(t), 'file');
    writeFileSync(path, '');
    await assert.rejects(LocalArchive.open(path), { code: 'bad-archive-dir', exitStatus: 9 });
    await assert.rejects(LocalArchive.open(join(path, 'below')), { code: 'bad-archive-dir' });
  });

  it('keeps manifests plain and signatures gzipped, and reads both back', async (t) => {
    const archive = await LocalArchive.open(temporaryFolder(t));
    const bytes = randomBytes(700_000);
    for (const name of [manifest, sigtar]) {
      await archive.write(name, lentPieces(bytes));
      assert.deepEqual(await collect(archive.read(name)), bytes);
      assert.equal(statSync(archive.pathOf(name)).mode & 0o777, 0o600);
    }
    assert.deepEqual(readFileSync(archive.pathOf(manifest)), bytes);
    assert.deepEqual(gunzipSync(readFileSync(archive.pathOf(sigtar))), bytes);
    assert.deepEqual((await archive.list()).sort(), [sigtar, manifest].sort());
  });

  it('stores what is gzipped already as it is', async (t) => {
    const archive = await LocalArchive.open(temporaryFolder(t));
    const gzipped = gzipSync('signatures', { level: 1 });
    await archive.writeGzipped(sigtar, lentPieces(gzipped, 7));
    assert.deepEqual(readFileSync(archive.pathOf(sigtar)), gzipped);
  });

  it('leaves the old file and no other one when a write fails', async (t) => {
    const folder = temporaryFolder(t);
    const archive = await LocalArchive.open(folder);
    await archive.write(sigtar, lentPieces(Buffer.from('old')));
    await assert.rejects(archive.write(sigtar, failing()), /no more/);
    await assert.rejects(archive.writeGzipped(sigtar, failing()), /no more/);
    const cut = gzipSync(randomBytes(10_000)).subarray(0, -9);
    await assert.rejects(archive.writeGzipped(sigtar, lentPieces(cut)), { code: 'format' });
    assert.deepEqual(readdirSync(folder), [sigtar]);
    assert.equal(String(await collect(archive.read(sigtar))), 'old');
  });

  it('leaves no file when the source fails before it is open', async (t) => {
    const archive = await LocalArchive.open(temporaryFolder(t));
    const writes = Array.from({ length: 50 }, () => archive.write(manifest, failing()));
    for (const result of await Promise.allSettled(writes)) assert.equal(result.status, 'rejected');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await archive.list(), []);
  });

  it('says so when its folder is gone', async (t) => {
    const folder = join(temporaryFolder(t), 'gone');
    const archive = await LocalArchive.open(folder);
    rmSync(folder, { recursive: true });
    await assert.rejects(archive.write(manifest, lentPieces(Buffer.from('x'))), { code: 'bad-archive-dir' });
    await assert.rejects(archive.list(), { code: 'bad-archive-dir' });
  });

  it('tells a damaged file from a good one', async (t) => {
    const archive = await LocalArchive.open(temporaryFolder(t));
    const gzipped = gzipSync(randomBytes(50_000));
    const flipped = Buffer.from(gzipped);
    flipped[flipped.length - 6]! ^= 1;
    const states = {
      whole: gzipped,
      cut: gzipped.subarray(0, 30_000),
      flipped,
      empty: Buffer.alloc(0),
      text: 'x',
    };
    const readable: Record<string, boolean> = {};
    for (const [state, bytes] of Object.entries(states)) {
      writeFileSync(archive.pathOf(`${state}.gz`), bytes);
      readable[state] = await archive.isReadable(`${state}.gz`);
    }
    assert.deepEqual(readable, { whole: true, cut: false, flipped: false, empty: false, text: false });
    assert.equal(await archive.isReadable('missing.gz'), false);
    await assert.rejects(collect(archive.read('cut.gz')), (error) => {
      assert.ok(error instanceof DamagedArchiveFile);
      assert.equal(error.fileName, 'cut.gz');
      assert.match(error.message, /cut\.gz is damaged/);
      return true;
    });
  });

  it('refuses names that leave the folder', async (t) => {
    const archive = await LocalArchive.open(temporaryFolder(t));
    for (const name of ['', '.', '..', 'a/b', '../x', 'a\0']) {
      assert.throws(() => archive.pathOf(name), { code: 'format' });
      await assert.rejects(archive.write(name, lentPieces(Buffer.from('x'))), { code: 'format' });
    }
  });

  it('removes files and the leftovers of dead runs, and nothing else', async (t) => {
    const folder = temporaryFolder(t);
    const archive = await LocalArchive.open(folder);
    writeFileSync(archive.newTemporaryPath(), 'half');
    for (const name of [manifest, 'lockfile', '.tundra-notes.tmp']) writeFileSync(join(folder, name), '');
    mkdirSync(join(folder, 'duplicity-abc-tempdir'));
    await archive.removeLeftovers();
    const rest = ['.tundra-notes.tmp', 'duplicity-abc-tempdir', manifest, 'lockfile'];
    assert.deepEqual(readdirSync(folder).sort(), rest.sort());
    await archive.remove(manifest);
    await archive.remove(manifest);
    assert.equal(existsSync(join(folder, manifest)), false);
  });

  it('gives a file made elsewhere in the folder its name', async (t) => {
    const archive = await LocalArchive.open(temporaryFolder(t));
    const path = archive.newTemporaryPath();
    await assert.rejects(archive.keepAs(path, manifest), { code: 'bad-archive-dir' });
    writeFileSync(path, 'text');
    await archive.keepAs(path, manifest);
    assert.deepEqual(await archive.list(), [manifest]);
  });
});

describe('diskError', () => {
  const systemError = (code: string) => Object.assign(new Error(`${code}: it failed`), { code });

  it('says what to do about it', () => {
    const full = diskError(systemError('ENOSPC'), archivePlace, '/a', 'cannot be written');
    assert.equal(full.exitStatus, 34);
    assert.equal(full.retry, 'later');
    assert.match(full.advice!, /--archive-dir/);
    for (const errno of ['EACCES', 'EROFS', 'EIO']) {
      const error = diskError(systemError(errno), archivePlace, '/a', 'cannot be written');
      assert.equal(error.exitStatus, 9);
      assert.match(error.message, new RegExp(errno));
    }
    assert.match(diskError(systemError('EROFS'), temporaryPlace, '/a', 'x').advice!, /--tempdir/);
  });

  it('lets an error through that says it already', () => {
    assert.equal(diskError(full(), temporaryPlace, '/b', 'x').code, 'no-free-space');
    function full() {
      return diskError(systemError('ENOSPC'), archivePlace, '/a', 'x');
    }
  });
});
