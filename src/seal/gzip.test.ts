import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { needs } from '../../test/peers.js';
import { collectBytes } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { zlibCompressor } from './deflate.js';
import { GzipWriter, gunzipFile } from './gzip.js';
import { PlainWriter } from './plain.js';

const folder = mkdtempSync(join(tmpdir(), 'tundra-gzip-'));
after(() => rmSync(folder, { recursive: true }));

const text = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${(i * 7919) % 9973}\n`).join(''));

async function gzipped(plain: Uint8Array, chunkBytes = 16 * 1024): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const writer = new GzipWriter((piece) => void pieces.push(piece), {
    compressor: zlibCompressor(6),
    chunkBytes,
  });
  for (let offset = 0; offset < plain.length; offset += 1000) {
    await writer.write(plain.subarray(offset, offset + 1000));
  }
  const bound = writer.bytesOut + writer.bytesPending;
  await writer.finish();
  const file = Buffer.concat(pieces);
  assert.equal(writer.bytesOut, file.length);
  assert.ok(bound >= file.length);
  assert.equal(writer.bytesPending, 0);
  return file;
}

function read(bytes: Uint8Array): Promise<Buffer> {
  const path = join(folder, 'file.gz');
  writeFileSync(path, bytes);
  return collectBytes(gunzipFile(path, 'x.gz'), 1e8);
}

suite('gzip', () => {
  test('what is written is read back, and the header has no time', async () => {
    for (const plain of [Buffer.alloc(0), Buffer.of(7), text]) {
      const file = await gzipped(plain);
      assert.equal(file.subarray(0, 10).toString('hex'), '1f8b0800000000000003');
      assert.deepEqual(gunzipSync(file), plain);
      assert.deepEqual(await read(file), plain);
    }
  });

  test('gzip takes it as whole', async (t) => {
    if (!needs(t, 'gzip')) return;
    const path = join(folder, 'whole.gz');
    writeFileSync(path, await gzipped(text));
    execFileSync('gzip', ['-t', path]);
    assert.deepEqual(execFileSync('gzip', ['-dc', path]), text);
  });

  test('settle leaves little to come', async () => {
    const pieces: Uint8Array[] = [];
    const writer = new GzipWriter((piece) => void pieces.push(piece), { compressor: zlibCompressor(6) });
    await writer.write(text);
    await writer.settle();
    assert.equal(writer.bytesPending, 10);
    const settledBytes = Buffer.concat(pieces).length;
    assert.equal(writer.bytesOut, settledBytes);
    await writer.finish();
    assert.equal(writer.bytesOut, settledBytes + 10);
    assert.deepEqual(gunzipSync(Buffer.concat(pieces)), text);
  });

  test('a file of several members is all of them', async () => {
    const file = Buffer.concat([gzipSync('one '), gzipSync(''), gzipSync('two')]);
    assert.equal((await read(file)).toString(), 'one two');
  });

  test('pieces are large', async () => {
    const path = join(folder, 'large.gz');
    writeFileSync(path, gzipSync(Buffer.alloc(1_000_000, text)));
    const sizes: number[] = [];
    for await (const piece of gunzipFile(path, 'large.gz')) sizes.push(piece.length);
    assert.ok(sizes.slice(0, -1).every((size) => size >= 65536));
  });

  test('a file that is cut short anywhere is refused by name', async () => {
    const file = gzipSync(text.subarray(0, 300));
    for (let size = 0; size < file.length; size++) {
      await assert.rejects(read(file.subarray(0, size)), (error) => {
        assert.ok(error instanceof TundraError && error.code === 'format', String(error));
        assert.match(error.message, /x\.gz/);
        return true;
      });
    }
  });

  test('damaged data is refused', async () => {
    const file = gzipSync(text.subarray(0, 300));
    for (let position = 10; position < file.length; position++) {
      const damaged = Buffer.from(file);
      damaged[position]! ^= 0x55;
      await assert.rejects(read(damaged), { name: 'TundraError', code: 'format' }, `byte ${position}`);
    }
  });

  test('reading can stop early', async () => {
    const path = join(folder, 'early.gz');
    writeFileSync(path, gzipSync(Buffer.alloc(5_000_000, text)));
    for await (const piece of gunzipFile(path, 'early.gz')) {
      assert.ok(piece.length > 0);
      break;
    }
  });
});

test('plain files are gathered into pieces, and settle lets go of all', async () => {
  const pieces: Uint8Array[] = [];
  const writer = new PlainWriter((piece) => void pieces.push(piece));
  for (let i = 0; i < 700; i++) await writer.write(text.subarray(0, 1000));
  assert.equal(writer.bytesOut + writer.bytesPending, 700_000);
  await writer.settle();
  assert.equal(writer.bytesPending, 0);
  await writer.write(text.subarray(0, 5));
  await writer.finish();
  assert.ok(pieces.length < 6);
  const all = Buffer.concat(pieces);
  assert.equal(all.length, 700_005);
  assert.deepEqual(all.subarray(699_000, 700_000), text.subarray(0, 1000));
});
