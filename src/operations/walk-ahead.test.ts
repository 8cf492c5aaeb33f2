import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { latin1OfNative } from '../base/path-key.js';
import type { SelectionRule } from '../source/selection.js';
import { prepareWalk } from './prepare-walk.js';
import { startThread } from './thread.js';
import { entriesPerBatch, WalkGate } from './walk-ahead.js';
import type { WalkReaderInput, WalkReaderResult } from './walk-reader.fixture.js';

function sourceFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-walk-ahead-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Walks in one thread and reads in another. */
async function walked(
  folder: string,
  rules: readonly SelectionRule[] = [],
  limit = Number.POSITIVE_INFINITY,
): Promise<WalkReaderResult> {
  const root = latin1OfNative(folder);
  const gate = WalkGate.create();
  const { port1, port2 } = new MessageChannel();
  const walk = prepareWalk().begin({ root, rules, followLinks: false, port: port2, gate }, [port2]);
  const reader = startThread<WalkReaderInput, WalkReaderResult>(
    new URL('./walk-reader.fixture.js', import.meta.url),
    { root, port: port1, gate, limit },
    [port1],
  );
  try {
    for await (const result of reader.messages) return result;
    return assert.fail('the reader said nothing');
  } finally {
    await Promise.all([walk.stop(), reader.stop()]);
  }
}

describe('a walk that runs ahead', { timeout: 60_000 }, () => {
  it('gives every entry once and in order, also more than may be on their way', async (t) => {
    const folder = sourceFolder(t);
    const names = Array.from({ length: 18 * entriesPerBatch }, (_, i) => String(i).padStart(5, '0'));
    for (const name of names) writeFileSync(join(folder, name), '');
    const { keys, failure } = await walked(folder);
    assert.equal(failure, undefined);
    assert.deepEqual(keys, ['', ...names]);
  });

  it('gives an empty folder, and one that fills its batch exactly', async (t) => {
    assert.deepEqual((await walked(sourceFolder(t))).keys, ['']);
    const folder = sourceFolder(t);
    for (let i = 1; i < entriesPerBatch; i++) writeFileSync(join(folder, `${i}`), '');
    assert.equal((await walked(folder)).keys.length, entriesPerBatch);
  });

  it('tells what was left out', async (t) => {
    const folder = sourceFolder(t);
    writeFileSync(join(folder, 'file'), '');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
    const { keys, warnings, failure } = await walked(folder);
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual([keys, failure], [['', 'file'], undefined]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /socket/);
  });

  it('selects as the rules say', async (t) => {
    const folder = sourceFolder(t);
    mkdirSync(join(folder, 'd'));
    for (const name of ['a', 'd/b', 'd/c']) writeFileSync(join(folder, name), '');
    const rules: SelectionRule[] = [
      { kind: 'exclude', glob: `${latin1OfNative(folder)}/d/b` },
      { kind: 'exclude', glob: '**/a' },
    ];
    assert.deepEqual((await walked(folder, rules)).keys, ['', 'd', 'd\0c']);
  });

  it('hands on why it cannot walk', async (t) => {
    const rules: SelectionRule[] = [{ kind: 'include', glob: '/not/in/the/source' }];
    const { keys, failure } = await walked(sourceFolder(t), rules);
    assert.deepEqual(keys, []);
    assert.match(failure!, /not\/in\/the\/source/);
  });

  it('can be left before its end', async (t) => {
    const folder = sourceFolder(t);
    for (let i = 0; i < 2 * entriesPerBatch; i++) writeFileSync(join(folder, `${i}`), '');
    assert.equal((await walked(folder, [], 10)).keys.length, 10);
  });
});
