import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { PathKey } from '../base/path-key.js';
import type { Cipher, SealOutput, SealWriter } from '../seal/cipher.js';
import { zlibCompressor } from '../seal/deflate.js';
import { GzipWriter } from '../seal/gzip.js';
import { type Block, blocksOfEntries, deletedEntry, fileEntry } from './blocks.fixture.js';
import { type CutterOptions, type SealedVolume, VolumeCutter } from './cutter.js';
import { VolumeFiles } from './volume-file.js';

const recordBytes = 10_240;
const trailerBytes = 20;

/**
 * A cipher that makes of each chunk as many bytes as `ratioOf` says, at most a little more than it took. It keeps the
 * plaintext of every file.
 */
class FakeCipher implements Cipher {
  readonly encrypted: boolean;
  readonly compressed = false;
  readonly plain: Buffer[][] = [];
  readonly #ratioOf: (chunk: Buffer) => number;
  readonly #isSlow: () => boolean;
  aborted = 0;

  constructor(encrypted: boolean, ratioOf: (chunk: Buffer) => number, isSlow = () => false) {
    this.encrypted = encrypted;
    this.#ratioOf = ratioOf;
    this.#isSlow = isSlow;
  }

  seal(output: SealOutput): SealWriter {
    const plain: Buffer[] = [];
    this.plain.push(plain);
    let pending: Buffer[] = [];
    let pendingBytes = 0;
    const push = async () => {
      if (pendingBytes === 0) return;
      const chunk = Buffer.concat(pending);
      const size = Math.max(1, Math.floor(chunk.length * this.#ratioOf(chunk)));
      pending = [];
      pendingBytes = 0;
      writer.bytesOut += size;
      await output(Buffer.alloc(size, createHash('md5').update(chunk).digest()));
    };
    const accessPoints: number[] = [];
    const writer = {
      accessPoints,
      beginAccessPoint: async () => {
        await push();
        accessPoints.push(writer.bytesOut);
      },
      bytesOut: 0,
      get bytesPending() {
        return pendingBytes + (pendingBytes >> 10) + trailerBytes;
      },
      write: (bytes: Uint8Array) => {
        const copy = Buffer.from(bytes);
        plain.push(copy);
        pending.push(copy);
        pendingBytes += copy.length;
        if (pendingBytes < 100_000) return undefined;
        return this.#isSlow() ? new Promise<void>((resolve) => setImmediate(resolve)).then(push) : push();
      },
      settle: push,
      finish: async () => {
        await push();
        writer.bytesOut += trailerBytes;
        await output(Buffer.alloc(trailerBytes));
      },
      abort: async () => void this.aborted++,
    };
    return writer;
  }

  plainOf(volume: number): Buffer {
    return Buffer.concat(this.plain[volume]!);
  }
}

function spoolFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-cutter-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Cuts blocks; the volumes stay in the folder. */
async function cut(
  folder: string,
  blocks: readonly Block[],
  options: Pick<CutterOptions, 'cipher' | 'limitBytes'> & Partial<CutterOptions>,
): Promise<SealedVolume[]> {
  const volumes: SealedVolume[] = [];
  const cutter = new VolumeCutter({
    files: new VolumeFiles(),
    firstNumber: 1,
    spoolPath: (number) => join(folder, `vol${number}`),
    onVolume: async (volume) => void volumes.push(volume),
    ...options,
  });
  if (blocks.length > 0) cutter.begin();
  const lent = Buffer.alloc(200_000);
  for (const { bytes, key, piece } of blocks) {
    lent.set(bytes);
    await cutter.add(lent.subarray(0, bytes.length), key, piece);
  }
  await cutter.finish();
  return volumes;
}

/** Blocks of many sizes: deletions, small files, pieces of large ones. */
function someBlocks(count: number): Block[] {
  const entries = Array.from({ length: count }, (_, i) => {
    const key = `f${String(i).padStart(4, '0')}`;
    return i % 3 === 0 ? deletedEntry(key) : fileEntry(key, randomBytes((i * 7919) % 150_000));
  });
  return blocksOfEntries(entries);
}

const allBlocks = someBlocks(24);

describe('VolumeCutter', () => {
  it('packs as many blocks as surely fit, never more, and records what lies where', async (t) => {
    const spool = spoolFolder(t);
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.integer({ min: 1000, max: 600_000 }),
        fc.nat(allBlocks.length),
        fc.tuple(
          fc.double({ min: 0.2, max: 1.001, noNaN: true }),
          fc.double({ min: 0.2, max: 1.001, noNaN: true }),
        ),
        async (encrypted, limitBytes, count, [one, other]) => {
          const folder = mkdtempSync(join(spool, 'run-'));
          const cipher = new FakeCipher(encrypted, (chunk) => (chunk.length % 2 ? one : other));
          const blocks = allBlocks.slice(0, count);
          const volumes = await cut(folder, blocks, { cipher, limitBytes });
          let next = 0;
          for (const [i, volume] of volumes.entries()) {
            const stored = readFileSync(volume.path);
            rmSync(volume.path);
            assert.equal(volume.number, i + 1);
            assert.equal(volume.sizeBytes, stored.length);
            assert.equal(volume.sha1Hex, createHash('sha1').update(stored).digest('hex'));
            const plain = cipher.plainOf(i);
            const first = next;
            let at = 0;
            while (next < blocks.length && at + blocks[next]!.bytes.length <= plain.length) {
              const { bytes } = blocks[next]!;
              if (!bytes.equals(plain.subarray(at, at + bytes.length))) break;
              at += bytes.length;
              next++;
            }
            if (blocks.length > 0) {
              assert.ok(next > first, 'a volume holds a block at least');
              assert.equal(volume.startKey, blocks[first]!.key);
              assert.equal(volume.startPiece ?? 0, blocks[first]!.piece);
              assert.equal(volume.endKey, blocks[next - 1]!.key);
              assert.equal(volume.endPiece ?? 0, blocks[next - 1]!.piece);
            }
            if (next - first > 1) assert.ok(stored.length <= limitBytes, `${stored.length} > ${limitBytes}`);
            const more = blocks[next]?.bytes.length;
            if (!encrypted && more !== undefined) {
              assert.ok(
                stored.length + more + (more >> 9) + 64 > limitBytes,
                'the next block would have fit',
              );
            }
            assertEnd(plain.subarray(at), at, encrypted, i === volumes.length - 1);
          }
          assert.equal(next, blocks.length);
          assert.equal(cipher.plain.length, volumes.length);
          assert.deepEqual(readdirSync(folder), []);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('cuts by the data alone, however the sealing lags', async (t) => {
    const folder = spoolFolder(t);
    const ends = async (isSlow: () => boolean) => {
      const cipher = new FakeCipher(true, (chunk) => ((chunk[chunk.length >> 1]! % 8) + 3) / 10, isSlow);
      const volumes = await cut(folder, allBlocks, { cipher, limitBytes: 150_000 });
      for (const { path } of volumes) rmSync(path);
      return volumes.map(({ endKey, endPiece }) => `${endKey} ${endPiece}`);
    };
    const once = await ends(() => false);
    assert.ok(once.length > 2);
    let turn = 0;
    assert.deepEqual(await ends(() => true), once);
    assert.deepEqual(await ends(() => turn++ % 3 === 0), once);
  });

  it('gives a volume to a block that is larger than one', async (t) => {
    const cipher = new FakeCipher(true, () => 1);
    const volumes = await cut(spoolFolder(t), allBlocks, { cipher, limitBytes: 1 });
    assert.equal(volumes.length, allBlocks.length);
    assert.ok(volumes.every(({ startKey, endKey }) => startKey === endKey));
  });

  it('fills encrypted volumes but the last up to their size, with noise', async (t) => {
    const cipher = new FakeCipher(true, () => 1);
    const limitBytes = 400_000;
    const volumes = await cut(spoolFolder(t), allBlocks, { cipher, limitBytes });
    const last = volumes.pop()!;
    assert.ok(volumes.length > 1);
    for (const { sizeBytes } of volumes) assert.ok(sizeBytes <= limitBytes && sizeBytes > limitBytes - 2048);
    assert.equal(last.sizeBytes, cipher.plainOf(volumes.length).length + trailerBytes);
    const tails = volumes.map((_, i) => cipher.plainOf(i).subarray(-1000).toString('latin1'));
    assert.equal(new Set(tails).size, tails.length);
  });

  it('keeps to the limit with real compression of what does not compress', async (t) => {
    const folder = spoolFolder(t);
    const compressor = zlibCompressor(1);
    const cipher: Cipher = {
      encrypted: false,
      compressed: true,
      seal: (output) => new GzipWriter(output, { compressor }),
    };
    const blocks = Array.from(
      { length: 10 },
      (_, i): Block => ({ key: `${i}`, piece: 0, bytes: randomBytes(66_048) }),
    );
    // Four blocks fit only with what they grow by and the frame; where exactly that begins is not told.
    for (const sparedBytes of [0, 40, 80, 120, 160, 200, 240, 280, 320, 360, 1000]) {
      const limitBytes = 4 * 66_048 + sparedBytes;
      const volumes = await cut(folder, blocks, { cipher, limitBytes });
      const stored = volumes.map(({ path }) => readFileSync(path));
      for (const { path, sizeBytes } of volumes) {
        rmSync(path);
        assert.ok(sizeBytes <= limitBytes, `${sizeBytes} > ${limitBytes}`);
      }
      const plain = stored.map((bytes) => gunzipSync(bytes));
      assert.ok(Buffer.concat(plain).equals(Buffer.concat(blocks.map(({ bytes }) => bytes))));
      if (sparedBytes === 0) assert.equal(volumes[0]!.endKey, '2');
      if (sparedBytes === 1000) assert.equal(volumes[0]!.endKey, '3');
    }
  });

  it('makes the first volume also where there is nothing, but none to go on with', async (t) => {
    const plainCipher = new FakeCipher(false, () => 1);
    const [plain, ...more] = await cut(spoolFolder(t), [], { cipher: plainCipher, limitBytes: 1000 });
    assert.deepEqual(more, []);
    assert.equal(plain?.number, 1);
    const folder = spoolFolder(t);
    assert.deepEqual(await cut(folder, [], { cipher: plainCipher, limitBytes: 1000, firstNumber: 7 }), []);
    assert.deepEqual(readdirSync(folder), []);
    const [next] = await cut(folder, allBlocks, { cipher: plainCipher, limitBytes: 1e9, firstNumber: 7 });
    assert.equal(next?.number, 7);
    assert.deepEqual([plain?.startKey, plain?.endKey, plain?.endPiece], ['', '', undefined]);
    const cipher = new FakeCipher(true, () => 1);
    await cut(spoolFolder(t), [], { cipher, limitBytes: 1000 });
    assert.deepEqual(cipher.plainOf(0), Buffer.alloc(recordBytes));
  });

  it('begins a volume only when the one before was taken', async (t) => {
    const folder = spoolFolder(t);
    let busy = false;
    const cipher = new FakeCipher(false, () => 1);
    await cut(folder, allBlocks, {
      cipher,
      limitBytes: 200_000,
      onVolume: async ({ path }) => {
        busy = true;
        await new Promise((resolve) => setImmediate(resolve));
        rmSync(path);
        assert.deepEqual(readdirSync(folder), []);
        busy = false;
      },
    });
    assert.equal(busy, false);
  });

  it('leaves neither file nor handle behind when it is given up', async (t) => {
    const folder = spoolFolder(t);
    const before = readdirSync('/proc/self/fd').length;
    const cipher = new FakeCipher(false, () => 1);
    const cutter = new VolumeCutter({
      cipher,
      files: new VolumeFiles(),
      limitBytes: 10_000,
      firstNumber: 1,
      spoolPath: (number) => join(folder, `vol${number}`),
      onVolume: () => Promise.reject(new Error('no space')),
    });
    await cutter.add(Buffer.alloc(9000), 'a', 0);
    assert.deepEqual(readdirSync(folder), ['vol1']);
    await cutter.abort();
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(cipher.aborted, 1);
    await cutter.abort();
    await cutter.add(Buffer.alloc(9000), 'a', 0);
    await assert.rejects(async () => cutter.add(Buffer.alloc(9000), 'b', 0), { message: 'no space' });
    await cutter.abort();
    assert.deepEqual(readdirSync(folder), ['vol1']);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });

  it('makes no file where sealing is refused, and frees its handle where it fails', async (t) => {
    const folder = spoolFolder(t);
    const before = readdirSync('/proc/self/fd').length;
    const options = {
      files: new VolumeFiles(),
      limitBytes: 10,
      firstNumber: 1,
      spoolPath: () => join(folder, 'vol'),
      onVolume: async () => {},
    };
    const refusing = {
      encrypted: true,
      compressed: false,
      seal: () => {
        throw new Error('no passphrase');
      },
    };
    assert.throws(() => new VolumeCutter({ ...options, cipher: refusing }).begin(), {
      message: 'no passphrase',
    });
    const failing: Cipher = {
      encrypted: false,
      compressed: false,
      seal: () => ({
        bytesOut: 0,
        bytesPending: 0,
        accessPoints: [],
        beginAccessPoint: async () => {},
        write: () => undefined,
        settle: async () => {},
        finish: () => Promise.reject(new Error('gpg is gone')),
        abort: () => Promise.reject(new Error('cannot be ended')),
      }),
    };
    const cutter = new VolumeCutter({ ...options, cipher: failing });
    await assert.rejects(cutter.finish(), { message: 'gpg is gone' });
    await assert.rejects(cutter.abort(), { message: 'cannot be ended' });
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });

  it('begins access points where entries begin, so far apart', async (t) => {
    const cipher = new FakeCipher(true, () => 0.5);
    const accessDistanceBytes = 60_000;
    const options = { cipher, limitBytes: 300_000, accessDistanceBytes };
    const volumes = await cut(spoolFolder(t), allBlocks, options);
    assert.ok(volumes.length > 1);
    let at = 0;
    let count = 0;
    for (const { accessPoints } of volumes) {
      // What the writer was given before each point, by the sizes of the blocks.
      const expected: PathKey[] = [];
      const plain = cipher.plainOf(volumes.findIndex((one) => one.accessPoints === accessPoints));
      let size = 0;
      let last = 0;
      let previous: PathKey = '';
      while (at < allBlocks.length && size + allBlocks[at]!.bytes.length <= plain.length) {
        const { bytes, key } = allBlocks[at]!;
        if (!plain.subarray(size, size + bytes.length).equals(bytes)) break;
        if (size - last >= accessDistanceBytes && key > previous) {
          expected.push(previous);
          last = size;
        }
        previous = key;
        size += bytes.length;
        at++;
      }
      assert.deepEqual(
        accessPoints.map(({ after }) => after),
        expected,
      );
      count += expected.length;
    }
    assert.equal(at, allBlocks.length);
    assert.ok(count > volumes.length, `${count} in ${volumes.length} volumes`);
  });
});

/** What follows the blocks of a volume: in an encrypted one the end of a tar, and noise if more volumes come. */
function assertEnd(rest: Buffer, blocksBytes: number, encrypted: boolean, isLast: boolean): void {
  if (!encrypted) {
    assert.equal(rest.length, 0);
    return;
  }
  const zeros = Math.ceil((blocksBytes + 1024) / recordBytes) * recordBytes - blocksBytes;
  assert.deepEqual(rest.subarray(0, zeros), Buffer.alloc(zeros));
  if (isLast) assert.equal(rest.length, zeros);
}
