import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { DeltaBuilder } from '../rsync/delta-builder.js';
import { heldEntries } from '../rsync/entry-room.fixture.js';
import { loadKernel } from '../rsync/kernel.js';
import { applyDelta } from '../rsync/patcher.js';
import { randomBytes, seededRandom } from '../rsync/samples.fixture.js';
import { SignatureBuilder } from '../rsync/signature-builder.js';
import { DeltaReader } from './delta-reader.js';
import { SigningThreads } from './signing-threads.js';
import { SourceFile } from './source-file.js';

/** What makes threads of a file that need not be large. */
const largeBytes = 1 << 30;

const folder = mkdtempSync(join(tmpdir(), 'tundra-delta-reader-'));
const path = join(folder, 'file');
const kernel = loadKernel();
const builder = new SignatureBuilder(kernel, 512);
const delta = new DeltaBuilder(kernel, heldEntries);
const buffer = Buffer.alloc(128 * 1024);
const pool = randomBytes(seededRandom(1), 3_000_000);

function sign(bytes: Uint8Array, blockSizeBytes: number): Uint8Array {
  builder.reset(blockSizeBytes);
  builder.update(bytes);
  return builder.finish();
}

interface Made {
  delta: Buffer;
  signature: Buffer;
  sizeBytes: number;
  error: unknown;
}

interface ReadingOptions {
  oldBlockBytes?: number;
  blockSizeBytes?: number;
  /** Called after each piece of the delta. */
  between?: (file: SourceFile, fd: number) => void;
}

/** Delta and new signature of what is at `path`. */
function read(threads: SigningThreads, old: Uint8Array, options: ReadingOptions = {}): Made {
  const { blockSizeBytes = 2048, oldBlockBytes = blockSizeBytes, between } = options;
  const oldSignature = sign(old, oldBlockBytes);
  delta.begin();
  delta.addSignature(oldSignature);
  const fd = openSync(path, 'r');
  const file = new SourceFile(fd);
  builder.reset(blockSizeBytes);
  const signature = {
    update: (data: Uint8Array) => builder.update(data),
    addEntries: (entries: Uint8Array) => builder.addEntries(entries),
    end: () => {},
    discard: () => {},
  };
  const reader = new DeltaReader({
    ...{ file, sizeBytes: largeBytes, delta, signature, blockSizeBytes, buffer, threads },
  });
  const pieces: Buffer[] = [];
  try {
    for (;;) {
      const piece = Buffer.alloc(10_000);
      const size = reader.read(piece);
      pieces.push(piece.subarray(0, size));
      if (size < piece.length) break;
      between?.(file, fd);
    }
  } finally {
    reader.close();
    try {
      closeSync(fd);
    } catch {
      // The test has closed it.
    }
  }
  const { size: sizeBytes, error } = file;
  return { delta: Buffer.concat(pieces), signature: Buffer.from(builder.finish()), sizeBytes, error };
}

/** What they must be, by the simplest way. */
function expected(old: Uint8Array, bytes: Uint8Array, options: ReadingOptions = {}): Omit<Made, 'error'> {
  const { blockSizeBytes = 2048, oldBlockBytes = blockSizeBytes } = options;
  const oldSignature = sign(old, oldBlockBytes);
  delta.begin();
  delta.addSignature(oldSignature);
  const made = Buffer.concat([Buffer.from(delta.update(bytes)), delta.finish()]);
  return { delta: made, signature: Buffer.from(sign(bytes, blockSizeBytes)), sizeBytes: bytes.length };
}

function check(threads: SigningThreads, old: Uint8Array, bytes: Uint8Array, options?: ReadingOptions): void {
  writeFileSync(path, bytes);
  const { error, ...made } = read(threads, old, options);
  assert.equal(error, undefined);
  const wanted = expected(old, bytes, options);
  assert.equal(made.sizeBytes, wanted.sizeBytes);
  assert.ok(made.signature.equals(wanted.signature), 'the signature is another one');
  assert.ok(made.delta.equals(wanted.delta), 'the delta is another one');
  assert.ok(Buffer.from(applyDelta(old, made.delta, bytes.length)).equals(bytes), 'the delta is wrong');
}

/** Some edits, each at a place from 0 to 1 of the file. */
const edits = fc.array(
  fc.record({
    kind: fc.constantFrom('overwrite', 'insert', 'remove'),
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    sizeBytes: fc.oneof(fc.nat(9), fc.nat(20_000)),
  }),
  { maxLength: 6 },
);

