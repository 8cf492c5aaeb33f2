import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { changeLargeFile, noise, writeLargeFile } from './contents.js';

test('the large file compresses, has no block twice, and changes by one in a hundred', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-bench-test-'));
  try {
    const path = join(folder, 'large');
    const sizeBytes = 9_000_000;
    writeLargeFile(path, sizeBytes);
    const before = readFileSync(path);
    assert.equal(before.length, sizeBytes);
    const ratio = deflateRawSync(before.subarray(0, 1_000_000)).length / 1_000_000;
    assert.ok(ratio > 0.1 && ratio < 0.3, `compresses to ${ratio}`);
    const blocks = new Set<string>();
    for (let at = 0; at < sizeBytes; at += 512) blocks.add(before.toString('latin1', at, at + 512));
    assert.equal(blocks.size, Math.ceil(sizeBytes / 512));

    changeLargeFile(path, sizeBytes, 1);
    const after = readFileSync(path);
    assert.equal(after.length, sizeBytes);
    const changed = after.reduce((sum, byte, at) => sum + (byte === before[at] ? 0 : 1), 0);
    // Some bytes are by chance what was there before.
    assert.ok(changed > 0.005 * sizeBytes && changed <= 0.01 * sizeBytes, `${changed} bytes changed`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('noise is the same for the same seed and does not compress', () => {
  const bytes = noise('a')(100_000);
  assert.deepEqual(noise('a')(100_000), bytes);
  assert.notDeepEqual(noise('b')(100_000), bytes);
  assert.ok(deflateRawSync(bytes).length >= bytes.length);
});
