import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { type VolumeFile, VolumeFiles } from './volume-file.js';

const files = new VolumeFiles();
after(() => files.close());

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tundra-volume-file-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Writes copies of the pieces: what is handed over may be gone. */
async function write(file: VolumeFile, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) await file.write(Uint8Array.from(piece));
}

function isOpenAt(fd: number, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === path;
  } catch {
    return false;
  }
}

describe('VolumeFile', () => {
  for (const [what, sizes] of [
    ['nothing', []],
    ['a few bytes', [1, 2, 3]],
    ['what is written here', [500_000, 500_000]],
    ['what a thread writes', Array.from({ length: 60 }, (_, i) => (i % 7) * 40_000 + i)],
  ] as const) {
    it(`holds ${what}, and tells its size and hash`, async (t) => {
      const path = join(folder(t), 'file');
      const pieces = sizes.map((size) => randomBytes(size));
      const file = files.create(path);
      await write(file, pieces);
      const whole = Buffer.concat(pieces);
      assert.deepEqual(await file.finish(), {
        sizeBytes: whole.length,
        sha1Hex: createHash('sha1').update(whole).digest('hex'),
      });
      assert.ok(readFileSync(path).equals(whole));
    });
  }

  it('takes whole buffers over, and copies what lies in a larger one', async (t) => {
    const path = join(folder(t), 'file');
    const file = files.create(path);
    const [own, large] = [new Uint8Array(2_000_000).fill(1), new Uint8Array(100_000).fill(2)];
    const part = large.subarray(50_000);
    await file.write(own);
    await file.write(part);
    assert.equal(own.buffer.byteLength, 0);
    part.fill(3);
    await file.finish();
    assert.deepEqual(
      readFileSync(path),
      Buffer.concat([Buffer.alloc(2_000_000, 1), Buffer.alloc(50_000, 2)]),
    );
  });

  it('makes the writer wait, and several files at once do not mix', async (t) => {
    const path = folder(t);
    const both = ['a', 'b'].map((name) => files.create(join(path, name)));
    let waits = 0;
    for (let i = 0; i < 40; i++) {
      for (const [number, file] of both.entries()) {
        const waiting = file.write(new Uint8Array(300_000).fill(number));
        if (waiting === undefined) continue;
        waits++;
        await waiting;
      }
    }
    assert.ok(waits > 0);
    await Promise.all(both.map((file) => file.finish()));
    for (const [number, name] of ['a', 'b'].entries()) {
      assert.ok(readFileSync(join(path, name)).equals(Buffer.alloc(40 * 300_000, number)));
    }
  });

  it('is gone after abort, with its handle, whatever is on its way', async (t) => {
    const path = folder(t);
    const before = readdirSync('/proc/self/fd').length;
    for (const sizeBytes of [10, 3_000_000]) {
      const file = files.create(join(path, 'file'));
      await file.write(new Uint8Array(sizeBytes));
      await file.abort();
      await file.abort();
    }
    assert.deepEqual(readdirSync(path), []);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });

  it('must not exist before', (t) => {
    const path = join(folder(t), 'file');
    writeFileSync(path, 'something');
    assert.throws(() => files.create(path), { code: 'generic', message: /file cannot be written/ });
    assert.equal(readFileSync(path, 'latin1'), 'something');
  });

  it('fails where it cannot be written, here and in the thread', async (t) => {
    const path = join(folder(t), 'file');
    for (const sizeBytes of [10, 3_000_000]) {
      const file = files.create(path);
      // As when a disk fails: the handle takes nothing any more.
      for (const fd of readdirSync('/proc/self/fd').map(Number)) if (isOpenAt(fd, path)) closeSync(fd);
      await assert.rejects(
        async () => {
          for (let i = 0; i < 20; i++) await file.write(new Uint8Array(sizeBytes));
          await file.finish();
        },
        { code: 'generic', message: /file cannot be written: EBADF/ },
      );
      rmSync(path);
    }
  });

  it('fails when its thread is ended', async (t) => {
    const own = new VolumeFiles();
    const file = own.create(join(folder(t), 'file'));
    await file.write(new Uint8Array(3_000_000));
    await own.close();
    await assert.rejects(file.finish(), { code: 'unexpected' });
    await file.abort();
  });
});