function edit(bytes: Uint8Array, all: typeof edits extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  let result = bytes;
  for (const { kind, place, sizeBytes } of all) {
    const at = Math.floor(place * result.length);
    const fresh = kind === 'remove' ? new Uint8Array(0) : new Uint8Array(sizeBytes).fill(at & 255);
    const rest = result.subarray(kind === 'insert' ? at : at + sizeBytes);
    result = Buffer.concat([result.subarray(0, at), fresh, rest]);
  }
  return result;
}

test('where the system has no thread to give, files are read without them', () => {
  let starts = 0;
  const threads = new SigningThreads(2, () => {
    starts++;
    throw new Error('ERR_WORKER_INIT_FAILED');
  });
  threads.expect(largeBytes);
  threads.expect(largeBytes);
  assert.equal(starts, 1);
  assert.ok(!threads.haveStarted);
  check(threads, pool, edit(pool, [{ kind: 'overwrite', place: 0.3, sizeBytes: 9000 }]));
  threads.stop();
});

for (const threadCount of [0, 1, 3]) {
  describe(`a delta, read by ${threadCount} threads besides the first`, () => {
    const threads = new SigningThreads(threadCount);
    before(async () => {
      threads.expect(largeBytes);
      while (threadCount > 0 && !threads.haveStarted) await sleep(5);
    });
    after(() => threads.stop());

    it('is the same as without, and so is the signature, whatever was changed', () => {
      const sizes = fc.oneof(fc.nat(10_000), fc.nat(pool.length));
      const property = fc.property(
        sizes,
        edits,
        fc.constantFrom(512, 1024, 1536, 2048),
        (size, all, block) => {
          const old = pool.subarray(0, size);
          check(threads, old, edit(old, all), { blockSizeBytes: block });
        },
      );
      fc.assert(property, { numRuns: 40, seed: 7 });
    });

    it('is the same where files end beside the bounds of pieces', () => {
      for (const whole of [128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20]) {
        for (const size of [whole - 1, whole, whole + 1]) {
          check(threads, pool.subarray(0, whole), pool.subarray(0, size));
          check(threads, pool.subarray(0, size), pool.subarray(0, whole));
        }
      }
    });

    it('is the same where the old signature has other blocks, or blocks are long', () => {
      const now = edit(pool, [{ kind: 'overwrite', place: 0.3, sizeBytes: 9000 }]);
      check(threads, pool, now, { oldBlockBytes: 512 });
      for (const blockSizeBytes of [100, 16_384, 16_896, 65_536, 131_072, 200_000]) {
        check(threads, pool, now, { blockSizeBytes });
      }
    });

    it('fits what was read of a file that shrinks meanwhile', () => {
      writeFileSync(path, pool);
      let cut = false;
      const { signature, ...made } = read(threads, new Uint8Array(0), {
        between: () => {
          if (!cut) truncateSync(path, 2_100_001);
          cut = true;
        },
      });
      assert.ok(made.sizeBytes >= 2_100_001 && made.sizeBytes <= pool.length);
      const patched = applyDelta(new Uint8Array(0), made.delta, pool.length);
      assert.equal(patched.length, made.sizeBytes);
      assert.ok(signature.equals(sign(patched, 2048)));
    });

    it('ends with what could be read of a file', () => {
      writeFileSync(path, pool);
      let closed = false;
      const { signature, ...made } = read(threads, new Uint8Array(0), {
        between: (_file, fd) => {
          if (!closed) closeSync(fd);
          closed = true;
        },
      });
      assert.match(String(made.error), /EBADF/);
      assert.ok(made.sizeBytes > 0 && made.sizeBytes < pool.length);
      const patched = applyDelta(new Uint8Array(0), made.delta, pool.length);
      assert.ok(Buffer.from(pool.subarray(0, made.sizeBytes)).equals(patched));
      assert.ok(signature.equals(sign(patched, 2048)));
    });

    it('need not be read to its end', () => {
      writeFileSync(path, pool);
      const stop = new Error('enough');
      const between = () => {
        throw stop;
      };
      assert.throws(() => read(threads, new Uint8Array(0), { between }), stop);
      check(threads, pool, pool);
    });
  });
}

after(() => rmSync(folder, { recursive: true }));
