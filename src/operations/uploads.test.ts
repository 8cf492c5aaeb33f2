import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { PutSource, StorageBackend } from '../storage/backend.js';
import { fileSource, UploadQueue, uploadFile } from './uploads.js';

function localFile(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-uploads-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'volume');
  writeFileSync(path, text);
  return path;
}

async function textOf(source: PutSource): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source.open()) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** A storage that keeps what `keep` makes of a text. */
function storage(keep: (text: string) => string | undefined) {
  const stored = new Map<string, string>();
  const backend = {
    put: async (name: string, source: PutSource) => {
      const kept = keep(await textOf(source));
      if (kept !== undefined) stored.set(name, kept);
    },
    stat: async (name: string) => {
      const text = stored.get(name);
      return text === undefined ? undefined : { name, sizeBytes: text.length };
    },
  };
  return { backend: backend as unknown as StorageBackend, stored };
}

describe('fileSource', () => {
  it('can be opened again for another try, and tells its size and place', async (t) => {
    const path = localFile(t, 'volume');
    const source = await fileSource(path);
    assert.deepEqual([source.sizeBytes, source.localPath], [6, path]);
    assert.equal(await textOf(source), 'volume');
    assert.equal(await textOf(source), 'volume');
  });
});

describe('uploadFile', () => {
  it('stores the file and removes it here', async (t) => {
    const path = localFile(t, 'volume');
    const { backend, stored } = storage((text) => text);
    assert.equal(await uploadFile(backend, 'vol1', path), 6);
    assert.deepEqual([...stored], [['vol1', 'volume']]);
    assert.ok(!existsSync(path));
  });

  it('keeps the file, and says so, where the storage does not have all of it', async (t) => {
    const path = localFile(t, 'volume');
    const short = storage((text) => text.slice(1)).backend;
    await assert.rejects(uploadFile(short, 'vol1', path), {
      code: 'wrong-volume-size',
      message: 'vol1 was sent with 6 bytes, but on the storage it has 5 bytes',
    });
    const lost = storage(() => undefined).backend;
    await assert.rejects(uploadFile(lost, 'vol1', path), {
      code: 'wrong-volume-size',
      message: /it is not there$/,
    });
    assert.ok(existsSync(path));
  });

  it('stores a file without a byte', async (t) => {
    const { backend, stored } = storage((text) => text);
    assert.equal(await uploadFile(backend, 'empty', localFile(t, '')), 0);
    assert.deepEqual([...stored], [['empty', '']]);
  });
});

/** Uploads that end when they are told to. */
class Uploads {
  readonly begun: number[] = [];
  readonly #ends: { resolve(): void; reject(error: Error): void }[] = [];

  next(): () => Promise<void> {
    return () =>
      new Promise((resolve, reject) => {
        this.begun.push(this.#ends.push({ resolve, reject }) - 1);
      });
  }

  end(upload: number): void {
    this.#ends[upload]!.resolve();
  }

  fail(upload: number): void {
    this.#ends[upload]!.reject(new Error(`upload ${upload} failed`));
  }
}

/** Lets everything happen that can. */
const idle = () => new Promise((resolve) => setImmediate(resolve));

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await idle();
  return settled;
}

describe('UploadQueue', () => {
  it('never runs more uploads at once than its limit, and begins them in order', async () => {
    for (const limit of [1, 3]) {
      const queue = new UploadQueue(limit);
      const uploads = new Uploads();
      const adding = (async () => {
        for (let i = 0; i < 6; i++) await queue.add(uploads.next());
      })();
      for (let ended = 0; ended < 6; ended++) {
        await idle();
        assert.equal(uploads.begun.length, Math.min(6, ended + limit));
        uploads.end(ended);
      }
      await adding;
      await queue.drain();
      assert.deepEqual(uploads.begun, [0, 1, 2, 3, 4, 5]);
    }
  });

  it('goes on when any one ends, not only the oldest', async () => {
    const queue = new UploadQueue(2);
    const uploads = new Uploads();
    await queue.add(uploads.next());
    await queue.add(uploads.next());
    const third = queue.add(uploads.next());
    assert.ok(!(await isSettled(third)));
    uploads.end(1);
    await third;
    assert.deepEqual(uploads.begun, [0, 1, 2]);
  });

  it('drains only when the last one has ended', async () => {
    const queue = new UploadQueue(2);
    const uploads = new Uploads();
    await queue.drain();
    await queue.add(uploads.next());
    await queue.add(uploads.next());
    const drained = queue.drain();
    uploads.end(1);
    assert.ok(!(await isSettled(drained)));
    uploads.end(0);
    await drained;
  });

  it('begins none after one has failed, and tells of the first failure each time', async () => {
    const queue = new UploadQueue(2);
    const uploads = new Uploads();
    await queue.add(uploads.next());
    await queue.add(uploads.next());
    uploads.fail(1);
    await idle();
    await assert.rejects(queue.add(uploads.next()), { message: 'upload 1 failed' });
    uploads.fail(0);
    await assert.rejects(queue.drain(), { message: 'upload 1 failed' });
    assert.deepEqual(uploads.begun, [0, 1]);
  });

  it('begins none that waited for the one that failed', async () => {
    const queue = new UploadQueue(1);
    const uploads = new Uploads();
    await queue.add(uploads.next());
    const waiting = queue.add(uploads.next());
    uploads.fail(0);
    await assert.rejects(waiting, { message: 'upload 0 failed' });
    assert.deepEqual(uploads.begun, [0]);
  });

  it('settles when all have ended, well or not', async () => {
    const queue = new UploadQueue(2);
    const uploads = new Uploads();
    await queue.add(uploads.next());
    await queue.add(uploads.next());
    uploads.fail(0);
    const settled = queue.settle();
    assert.ok(!(await isSettled(settled)));
    uploads.fail(1);
    await settled;
  });
});
