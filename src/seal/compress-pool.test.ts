import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { constants, gunzipSync, inflateRawSync } from 'node:zlib';
import { needs } from '../../test/peers.js';
import { CompressPool } from './compress-pool.js';
import type { Chunk } from './deflate.js';
import { GzipWriter } from './gzip.js';

const NOTHING = new Uint8Array(0);

/** The bytes as a chunk, in a buffer of its own. */
function chunkOf(bytes: Uint8Array, dictionary: Uint8Array = NOTHING): Chunk {
  const buffer = new Uint8Array(100 + dictionary.length + bytes.length);
  buffer.set(dictionary, 100);
  buffer.set(bytes, 100 + dictionary.length);
  return { buffer, windowAt: 100, chunkAt: 100 + dictionary.length, end: buffer.length };
}

/** Bytes that compress, different for each seed. */
function sample(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0, state = seed; i < sizeBytes; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state & 0x40000000 && i > 40 ? bytes[i - 40]! : 97 + ((state >>> 16) % 26);
  }
  return bytes;
}

function inflated(compressed: Uint8Array, dictionary: Uint8Array): Buffer {
  const options = { finishFlush: constants.Z_SYNC_FLUSH };
  return inflateRawSync(compressed, dictionary.length > 0 ? { ...options, dictionary } : options);
}

/** A pool that is past what it compresses without its threads. */
async function warmPool(threads: number): Promise<CompressPool> {
  const pool = new CompressPool({ threads, effort: 'fast' });
  await pool.compress(chunkOf(Buffer.alloc(4 * 1024 * 1024)));
  return pool;
}

/** One gzip member of everything, written through a pool. */
async function gzipped(plain: Buffer): Promise<Buffer> {
  const pool = new CompressPool({ threads: 2 });
  const pieces: Uint8Array[] = [];
  const writer = new GzipWriter((piece) => void pieces.push(piece), {
    compressor: pool,
    chunkBytes: 100_000,
  });
  for (let at = 0; at < plain.length; at += 70_000) await writer.write(plain.subarray(at, at + 70_000));
  await writer.finish();
  await pool.close();
  return Buffer.concat(pieces);
}

suite('CompressPool', () => {
  test('many chunks at once, large and small', async () => {
    const pool = await warmPool(2);
    const jobs = Array.from({ length: 24 }, (_, i) => {
      const plain = sample(30_000 + i * 9000, i);
      const cut = Math.min(32_768, i * 3000);
      return [plain.subarray(cut), plain.subarray(0, cut)] as const;
    });
    await Promise.all(
      jobs.map(async ([bytes, dictionary]) => {
        const compressed = await pool.compress(chunkOf(bytes, dictionary));
        assert.ok(compressed.length <= pool.boundBytes(bytes.length));
        assert.ok(inflated(compressed, dictionary).equals(bytes));
      }),
    );
    await pool.close();
  });

  test('a chunk that cannot be compressed rejects, and the next ones are compressed', async () => {
    const pool = await warmPool(1);
    const impossible = { ...chunkOf(sample(100_000, 1)), buffer: new BigInt64Array(100_100) };
    await assert.rejects(pool.compress(impossible as unknown as Chunk), TypeError);
    const plain = sample(100_000, 2);
    assert.ok(inflated(await pool.compress(chunkOf(plain)), NOTHING).equals(plain));
    await pool.close();
  });

  test('close rejects what is not ready, and what comes later', async () => {
    const pool = await warmPool(1);
    const waiting = Array.from({ length: 5 }, (_, i) => pool.compress(chunkOf(sample(200_000, i))));
    const outcomes = Promise.allSettled(waiting);
    await pool.close();
    assert.ok((await outcomes).every(({ status }) => status === 'rejected'));
    await assert.rejects(pool.compress(chunkOf(sample(10, 1))), /closed/);
    await pool.close();
  });

  test('idle threads let the process end', () => {
    const module = JSON.stringify(new URL('./compress-pool.js', import.meta.url).href);
    const script = `
      const { CompressPool } = await import(${module});
      const pool = new CompressPool({ threads: 2 });
      const end = 1 << 20;
      const chunk = () => ({ buffer: new Uint8Array(end), windowAt: 0, chunkAt: 0, end });
      for (let i = 0; i < 8; i++) await pool.compress(chunk());
      console.log('done');`;
    const options = { encoding: 'utf8', timeout: 60_000 } as const;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], options);
    assert.deepEqual({ status, stdout }, { status: 0, stdout: 'done\n' });
  });

  test('the chunks are one gzip member', async (t) => {
    const plain = Buffer.concat([sample(5_500_000, 4), Buffer.alloc(200_000), sample(300_000, 5)]);
    const file = await gzipped(plain);
    assert.ok(gunzipSync(file).equals(plain));
    if (!needs(t, 'gzip', 'python3')) return;
    const folder = mkdtempSync(join(tmpdir(), 'pool-'));
    try {
      const path = join(folder, 'file.gz');
      writeFileSync(path, file);
      assert.equal(spawnSync('gzip', ['-t', path]).status, 0);
      const code =
        'import sys,zlib; sys.stdout.buffer.write(zlib.decompress(open(sys.argv[1],"rb").read(),31))';
      const { stdout } = spawnSync('python3', ['-c', code, path], { maxBuffer: 1e8 });
      assert.ok(stdout.equals(plain));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
