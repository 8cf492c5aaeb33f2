import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { TundraError } from '../../base/errors.js';
import { parseUrl } from '../url.js';
import { multiOptions, parseConfig } from './config.js';

const path = '/etc/multi.json';

function refusal(text: string): string {
  try {
    parseConfig(text, path, () => {});
  } catch (error) {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'user-error');
    assert.ok(!inspect(error, { depth: 9 }).includes('hunter2'), 'no value is told');
    return error.message.replace(`multi configuration ${path}: `, '');
  }
  assert.fail(`${text} was taken`);
}

test('a configuration is read', () => {
  const warnings: string[] = [];
  const text = JSON.stringify([
    { url: 'file:///a', note: 1 },
    {
      description: 'cold',
      url: 'pca://c',
      env: [
        { name: 'USER', value: 'me' },
        { name: 'PASS', value: '', secret: true },
      ],
      prefixes: ['cold_', 'ä'],
    },
  ]);
  assert.deepEqual(
    parseConfig(text, path, (warning) => warnings.push(warning)),
    [
      { description: undefined, url: 'file:///a', env: {}, prefixes: undefined },
      { description: 'cold', url: 'pca://c', env: { USER: 'me', PASS: '' }, prefixes: ['cold_', '\xc3\xa4'] },
    ],
  );
  assert.deepEqual(warnings, [
    'multi configuration /etc/multi.json: entry 1: the key "note" means nothing',
    'multi configuration /etc/multi.json: entry 2, env 2: the key "secret" means nothing',
  ]);
});

test('an error names the entry and the key, and no value', () => {
  const env = (value: unknown) => JSON.stringify([{ url: 'a' }, { url: 'file:///b', env: value }]);
  assert.equal(refusal('{}'), 'the file must hold an array of stores');
  assert.equal(refusal('[]'), 'the file names no store');
  assert.equal(refusal('["hunter2"]'), 'entry 1 must be an object');
  assert.equal(refusal('[{"url":"a"},{"urls":"hunter2"}]'), 'entry 2, url is missing');
  assert.equal(refusal('[{"url":["hunter2"]}]'), 'entry 1, url must be a string');
  assert.equal(refusal('[{"url":"a","description":2}]'), 'entry 1, description must be a string');
  assert.equal(refusal(env({ PASS: 'hunter2' })), 'entry 2, env must be an array');
  assert.equal(refusal(env(['hunter2'])), 'entry 2, env 1 must be an object');
  assert.equal(
    refusal(env([{ name: 'A', value: 'hunter2' }, { name: 'B' }])),
    'entry 2, env 2, value is missing',
  );
  assert.equal(refusal(env([{ name: 'A', value: 7 }])), 'entry 2, env 1, value must be a string');
  assert.equal(refusal('[{"url":"a","prefixes":"hunter2"}]'), 'entry 1, prefixes must be an array');
  assert.equal(refusal('[{"url":"a","prefixes":["hunter2",1]}]'), 'entry 1, prefix 2 must be a string');
});

test('broken JSON is told by its place alone', () => {
  assert.match(
    refusal('[{"url": "a", "hunter2"}]'),
    /^the file is not valid JSON( \(line 1, column \d+\))?$/,
  );
  assert.match(refusal('[\n{"url": "hunter2",}]'), /^the file is not valid JSON( \(line 2, column \d+\))?$/);
  assert.match(refusal('hunter2'), /^the file is not valid JSON/);
  assert.match(refusal(''), /^the file is not valid JSON/);
});

test('the address says how the stores are used', () => {
  const read = (query: string) => multiOptions(parseUrl(`multi:///c.json${query}`));
  assert.deepEqual(read(''), { mode: 'stripe', onfail: 'continue', subpath: '' });
  assert.deepEqual(read('?mode=mirror&onfail=abort&subpath=%2fa+b'), {
    mode: 'mirror',
    onfail: 'abort',
    subpath: '/a b',
  });
  assert.deepEqual(read('?mode=&subpath='), { mode: 'stripe', onfail: 'continue', subpath: '' });
  for (const query of [
    '?mode=both',
    '?onfail=stop',
    '?mode',
    '?colour=red',
    '?mode=mirror&mode=mirror',
    '?&',
  ]) {
    assert.throws(() => read(query), { code: 'user-error' }, query);
  }
});
