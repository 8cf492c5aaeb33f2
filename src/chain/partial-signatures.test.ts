import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { emptyAttributes } from '../base/attributes.js';
import type { TarHeader } from '../format/tar/header.js';
import { lastPartialSignature, PartialSignatures, type SignatureLimit } from './partial-signatures.js';
import { SignatureFileWriter } from './signature-file.js';
import { temporaryFolder } from './stores.fixture.js';

const header = (): TarHeader => ({ ...emptyAttributes, name: '', sizeBytes: 0 });
const entries = [
  { key: 'a', size: 3 },
  { key: 'b', size: 512 },
  { key: `c${'c'.repeat(150)}`, size: 700 },
  { key: 'd', size: 0 },
  { key: 'e', size: 1025 },
];

/** A file of these entries, as it is before the end of the tar is written. */
function sigtar(t: TestContext, keys: readonly { key: string; size: number }[] = entries) {
  const path = join(temporaryFolder(t), 'sigtar');
  const writer = new SignatureFileWriter(path);
  const ends: number[] = [];
  for (const { key, size } of keys) {
    writer.add('signature', key, header(), Buffer.alloc(size, key));
    writer.flush();
    const bytes = readFileSync(path).length;
    ends.push(bytes - ((512 - (size % 512)) % 512));
  }
  writer.abandon();
  return { path, ends };
}

async function keysOf(path: string, limit?: SignatureLimit): Promise<string[]> {
  const signatures = new PartialSignatures(path, limit);
  const keys: string[] = [];
  for (let entry = await signatures.next(); entry !== undefined; entry = await signatures.next()) {
    keys.push(entry.key);
  }
  await signatures.close();
  return keys;
}

describe('the signatures of an interrupted run', () => {
  it('reach to the last one that is whole, wherever they are cut off', async (t) => {
    const { path, ends } = sigtar(t);
    const bytes = readFileSync(path);
    const sizes = new Set([...ends, ...ends.map((end) => end - 1), ...ends.map((end) => end + 1)]);
    for (let size = 0; size <= bytes.length; size += 64) sizes.add(size);
    for (const size of sizes) {
      writeFileSync(path, bytes.subarray(0, size));
      const whole = ends.filter((end) => end <= size).length;
      assert.equal(await lastPartialSignature(path), entries[whole - 1]?.key, `${size} bytes`);
    }
  });

  it('end where the bytes are no signatures any more', async (t) => {
    const { path, ends } = sigtar(t);
    const bytes = readFileSync(path);
    bytes.fill('x', Math.ceil((ends[1] as number) / 512) * 512);
    writeFileSync(path, bytes);
    assert.equal(await lastPartialSignature(path), 'b');
    assert.deepEqual(await keysOf(path), ['a', 'b']);
  });

  it('are taken up to a limit, with it or without', async (t) => {
    const { path } = sigtar(t);
    assert.deepEqual(await keysOf(path, { key: 'b', inclusive: true }), ['a', 'b']);
    assert.deepEqual(await keysOf(path, { key: 'b', inclusive: false }), ['a']);
    assert.deepEqual(await keysOf(path, { key: '', inclusive: true }), []);
  });

  it('count once where paths come again', async (t) => {
    const keys = ['a', 'b', 'a', 'b', 'c'].map((key) => ({ key, size: 1 }));
    assert.deepEqual(await keysOf(sigtar(t, keys).path), ['a', 'b', 'c']);
  });
});
