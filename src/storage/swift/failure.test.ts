import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionFailure, retryAfterOf, statusFailure } from './failure.js';

const nowMs = Date.UTC(2026, 0, 1, 12);

test('Retry-After is seconds or a date, and nothing else', () => {
  const read = (value: string | undefined) => retryAfterOf({ 'retry-after': value }, nowMs);
  assert.equal(read('120'), 120_000);
  assert.equal(read(' 0 '), 0);
  assert.equal(read('Thu, 01 Jan 2026 12:00:30 GMT'), 30_000);
  assert.equal(read('Thu, 01 Jan 2026 11:00:00 GMT'), 0);
  // From the last moment of a Date on there is no other.
  assert.ok(new Date(nowMs + read('Sat, 13 Sep 275760 00:00:00 GMT')! + 1000).toISOString());
  for (const value of [undefined, '', 'soon', '-5', '1.5', '99999999999999999999']) {
    assert.equal(read(value), undefined, String(value));
  }
});

test('a status says what happened and whether trying again can help', () => {
  const of = (status: number, headers = {}) => {
    const { code, retry, retryAfterMs } = statusFailure('store x', status, headers, nowMs);
    return [code, retry, retryAfterMs];
  };
  const after = { 'retry-after': '7' };
  assert.deepEqual(of(404), ['backend-not-found', 'never', undefined]);
  assert.deepEqual(of(401), ['backend-permission', 'never', undefined]);
  assert.deepEqual(of(403), ['backend-permission', 'never', undefined]);
  assert.deepEqual(of(408), ['backend', 'later', undefined]);
  assert.deepEqual(of(413), ['backend-no-space', 'never', undefined]);
  assert.deepEqual(of(413, after), ['backend', 'later', 7000]);
  assert.deepEqual(of(422), ['backend', 'now', undefined]);
  assert.deepEqual(of(429), ['backend', 'later', undefined]);
  assert.deepEqual(of(429, after), ['backend', 'later', 7000]);
  assert.deepEqual(of(498, after), ['backend', 'later', 7000]);
  assert.deepEqual(of(503, after), ['backend', 'later', 7000]);
  assert.deepEqual(of(500), ['backend', 'later', undefined]);
  assert.deepEqual(of(507), ['backend-no-space', 'later', undefined]);
  assert.deepEqual(of(400), ['backend', 'never', undefined]);
  assert.match(
    statusFailure('log in', 301, { location: 'https://new/' }, nowMs).message,
    /^could not log in: 301 Moved Permanently, it has moved to https:\/\/new\/$/,
  );
});

test('a connection that fails names the place', () => {
  const of = (code: string) => {
    const cause = Object.assign(new Error('reason'), { code });
    const { message, retry } = connectionFailure('list swift://c', 'https://host:8080', cause);
    return [message.replace('could not list swift://c: ', ''), retry];
  };
  assert.deepEqual(of('ECONNREFUSED'), ['host:8080 refuses the connection', 'later']);
  assert.deepEqual(of('ECONNRESET'), ['host:8080 broke the connection', 'now']);
  assert.deepEqual(of('ENOTFOUND'), ['there is no host of the name in host:8080', 'later']);
  assert.deepEqual(of('CERT_HAS_EXPIRED'), ['no safe connection to host:8080: CERT_HAS_EXPIRED', 'never']);
  assert.deepEqual(of('E_ODD'), ['host:8080: reason', 'later']);
});
