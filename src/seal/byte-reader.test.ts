import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../base/bytes.js';
import { PieceReader, piecesOf } from './byte-reader.js';

const whole = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 31 + (i >> 8)) % 256));

/** Pieces of these sizes, in turn, each of which is overwritten when the next one is asked for. */
async function* lent(sizes: readonly number[], bytes: Uint8Array): ByteStream {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = Uint8Array.from(bytes.subarray(at, at + sizes[turn % sizes.length]!));
    at += piece.length;
    yield piece;
    piece.fill(0xee);
  }
}

/** Sizes of pieces, empty ones among them, but not all. */
const pieceSizes = fc.array(fc.nat(700), { maxLength: 8 }).map((sizes) => [...sizes, 1 + (sizes.length % 5)]);
const totalBytes = fc.nat(whole.length);

suite('PieceReader', () => {
  test('gives all bytes once, by any calls', () =>
    fc.assert(
      fc.asyncProperty(
        pieceSizes,
        totalBytes,
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 900 })), { minLength: 1, maxLength: 9 }),
        async (sizes, total, calls) => {
          const reader = new PieceReader(lent(sizes, whole.subarray(0, total)));
          const got: Buffer[] = [];
          for (let turn = 0; ; turn++) {
            const [isRead, size] = calls[turn % calls.length]!;
            if (isRead) {
              const into = Buffer.alloc(size);
              const filled = await reader.read(into);
              got.push(into.subarray(0, filled));
              if (filled < size) break;
              continue;
            }
            const part = await reader.next(size);
            if (part === undefined) break;
            assert.ok(part.length > 0 && part.length <= size);
            got.push(Buffer.from(part));
          }
          assert.ok(Buffer.concat(got).equals(whole.subarray(0, total)));
          assert.equal(await reader.next(), undefined);
          assert.equal(await reader.read(Buffer.alloc(1)), 0);
        },
      ),
    ));

  test('gives a piece as it lies where no limit is set', async () => {
    const reader = new PieceReader(lent([100, 0, 300], whole.subarray(0, 800)));
    await reader.read(Buffer.alloc(30));
    const sizes: number[] = [];
    for (let part = await reader.next(); part !== undefined; part = await reader.next())
      sizes.push(part.length);
    assert.deepEqual(sizes, [70, 300, 100, 300]);
  });

  test('gives nothing more once it is closed, and frees its source', async () => {
    let freed = 0;
    const source = async function* (): ByteStream {
      try {
        yield whole;
        yield whole;
      } finally {
        freed++;
      }
    };
    const reader = new PieceReader(source());
    await reader.next(10);
    await reader.close();
    assert.equal(await reader.next(), undefined);
    assert.equal(freed, 1);
  });
});

suite('piecesOf', () => {
  test('gives all bytes in large pieces, small ones gathered', () =>
    fc.assert(
      fc.asyncProperty(
        pieceSizes,
        totalBytes,
        fc.integer({ min: 1, max: 900 }),
        async (sizes, total, size) => {
          const got: Buffer[] = [];
          for await (const piece of piecesOf(new PieceReader(lent(sizes, whole.subarray(0, total))), size)) {
            assert.ok(piece.length > 0 && piece.length <= size);
            got.push(Buffer.from(piece));
          }
          assert.ok(got.slice(0, -1).every((piece) => piece.length >= size / 2));
          assert.ok(Buffer.concat(got).equals(whole.subarray(0, total)));
        },
      ),
    ));

  test('hands on what breaks its source', async () => {
    const source = async function* (): ByteStream {
      yield whole.subarray(0, 10);
      throw new Error('gone');
    };
    const pieces = piecesOf(new PieceReader(source()), 100);
    await assert.rejects(
      async () => {
        for await (const _ of pieces) assert.fail('nothing is known to be whole yet');
      },
      { message: 'gone' },
    );
  });
});
