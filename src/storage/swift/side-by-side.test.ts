import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sideBySide } from './side-by-side.js';

test('results come in order, a few tasks run at the same time', async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 50 }, (_, index) => index);
  const results = await sideBySide(items, async (item) => {
    most = Math.max(most, ++running);
    for (let turns = item % 3; turns >= 0; turns--) await nextTurn();
    running--;
    return item * 2;
  });
  assert.deepEqual(
    results,
    items.map((item) => item * 2),
  );
  assert.equal(most, 8);
  assert.deepEqual(await sideBySide([], async () => 1), []);
});

test('after a failure nothing is begun, and nothing is left running', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const items = Array.from({ length: 50 }, (_, index) => index);
  const reason = new Error('the third fails');
  await assert.rejects(
    sideBySide(items, async (item) => {
      begun.push(item);
      if (item === 2) throw reason;
      for (let turns = 0; turns < 5; turns++) await nextTurn();
      ended.push(item);
    }),
    (error) => error === reason,
  );
  assert.equal(begun.length, 8);
  assert.equal(ended.length, 7);
});
