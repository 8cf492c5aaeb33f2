import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { sourceOf } from '../../../test/contract/backend-contract.js';
import { collectBytes } from '../../base/bytes.js';
import { checksumsOf, SourceCursor } from './source-cursor.js';

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');

test('stretches come out as they are in the source, in any order, however the source is cut', async () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) >> 3));
  const stretch = fc.record({ from: fc.nat(bytes.length), size: fc.nat(bytes.length) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(stretch, { maxLength: 4 }),
      fc.integer({ min: 1000, max: 200_000 }),
      async (stretches, cut) => {
        const cursor = new SourceCursor(sourceOf(bytes, cut));
        for (const { from, size } of stretches) {
          const read = await collectBytes(cursor.read(from, size), bytes.length);
          assert.ok(read.equals(bytes.subarray(from, from + size)));
        }
        await cursor.close();
      },
    ),
    { numRuns: 30 },
  );
});

test('stretches that follow one another take one opening; one that is given up takes its opening along', async () => {
  let openings = 0;
  const source = sourceOf('abcdefghij', 3);
  const counted = {
    ...source,
    open: () => {
      openings++;
      return source.open();
    },
  };
  const read = async (cursor: SourceCursor, from: number, size: number) =>
    (await collectBytes(cursor.read(from, size), 99)).toString();
  const cursor = new SourceCursor(counted);
  assert.equal(await read(cursor, 0, 4), 'abcd');
  assert.equal(await read(cursor, 4, 4), 'efgh');
  assert.equal(openings, 1);
  for await (const piece of cursor.read(8, 2)) {
    assert.equal(Buffer.from(piece).toString(), 'ij');
    break;
  }
  assert.equal(await read(cursor, 8, 2), 'ij');
  assert.equal(openings, 2);
  assert.equal(await read(cursor, 8, 9), 'ij');
  await cursor.close();
});

test('the checksum of each stretch', async () => {
  const bytes = Buffer.from('0123456789'.repeat(1000));
  const sums = (stretch: number) => checksumsOf(sourceOf(bytes, 777), stretch, 'x');
  assert.deepEqual(await sums(Number.POSITIVE_INFINITY), [md5(bytes)]);
  assert.deepEqual(await sums(5000), [md5(bytes.subarray(0, 5000)), md5(bytes.subarray(5000))]);
  assert.deepEqual(
    await sums(4000),
    [0, 4000, 8000].map((from) => md5(bytes.subarray(from, from + 4000))),
  );
  assert.deepEqual(await checksumsOf(sourceOf(''), 10, 'x'), [md5(Buffer.alloc(0))]);
  await assert.rejects(checksumsOf({ ...sourceOf('four'), sizeBytes: 5 }, 10, 'x'), {
    code: 'backend',
    message: 'x has 4 bytes instead of 5',
  });
});
