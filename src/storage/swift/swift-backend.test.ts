import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { contentOf, namesIn, sourceOf } from '../../../test/contract/backend-contract.js';
import { FakeSwift, opener } from './swift-server.fixture.js';

test('an address names a container and a folder; empty parts fold', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  const plain = await open('swift://c');
  const folded = await open('swift:////c//deep///folder//');
  await folded.put('one', sourceOf('one'));
  await plain.put('two', sourceOf('two'));
  assert.deepEqual([...fake.containers.get('c')!.objects.keys()], ['deep/folder/one', 'two']);
  assert.deepEqual(await namesIn(folded), ['one']);
  assert.deepEqual(await namesIn(plain), ['two'], 'what lies deeper is no object');
  await assert.rejects(open('swift:///'), { code: 'bad-url', message: /names no container/ });
});

test('nothing is sent before the first call, and reading makes no container', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  const store = await open('swift://c');
  assert.equal(fake.seen.length, 0);
  assert.deepEqual(await store.list(), []);
  assert.equal(await store.stat('x'), undefined);
  await store.remove(['x']);
  await assert.rejects(contentOf(store, 'x'), { code: 'backend-not-found' });
  assert.equal(fake.containers.size, 0);
});

test('a container is made once, with its policy', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment(), { swiftStoragePolicy: 'gold' });
  const store = await open('swift://c');
  await Promise.all(['a', 'b', 'c'].map((name) => store.put(name, sourceOf(name))));
  assert.equal(fake.containers.get('c')?.policy, 'gold');
  const log = fake.takeLog();
  assert.equal(log.filter((line) => line === 'PUT c').length, 1);
});

test('a container with another policy is an error that names both', async (t) => {
  const fake = await FakeSwift.start(t);
  fake.containers.set('c', { policy: 'PCS', objects: new Map() });
  const cases = [
    ['swift://c', opener(t, fake.environment(), { swiftStoragePolicy: 'gold' }), 'gold'],
    ['pca://c', opener(t, fake.environment('PCA')), 'PCA'],
  ] as const;
  for (const [address, { open }, policy] of cases) {
    const store = await open(address);
    const refusal = {
      code: 'user-error',
      message: `the container c has the storage policy PCS and not ${policy}`,
    };
    await assert.rejects(store.list(), refusal);
    await assert.rejects(store.put('x', sourceOf('x')), refusal);
  }
  const same = opener(t, fake.environment(), { swiftStoragePolicy: 'pcs' });
  assert.deepEqual(await (await same.open('swift://c')).list(), []);
  const unheard = opener(t, fake.environment(), { swiftStoragePolicy: 'unheard' });
  await assert.rejects((await unheard.open('swift://new')).put('x', sourceOf('x')), {
    code: 'user-error',
    message: 'could not make the container new: the storage has no policy unheard',
  });
});

test('a listing goes on page by page, also when the token ends in between', async (t) => {
  const fake = await FakeSwift.start(t);
  fake.pageSize = 3;
  const { openBare } = opener(t, fake.environment());
  const store = await openBare('swift://c');
  const names = ['a', 'b c&d', 'e', 'f', 'x', 'ä', 'z+%41'];
  await store.put('first', sourceOf('1'));
  const { objects } = fake.containers.get('c')!;
  for (const name of names) objects.set(name, { bytes: Buffer.from(name), headers: { etag: 'x' } });
  let pages = 0;
  fake.fault = (request) => {
    if (request.method === 'GET' && request.path === '/v1/A/c' && ++pages === 2) fake.tokens.clear();
    return false;
  };
  const found = await namesIn(store);
  assert.deepEqual(found, [...names, 'first'].map((name) => Buffer.from(name).toString('latin1')).sort());
  assert.equal(fake.tokenRequests, 2);
});

test('listings that make no sense are errors', async (t) => {
  const fake = await FakeSwift.start(t);
  const { openBare } = opener(t, fake.environment());
  const store = await openBare('swift://c');
  const refusals: [string, RegExp][] = [
    ['<html>', /it is no JSON/],
    ['{}', /it is no list/],
    ['[7]', /an entry has no name/],
    ['[null]', /an entry has no name/],
    ['[{"name":"a"}]', /an entry has no size/],
    ['[{"name":"a","bytes":-1}]', /an entry has no size/],
    ['[{"name":"a","bytes":1e999}]', /an entry has no size/],
    [`[${'[],'.repeat(500_001)}0]`, /more than 1000000 values/],
    ['[{"name":"a","bytes":1}]', /its pages repeat themselves/],
  ];
  for (const [body, message] of refusals) {
    fake.fault = (request, response) => {
      if (request.path !== '/v1/A/c') return false;
      response.end(body);
      return true;
    };
    await assert.rejects(store.list(), { code: 'backend', retry: 'later', message });
  }
});

test('faults are tried again; the tries have an end', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open, warnings } = opener(t, fake.environment());
  const store = await open('swift://c');
  await store.put('one', sourceOf('first'));
  for (const status of [408, 429, 500, 502, 503, 504]) {
    let count = 0;
    fake.fault = (request, response) => {
      if (request.path !== '/v1/A/c/one' || count++ > 0) return false;
      response.writeHead(status).end();
      return true;
    };
    assert.equal((await store.stat('one'))?.sizeBytes, 5, String(status));
  }
  assert.equal(warnings.length, 6);
  fake.fault = (request, response) => {
    if (request.method !== 'PUT') return false;
    response.destroy();
    return true;
  };
  await assert.rejects(store.put('one', sourceOf('x'.repeat(1000))), { code: 'connection', retry: 'now' });
  fake.fault = undefined;
  assert.equal(await contentOf(store, 'one'), 'first');
});

test('an upload whose answer is lost counts, if the object is there whole', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open, warnings } = opener(t, fake.environment());
  const store = await open('swift://c');
  await store.put('one', sourceOf('first'));
  let uploads = 0;
  fake.fault = (request, response, raw) => {
    if (request.method !== 'PUT') return false;
    uploads++;
    const pieces: Buffer[] = [];
    raw.on('data', (piece: Buffer) => pieces.push(piece));
    raw.on('end', () => {
      const bytes = Buffer.concat(pieces);
      const etag = createHash('md5').update(bytes).digest('hex');
      fake.containers.get('c')!.objects.set('one', { bytes, headers: { etag } });
      if (uploads === 1) response.destroy();
      else response.writeHead(503).end();
    });
    return true;
  };
  for (const content of ['second', 'third']) {
    await store.put('one', sourceOf(content));
    assert.equal(await contentOf(store, 'one'), content);
  }
  assert.equal(uploads, 2);
  assert.deepEqual(warnings, []);
});

test('bytes that arrive altered are sent again', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  const store = await open('swift://c');
  let count = 0;
  fake.fault = (request, response) => {
    if (request.method !== 'PUT' || request.path !== '/v1/A/c/one' || count++ > 1) return false;
    const lie = { etag: 'f'.repeat(32) };
    response.writeHead(count === 1 ? 422 : 201, lie).end();
    return true;
  };
  await store.put('one', sourceOf('the content'));
  assert.equal(count, 3);
  assert.equal(await contentOf(store, 'one'), 'the content');
});

test('a server that says it has no space', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment());
  const store = await open('swift://c');
  fake.fault = (request, response) => {
    if (request.method !== 'PUT' || request.path !== '/v1/A/c/one') return false;
    response.writeHead(413, { connection: 'close' }).end();
    return true;
  };
  await assert.rejects(store.put('one', sourceOf('x')), { code: 'backend-no-space', retry: 'never' });
});
