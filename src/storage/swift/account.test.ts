import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { contentOf, namesIn, sourceOf } from '../../../test/contract/backend-contract.js';
import { TundraError } from '../../base/errors.js';
import { FakeSwift, opener } from './swift-server.fixture.js';

test('calls side by side and stores of one account share one token', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, { ...fake.environment('SWIFT'), ...fake.environment('PCA') });
  const stores = await Promise.all(['swift://one', 'swift://two', 'pca://three'].map(open));
  await Promise.all(
    stores.flatMap((store) => [store.list(), store.stat('x'), store.put('a', sourceOf('a'))]),
  );
  assert.equal(fake.tokenRequests, 1);
  await stores[0]!.close();
  assert.deepEqual(await namesIn(stores[1]!), ['a'], 'the others go on when one is closed');
  for (const store of stores) await store.close();
  await (await open('swift://one')).list();
  assert.equal(fake.tokenRequests, 2, 'a token is not kept longer than its stores');
});

test('another password is another account', async (t) => {
  const fake = await FakeSwift.start(t);
  const good = fake.environment();
  const { open } = opener(t, good);
  await (await open('swift://one')).list();
  const bad = opener(t, { ...good, SWIFT_PASSWORD: 'not the one' });
  await assert.rejects((await bad.open('swift://one')).list(), (error) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'backend-permission');
    assert.match(error.advice ?? '', /SWIFT_PASSWORD/);
    assert.ok(!inspect(error, { depth: 9 }).includes('not the one'));
    return true;
  });
});

test('a token that has ended is renewed once, for all calls together', async (t) => {
  const fake = await FakeSwift.start(t);
  const { openBare } = opener(t, fake.environment());
  const store = await openBare('swift://c');
  await store.put('one', sourceOf('one'));
  fake.tokens.clear();
  const contents = await Promise.all(Array.from({ length: 6 }, () => contentOf(store, 'one')));
  assert.deepEqual(new Set(contents), new Set(['one']));
  assert.equal(fake.tokenRequests, 2);
});

test('a token that ends in the middle of an upload: the source is opened again', async (t) => {
  const fake = await FakeSwift.start(t);
  const { openBare } = opener(t, fake.environment());
  const store = await openBare('swift://c');
  await store.list();
  let hasEnded = false;
  fake.fault = (request) => {
    if (request.method === 'PUT' && request.path === '/v1/A/c/one' && !hasEnded) {
      hasEnded = true;
      fake.tokens.clear();
    }
    return false;
  };
  const content = 'x'.repeat(300_000);
  await store.put('one', sourceOf(content));
  assert.equal(await contentOf(store, 'one'), content);
  assert.equal(fake.tokenRequests, 2);
});

test('a refusal before the upload was read is an answer, too', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  const store = await open('swift://c');
  await store.list();
  let refusals = 0;
  fake.fault = (request, response) => {
    if (request.method !== 'PUT' || request.path !== '/v1/A/c/one' || refusals > 0) return false;
    refusals++;
    fake.tokens.clear();
    response.writeHead(401, { 'content-length': 0, connection: 'close' }).end();
    return true;
  };
  const content = 'x'.repeat(20 << 20);
  await store.put('one', sourceOf(content, 1 << 20));
  assert.equal((await store.stat('one'))?.sizeBytes, content.length);
  assert.equal(refusals, 1);
});

test('a token that is never accepted ends the call', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  fake.fault = (request, response) => {
    if (!request.path.startsWith('/v1/')) return false;
    response.writeHead(401).end();
    return true;
  };
  await assert.rejects((await open('swift://c')).list(), { code: 'backend-permission', retry: 'never' });
  assert.equal(fake.tokenRequests, 2);
});

test('498 from a young token is rate limiting', async (t) => {
  const fake = await FakeSwift.start(t);
  const { openBare } = opener(t, fake.environment());
  fake.fault = (request, response) => {
    if (!request.path.startsWith('/v1/')) return false;
    response.writeHead(498).end();
    return true;
  };
  await assert.rejects((await openBare('swift://c')).list(), { code: 'backend', retry: 'later' });
  assert.equal(fake.tokenRequests, 1);
});

test('a login that fails is tried again by the next call', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open, warnings } = opener(t, fake.environment());
  let failures = 0;
  fake.fault = (request, response) => {
    if (!request.path.startsWith('/auth/') || failures++ > 0) return false;
    response.writeHead(503).end();
    return true;
  };
  assert.deepEqual(await (await open('swift://c')).list(), []);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /could not log in at .*: 503 Service Unavailable; trying again now$/);
});

test('a token from elsewhere is used, and cannot be renewed', async (t) => {
  const fake = await FakeSwift.start(t);
  const env = { PCA_PREAUTHURL: `${fake.url}/v1/A/`, PCA_PREAUTHTOKEN: fake.newToken() };
  const { open } = opener(t, env);
  const store = await open('pca://c');
  await store.put('one', sourceOf('one'));
  assert.deepEqual(await namesIn(store), ['one']);
  assert.equal(fake.containers.get('c')?.policy, 'PCA');
  fake.tokens.clear();
  await assert.rejects(store.list(), {
    code: 'backend-permission',
    advice: 'It has probably ended: set PCA_PREAUTHTOKEN to a new one.',
  });
  assert.equal(fake.tokenRequests, 1);
});

test('connections are used again', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  const store = await open('swift://c');
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await store.put(name, sourceOf(name));
    assert.equal(await contentOf(store, name), name);
    await store.stat('absent');
  }
  await store.remove(['a']);
  assert.ok((await fake.connections()) <= 2);
});

test('a refused connection and a silent server name the place', async (t) => {
  const fake = await FakeSwift.start(t);
  const { openBare } = opener(t, fake.environment(), { timeoutMs: 1000 });
  const store = await openBare('swift://c');
  fake.fault = (request) => request.path.startsWith('/v1/');
  const place = fake.url.replace('http://', '');
  await assert.rejects(store.list(), {
    code: 'connection',
    retry: 'now',
    message: `could not list swift://c: ${place} was silent for too long`,
  });
  fake.fault = (request) => request.method === 'PUT' && request.path === '/v1/A/c/one';
  await assert.rejects(store.put('one', sourceOf('x'.repeat(30 << 20), 1 << 20)), {
    code: 'connection',
    message: `could not store one in swift://c: ${place} was silent for too long`,
  });
  fake.stop();
  await assert.rejects(store.list(), { code: 'connection', message: new RegExp(`${place} (refuses|broke)`) });
});
