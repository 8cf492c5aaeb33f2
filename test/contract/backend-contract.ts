import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { type ByteStream, collectBytes } from '../../src/base/bytes.js';
import { TundraError } from '../../src/base/errors.js';
import type { PutSource, StorageBackend } from '../../src/storage/backend.js';

/** A storage to be tried, empty at first. */
export interface Trial {
  /** Opens it, also again beside or after another opening. */
  open(): Promise<StorageBackend>;
  /** What must appear in no message. */
  secrets?: readonly string[] | undefined;
  /** Removes the storage and all that belongs to it. */
  dispose?(): Promise<void>;
}

/** A source over bytes in memory, in pieces that share one buffer, as a stream may. */
export function sourceOf(content: string | Buffer, pieceSize = 64 * 1024): PutSource {
  const bytes = Buffer.from(content);
  async function* open(): ByteStream {
    const piece = Buffer.alloc(pieceSize);
    for (let at = 0; at < bytes.length; at += pieceSize) {
      const size = bytes.copy(piece, 0, at);
      yield piece.subarray(0, size);
      piece.fill(0);
    }
  }
  return { sizeBytes: bytes.length, open };
}

/** The whole of an object, as text that keeps every byte. */
export async function contentOf(backend: StorageBackend, name: string): Promise<string> {
  return (await collectBytes(await backend.get(name), 64 << 20)).toString('latin1');
}

export async function namesIn(backend: StorageBackend): Promise<string[]> {
  return (await backend.list()).map(({ name }) => name).sort();
}

/** A source that calls `midway` after half of the bytes it promises, and fails if that does. */
function interruptedSource(midway: () => unknown): PutSource {
  async function* open(): ByteStream {
    yield Buffer.alloc(100_000, 'n');
    await midway();
    yield Buffer.alloc(100_000, 'n');
  }
  return { sizeBytes: 200_000, open };
}

const oddNames = [
  'duplicity-full.20260101T000000Z.vol1.difftar.gpg',
  'hot_duplicity-full.20260101T000000Z.manifest.gpg',
  'cold_duplicity-inc.20260101T000000Z.to.20260102T000000Z.vol12.difftar.gz',
  'with space and + and %41%2F and ?a=b&c#d',
  'quotes \' " and \\ and $HOME and `x` and *',
  '~tilde, @at, :colon, ;semicolon, =equals, [brackets], {braces}, |bar, <less>',
  '.hidden',
  '..dots',
  '-dash',
  'UPPER',
  'upper',
  'x'.repeat(200),
];

/**
 * What every storage must do. Run it for each kind of storage and each wrapper; `make` gives a new, empty one for each
 * test; undefined where it has skipped the test.
 */
