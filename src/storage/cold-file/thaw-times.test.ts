import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseUrl } from '../url.js';
import { thawDurationMs, thawTimes } from './thaw-times.js';

const read = (query: string) => thawTimes(parseUrl(`cold+file:///cold${query}`));

test('the address says how long thaws take', () => {
  const keepMs = 24 * 3600_000;
  assert.deepEqual(read(''), { shortestMs: 60_000, longestMs: 60_000, keepMs });
  assert.deepEqual(read('?thaw=0'), { shortestMs: 0, longestMs: 0, keepMs });
  assert.deepEqual(read('?thaw=1.25'), { shortestMs: 1250, longestMs: 1250, keepMs });
  assert.deepEqual(read('?keep=0.5&thaw=5-60'), { shortestMs: 5000, longestMs: 60_000, keepMs: 500 });
  assert.deepEqual(read('?thaw=0.5-0.5&keep=999999999'), {
    shortestMs: 500,
    longestMs: 500,
    keepMs: 999_999_999_000,
  });
});

test('a value that says nothing is a bad address', () => {
  const refusals: [string, RegExp][] = [
    ['?thaw=', /thaw must be seconds/],
    ['?thaw', /thaw must be seconds/],
    ['?thaw=fast', /thaw must be seconds/],
    ['?thaw=-1', /thaw must be seconds/],
    ['?thaw=5-', /thaw must be seconds/],
    ['?thaw=1e3', /thaw must be seconds/],
    ['?thaw=1-2-3', /thaw must be seconds/],
    ['?thaw=9999999999', /thaw must be seconds/],
    ['?thaw=60-5', /begin with the smaller/],
    ['?keep=', /keep must be seconds/],
    ['?keep=0', /keep must be seconds, more than 0/],
    ['?keep=1-2', /keep must be seconds/],
    ['?keep=5&keep=5', /keep is there twice/],
    ['?thaws=5', /option "thaws" where thaw and keep are known/],
    ['?&', /option ""/],
  ];
  for (const [query, message] of refusals) {
    assert.throws(() => read(query), { name: 'TundraError', code: 'bad-url', message }, query);
  }
});

test('a thaw lies within its range, and is always the same for a name', () => {
  const range = { shortestMs: 5000, longestMs: 60_000, keepMs: 1 };
  fc.assert(
    fc.property(fc.string(), (name) => {
      const durationMs = thawDurationMs(range, name);
      assert.ok(Number.isInteger(durationMs) && durationMs >= 5000 && durationMs <= 60_000);
      assert.equal(thawDurationMs(range, name), durationMs);
      assert.equal(thawDurationMs({ ...range, longestMs: 5000 }, name), 5000);
    }),
  );
  const spread = Array.from({ length: 200 }, (_, index) => thawDurationMs(range, `vol${index}`));
  assert.ok(Math.min(...spread) < 10_000 && Math.max(...spread) > 55_000);
});
