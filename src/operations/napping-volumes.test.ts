import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openFilesAt } from '../base/open-files.fixture.js';
import type { ReadableFile } from '../seal/unpacked-here.js';
import { readyBytes, VolumeReader } from './napping-volumes.js';

describe('what lies ready of a volume', () => {
  it('is a whole number of bytes, however many sets there are', () => {
    for (let sets = 1; sets < 20_000; sets++) {
      const bytes = readyBytes(sets);
      assert.ok(Number.isInteger(bytes) && bytes >= 1024 && bytes <= 8192, `${sets}: ${bytes}`);
    }
  });
});

describe('volumes of many sets, read by one thread', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-napping-'));
  const contents = Array.from({ length: 60 }, (_, set) => randomBytes(60_000 + set));
  const file = (set: number): ReadableFile => ({
    path: join(folder, `vol${set}`),
    name: `vol${set}`,
    sealing: { kind: set % 2 === 0 ? 'plain' : 'gzip' },
    accessPoint: undefined,
  });
  const store = (set: number, bytes: Uint8Array) =>
    writeFileSync(file(set).path, set % 2 === 0 ? bytes : gzipSync(bytes));
  before(() => {
    for (const [set, bytes] of contents.entries()) store(set, bytes);
  });
  const readers: VolumeReader[] = [];
  let made = 0;
  const readerOf = (sets: number) => {
    const reader = new VolumeReader(sets, () => join(folder, `stash${made++}`));
    readers.push(reader);
    return reader;
  };
  after(() => {
    for (const reader of readers) reader.close();
    rmSync(folder, { recursive: true });
  });

  const openFiles = () => openFilesAt(join(folder, 'vol'));

  const withoutProc = process.platform !== 'linux' && 'needs /proc';
  it('are not all open at a time, and come whole', { skip: withoutProc }, async () => {
    const reader = readerOf(contents.length);
    const streams = contents.map((_, set) => reader.read(file(set))[Symbol.asyncIterator]());
    const came = contents.map((): Buffer[] => []);
    let mostOpen = 0;
    for (let left = streams.length; left > 0; ) {
      left = 0;
      for (const [set, stream] of streams.entries()) {
        const { value, done } = await stream.next();
        if (done) continue;
        left++;
        came[set]?.push(Buffer.from(value));
        mostOpen = Math.max(mostOpen, openFiles());
      }
    }
    assert.equal(mostOpen, 32);
    for (const [set, bytes] of contents.entries()) assert.ok(Buffer.concat(came[set] ?? []).equals(bytes));
    assert.equal(openFiles(), 0);
  });

  it('are all open where there are few sets', { skip: withoutProc }, async () => {
    const reader = readerOf(32);
    const streams = contents.map((_, set) => reader.read(file(set))[Symbol.asyncIterator]());
    for (const stream of streams) await stream.next();
    assert.equal(openFiles(), 60);
    for (const stream of streams) await stream.return?.();
  });

  /** Reads some of volume 0, then of all others, so that it is closed, and then does something to it. */
  async function restOfFirst(change: () => void): Promise<number> {
    const reader = readerOf(contents.length);
    const streams = contents.map((_, set) => reader.read(file(set))[Symbol.asyncIterator]());
    for (const stream of streams) await stream.next();
    change();
    let count = 0;
    try {
      while (!(await streams[0]?.next())?.done) count++;
    } finally {
      for (const stream of streams) await stream.return?.();
    }
    return count;
  }

  it('that get another name or mode meanwhile are still the same', async () => {
    assert.ok((await restOfFirst(() => chmodSync(file(0).path, 0o600))) > 5);
  });

  it('that were replaced or removed are refused', async () => {
    const refusal = { code: 'backend-not-found', message: /^vol0 was removed or replaced while it was read/ };
    await assert.rejects(
      restOfFirst(() => {
        writeFileSync(join(folder, 'other'), contents[0] as Uint8Array);
        renameSync(join(folder, 'other'), file(0).path);
      }),
      refusal,
    );
    await assert.rejects(
      restOfFirst(() => rmSync(file(0).path)),
      refusal,
    );
    await assert.rejects(
      restOfFirst(() => {}),
      refusal,
    );
    store(0, contents[0] as Uint8Array);
  });
});
