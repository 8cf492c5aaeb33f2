import assert from 'node:assert/strict';
import { test } from 'node:test';
import { segmentSizeFor } from './segment-names.js';

const mebi = 2 ** 20;
const gibi = 2 ** 30;

test('an object is cut above the size asked for, and where Swift takes no more in one', () => {
  assert.equal(segmentSizeFor(220 * mebi, 220 * mebi), undefined);
  assert.equal(segmentSizeFor(220 * mebi + 1, 220 * mebi), 220 * mebi);
  assert.equal(segmentSizeFor(5 * gibi, 0), undefined);
  assert.equal(segmentSizeFor(5 * gibi + 1, 0), 5 * gibi);
  assert.equal(segmentSizeFor(6 * gibi, 100 * gibi), 5 * gibi);
});

test('segments grow rather than become too many for a manifest', () => {
  const sizeBytes = 1000 * gibi + 1;
  const segmentBytes = segmentSizeFor(sizeBytes, 220 * mebi)!;
  assert.equal(Math.ceil(sizeBytes / segmentBytes), 1000);
  assert.throws(() => segmentSizeFor(5001 * gibi, 0), { code: 'backend-no-space' });
});
