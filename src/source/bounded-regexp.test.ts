import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { boundedTest } from './bounded-regexp.js';
import { compilePythonRegExp } from './python-regexp.js';

describe('boundedTest', () => {
  const slow = `/${'a'.repeat(60)}/b`;

  it('ends an expression that would take for ever', () => {
    const test = boundedTest(
      /^\/(a+)+$/u,
      '^/(a+)+$',
      { isNested: true, openRepetitions: 2, choices: 1 },
      50,
    );
    assert.equal(test('/aaaa'), true);
    assert.equal(test(`/${'a'.repeat(1000)}`), true);
    assert.throws(() => test(slow), {
      code: 'generic',
      message: /"\^\/\(a\+\)\+\$" takes too long .* \/aaaa/,
    });
    // It goes on to work.
    assert.equal(test(`/${'a'.repeat(60)}`), true);
  });

  it('ends what has many repetitions side by side, also in a short text', () => {
    for (const [pattern, text] of [
      [`${'.*'.repeat(20)}\\.jpg$`, 'aaaaaaaaaaaaaaab'],
      [`^${'a?'.repeat(40)}${'a'.repeat(40)}$`, 'a'.repeat(39)],
      [`^${'(a|a)'.repeat(40)}$`, `${'a'.repeat(39)}b`],
      ['^((((a*)*)*)*)*$', 'aaaaaaaaaaaaaaab'],
    ] as const) {
      const test = compilePythonRegExp(pattern, false, 50);
      assert.throws(() => test(text), { code: 'generic' }, pattern);
    }
  });

  it('gives the same answers watched and not', () => {
    const nested = compilePythonRegExp('^(?:/[a-z]+)*/x(?:y|z)+$');
    const plain = compilePythonRegExp('.*a.*b.*c.*d');
    for (const length of [1, 4, 5, 16, 40]) {
      const folder = '/abc'.repeat(length);
      assert.equal(nested(`${folder}/xyzzy`), true);
      assert.equal(nested(`${folder}/xyzzy1`), false);
      assert.equal(plain(`${folder}/d`), true);
      assert.equal(plain('/abc'.repeat(length)), false);
    }
  });
});