export function backendContract(kind: string, make: (t: TestContext) => Promise<Trial | undefined>): void {
  describe(`storage contract: ${kind}`, () => {
    function check(title: string, run: (backend: StorageBackend, trial: Trial) => Promise<void>): void {
      test(title, async (t) => {
        const trial = await make(t);
        if (trial === undefined) return;
        const backend = await trial.open();
        try {
          await run(backend, trial);
          await backend.close();
        } finally {
          await trial.dispose?.();
        }
      });
    }

    check('a new storage is empty', async (backend) => {
      assert.deepEqual(await backend.list(), []);
      assert.notEqual(backend.description, '');
    });

    check('an object comes back as it was stored', async (backend) => {
      await backend.put('one', sourceOf('the content'));
      assert.equal(await contentOf(backend, 'one'), 'the content');
      assert.deepEqual(await backend.stat('one'), { name: 'one', sizeBytes: 11 });
      assert.deepEqual(await backend.list(), [{ name: 'one', sizeBytes: 11 }]);
    });

    check('a new object replaces the old one', async (backend) => {
      await backend.put('one', sourceOf('a rather long content'));
      await backend.put('other', sourceOf('other'));
      await backend.put('one', sourceOf('short'));
      assert.equal(await contentOf(backend, 'one'), 'short');
      assert.equal((await backend.stat('one'))?.sizeBytes, 5);
      assert.deepEqual(await namesIn(backend), ['one', 'other']);
    });

    check('an empty object is an object', async (backend) => {
      await backend.put('empty', sourceOf(''));
      assert.equal(await contentOf(backend, 'empty'), '');
      assert.deepEqual(await backend.list(), [{ name: 'empty', sizeBytes: 0 }]);
    });

    check('5 MiB come back as they were stored', async (backend) => {
      const bytes = Buffer.alloc(5 << 20);
      for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
      await backend.put('large', sourceOf(bytes, 50_000));
      const hash = createHash('sha256');
      for await (const piece of await backend.get('large')) hash.update(piece);
      assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
    });

    check('a source that lies on the disk is stored and left alone', async (backend) => {
      const folder = await mkdtemp(join(tmpdir(), 'tundra-contract-'));
      try {
        const localPath = join(folder, 'spool');
        await writeFile(localPath, 'from the disk', { mode: 0o600 });
        await backend.put('one', { ...sourceOf('from the disk'), localPath });
        assert.equal(await contentOf(backend, 'one'), 'from the disk');
        assert.equal(await readFile(localPath, 'utf8'), 'from the disk');
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    check('names keep their characters', async (backend) => {
      for (const name of oddNames) await backend.put(name, sourceOf(name));
      assert.deepEqual(await namesIn(backend), [...oddNames].sort());
      for (const name of oddNames) {
        assert.equal(await contentOf(backend, name), name);
        assert.deepEqual(await backend.stat(name), { name, sizeBytes: name.length });
      }
      await backend.remove(oddNames);
      assert.deepEqual(await backend.list(), []);
    });

    check('removing takes away just what it names', async (backend) => {
      for (const name of ['a', 'ab', 'b', 'c']) await backend.put(name, sourceOf(name));
      await backend.remove(['a', 'c', 'never there']);
      assert.deepEqual(await namesIn(backend), ['ab', 'b']);
      assert.equal(await backend.stat('a'), undefined);
      await backend.remove([]);
      await backend.remove(['a']);
      assert.deepEqual(await namesIn(backend), ['ab', 'b']);
    });

    check('an absent object is a value to stat and an error to get', async (backend, trial) => {
      assert.equal(await backend.stat('absent'), undefined);
      await assert.rejects(
        async () => contentOf(backend, 'absent'),
        (error) => {
          assert.ok(error instanceof TundraError);
          assert.equal(error.code, 'backend-not-found');
          assert.equal(error.retry, 'never');
          assert.match(error.message, /absent/);
          for (const secret of trial.secrets ?? []) assert.ok(!inspect(error, { depth: 9 }).includes(secret));
          return true;
        },
      );
      for (const secret of trial.secrets ?? []) assert.ok(!backend.description.includes(secret));
    });

    check('a source that fails in the middle leaves no object', async (backend) => {
      const reason = new Error('the source broke');
      const failing = interruptedSource(() => {
        throw reason;
      });
      await assert.rejects(backend.put('new', failing), (error) => error === reason);
      assert.deepEqual(await backend.list(), []);
      assert.equal(await backend.stat('new'), undefined);
      await backend.put('new', sourceOf('second try'));
      assert.equal(await contentOf(backend, 'new'), 'second try');
    });

    check('a source that fails in the middle leaves the old object', async (backend) => {
      await backend.put('one', sourceOf('old'));
      const failing = interruptedSource(() => {
        throw new Error('the source broke');
      });
      await assert.rejects(backend.put('one', failing), /the source broke/);
      assert.equal(await contentOf(backend, 'one'), 'old');
      assert.deepEqual(await backend.list(), [{ name: 'one', sizeBytes: 3 }]);
    });

    check('a source with fewer bytes than it promises is refused', async (backend) => {
      const source = { ...sourceOf('four'), sizeBytes: 5 };
      await assert.rejects(backend.put('short', source), { name: 'TundraError' });
      assert.equal(await backend.stat('short'), undefined);
    });

    check('an object that is being stored is not to be seen', async (backend) => {
      if (!backend.promises.atomicPut) return;
      await backend.put('old', sourceOf('old'));
      for (const name of ['old', 'new']) {
        let looked = false;
        await backend.put(
          name,
          interruptedSource(async () => {
            // A mirror opens the source for each of its stores: only before the first has it there is nothing to see.
            if (looked) return;
            looked = true;
            assert.deepEqual(await backend.list(), [{ name: 'old', sizeBytes: 3 }]);
            assert.equal((await backend.stat(name))?.sizeBytes, name === 'old' ? 3 : undefined);
          }),
        );
        assert.ok(looked);
        assert.equal((await backend.stat(name))?.sizeBytes, 200_000);
        await backend.put('old', sourceOf('old'));
      }
    });

    check('a stream may be left early, or not be read at all', async (backend) => {
      await backend.put('one', sourceOf('x'.repeat(1_000_000)));
      await backend.get('one');
      for await (const piece of await backend.get('one')) {
        assert.ok(piece.length > 0);
        break;
      }
      await backend.remove(['one']);
      assert.deepEqual(await backend.list(), []);
    });

    check('calls may run side by side', async (backend) => {
      const names = Array.from({ length: 8 }, (_, index) => `object ${index}`);
      await Promise.all(names.map((name) => backend.put(name, sourceOf(name.repeat(10_000)))));
      const contents = await Promise.all(names.map((name) => contentOf(backend, name)));
      assert.deepEqual(
        contents,
        names.map((name) => name.repeat(10_000)),
      );
    });

    check('a second opening sees the objects', async (backend, trial) => {
      await backend.put('one', sourceOf('first'));
      const second = await trial.open();
      assert.equal(await contentOf(second, 'one'), 'first');
      await second.put('one', sourceOf('second'));
      await second.put('two', sourceOf('two'));
      await second.close();
      assert.equal(await contentOf(backend, 'one'), 'second');
      assert.deepEqual(await namesIn(backend), ['one', 'two']);
    });

    check('an object on the local disk can be read in place', async (backend) => {
      if (backend.localPathOf === undefined) return;
      assert.equal(backend.localPathOf('one'), undefined);
      await backend.put('one', sourceOf('the content'));
      const path = backend.localPathOf('one');
      assert.ok(path !== undefined);
      assert.equal(await readFile(path, 'utf8'), 'the content');
    });
  });
}
