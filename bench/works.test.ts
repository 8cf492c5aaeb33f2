import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neededSteps } from './courses/bench-tree.js';
import { readOptions } from './options.js';
import { chooseWorks, takesPart, works } from './works.js';

test('works are chosen by their names and by other words for them', () => {
  assert.deepEqual([...chooseWorks(['list', 'restore one', 'changed'])], ['list', 'one-file', 'changes']);
  assert.equal(chooseWorks([]).size, works.length);
  assert.throws(() => chooseWorks(['fast']), /no work fast: full, gzip/);
});

test('only tools for which a work makes sense take part in it', () => {
  assert.equal(takesPart('restic', 'gzip'), false);
  assert.equal(takesPart('restic', 'full'), true);
});

test('a work is measured on what it builds on', () => {
  const stepsOf = (...names: string[]) => neededSteps(chooseWorks(names)).map(({ work }) => work);
  assert.deepEqual(stepsOf('gzip'), []);
  assert.deepEqual(stepsOf('unchanged'), ['full', 'unchanged']);
  assert.deepEqual(stepsOf('restore'), ['full', 'changes', 'changes', 'changes', 'restore']);
});

test('options have defaults, units and limits', () => {
  const options = readOptions(['full', '--only', 'list', '--size-mb', '30', '--tools', 'tundra,tar'])!;
  assert.deepEqual([...options.works], ['full', 'list']);
  assert.equal(options.sizeBytes, 30_000_000);
  assert.equal(options.files, 57_000);
  assert.deepEqual(options.tools, ['tundra', 'tar']);
  assert.equal(readOptions(['--report-only'])!.works.size, 0);
  assert.equal(readOptions(['--help']), undefined);
  assert.throws(() => readOptions(['--repeat', '0']), /--repeat takes a whole number, not 0/);
  assert.throws(() => readOptions(['--sealing', 'keys']), /--sealing knows passphrase and gzip/);
});
