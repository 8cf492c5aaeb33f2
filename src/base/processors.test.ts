import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { it } from 'node:test';
import { processorsToUse } from './processors.js';

it('all processors are used unless fewer are asked for, and two in any case that are there', () => {
  const all = availableParallelism();
  for (const asked of [undefined, 0, all, 1000]) assert.equal(processorsToUse(asked), all);
  for (const asked of [1, 2]) assert.equal(processorsToUse(asked), Math.min(2, all));
  if (all > 3) assert.equal(processorsToUse(3), 3);
});
