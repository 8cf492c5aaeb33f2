import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { measure } from './measure.js';

const script = (body: string) => ({ program: process.execPath, args: ['-e', body] });

test('memory of a program and of those it calls is taken together', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-bench-test-'));
  try {
    const hold = 'const held = Buffer.alloc(100e6, 1);';
    const wait = 'setTimeout(() => held.length, 800);';
    const call = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hold + wait)}]).on('exit', () => held.length);`;
    const { peakMb: alone } = await measure(script(hold + wait), folder);
    const { peakMb: both } = await measure(script(hold + call), folder);
    assert.ok(alone > 95 && alone < 180, `${alone} MB`);
    assert.ok(both > alone + 95, `${both} MB with a child, ${alone} MB alone`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a program that fails is an error with what it said', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-bench-test-'));
  try {
    const failing = measure(script("console.error('no room'); process.exit(7)"), folder);
    await assert.rejects(failing, /ended with 7\n.*no room/s);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
