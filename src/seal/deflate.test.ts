import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { type ChunkCompressor, ParallelDeflate, zlibCompressor } from './deflate.js';

/** Bytes that compress about as text does, and differ everywhere. */
function prose(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0, state = seed; i < sizeBytes; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state & 0x40000000 && i > 40 ? bytes[i - 40]! : 97 + ((state >>> 16) % 26);
  }
  return bytes;
}

function gathered(chunkBytes: number, chunksInFlight: number, compressor = zlibCompressor(5)) {
  const pieces: Uint8Array[] = [];
  const deflate = new ParallelDeflate((piece) => void pieces.push(piece), {
    compressor,
    chunkBytes,
    chunksInFlight,
  });
  return { deflate, pieces, sizeBytes: () => pieces.reduce((sum, piece) => sum + piece.length, 0) };
}

suite('ParallelDeflate', () => {
  test('what was written inflates again, however it was cut', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(9000), { maxLength: 12 }),
        fc.integer({ min: 300, max: 40_000 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(12),
        async (sizes, chunkBytes, chunksInFlight, flushAfter) => {
          const { deflate, pieces } = gathered(chunkBytes, chunksInFlight);
          const plain = prose(sizes.reduce((sum, size) => sum + size, 0));
          let offset = 0;
          for (const [index, size] of sizes.entries()) {
            const bytes = Buffer.from(plain.subarray(offset, offset + size));
            await deflate.write(bytes);
            bytes.fill(0); // the writer has its own copy
            offset += size;
            if (index === flushAfter) await deflate.flush();
          }
          await deflate.finish();
          assert.deepEqual(inflateRawSync(Buffer.concat(pieces)), plain);
        },
      ),
      { numRuns: 40 },
    ));

  test('a flush lets everything out that was written', async () => {
    const { deflate, pieces, sizeBytes } = gathered(64 * 1024, 3);
    const plain = prose(300_000);
    await deflate.write(plain);
    await deflate.flush();
    assert.equal(deflate.bytesPending(), 2);
    const open = Buffer.concat(pieces);
    assert.deepEqual(inflateRawSync(open, { finishFlush: 2 }), plain);
    await deflate.finish();
    assert.equal(sizeBytes(), open.length + 2);
  });

  test('the bound for what is pending holds, also for what does not compress', async () => {
    for (const level of [1, 5, 9]) {
      const { deflate, sizeBytes } = gathered(10_000, 3, zlibCompressor(level));
      let bound = 0;
      for (let i = 0; i < 40; i++) {
        const noise = Buffer.from(
          Array.from({ length: 3000 }, (_, k) => (Math.imul(k * 7919 + i, 2654435761) >>> 11) & 255),
        );
        await deflate.write(noise);
        bound = sizeBytes() + deflate.bytesPending();
      }
      await deflate.finish();
      assert.ok(bound >= sizeBytes());
      assert.equal(deflate.bytesPending(), 0);
    }
  });

  test('chunks that are ready early wait for their turn, and no more than agreed are in flight', async () => {
    let running = 0;
    let most = 0;
    const backwards: ChunkCompressor = {
      boundBytes: (size) => size,
      compress: async ({ buffer, chunkAt, end }) => {
        running++;
        most = Math.max(most, running);
        await delay(buffer[chunkAt]! % 3 === 0 ? 15 : 1);
        running--;
        return buffer.slice(chunkAt, end);
      },
    };
    const { deflate, pieces } = gathered(4, 3, backwards);
    const plain = Buffer.from(Array.from({ length: 50 }, (_, i) => i));
    await deflate.write(plain);
    await deflate.finish();
    assert.deepEqual(Buffer.concat(pieces), Buffer.concat([plain, Buffer.of(3, 0)]));
    assert.equal(most, 3);
  });

  test('a write waits while the output does', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const deflate = new ParallelDeflate(() => held, {
      compressor: zlibCompressor(1),
      chunkBytes: 100,
      chunksInFlight: 2,
    });
    let isDone = false;
    const writing = deflate.write(prose(1000))!.then(() => {
      isDone = true;
    });
    await delay(20);
    assert.equal(isDone, false);
    release();
    await writing;
    await deflate.finish();
  });

  test('an error of the output or the compressor comes out of the next calls, and abort works then', async () => {
    const failing: ChunkCompressor = {
      boundBytes: (size) => size,
      compress: async () => {
        throw new Error('no memory');
      },
    };
    const broken = gathered(100, 2, failing).deflate;
    await assert.rejects(async () => {
      await broken.write(prose(1000));
      await broken.finish();
    }, /no memory/);
    await broken.abort();

    const full = new ParallelDeflate(
      async () => {
        throw new Error('disk full');
      },
      { compressor: zlibCompressor(1), chunkBytes: 100, chunksInFlight: 2 },
    );
    await assert.rejects(async () => full.write(prose(1000)), /disk full/);
    await assert.rejects(async () => full.write(prose(1)), /disk full/);
    await assert.rejects(full.finish(), /disk full/);
    await full.abort();
  });

  test('nothing comes out after abort', async () => {
    const { deflate, pieces } = gathered(100, 3);
    deflate.write(prose(350));
    await deflate.abort();
    const before = pieces.length;
    await delay(20);
    assert.equal(pieces.length, before);
  });
});
