import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { contentOf, sourceOf } from '../../../test/contract/backend-contract.js';
import { FakeSwift, opener } from './swift-server.fixture.js';

const content = Array.from({ length: 40_000 }, (_, index) => `line ${index}\n`).join('');

/** A storage with one object; `cut` says after how many bytes the n-th answer to a GET of it breaks off. */
async function trial(t: TestContext, cut: (get: number) => number | undefined, numRetries = 3) {
  const fake = await FakeSwift.start(t);
  const { openBare, warnings } = opener(t, fake.environment(), { numRetries });
  const store = await openBare('swift://c');
  await store.put('one', sourceOf(content));
  const gets: (string | undefined)[] = [];
  fake.fault = (request, response) => {
    if (request.method !== 'GET' || request.path !== '/v1/A/c/one') return false;
    const size = cut(gets.length);
    gets.push(request.headers.range);
    if (size === undefined) return false;
    const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    const { bytes, headers } = fake.containers.get('c')!.objects.get('one')!;
    const rest = bytes.subarray(from);
    const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(from > 0 ? 206 : 200, {
      ...headers,
      ...(from > 0 && range),
      'content-length': rest.length,
    });
    response.write(rest.subarray(0, size), () => setTimeout(() => response.destroy(), 20));
    return true;
  };
  return { fake, store, warnings, gets };
}

test('a stream that breaks off is taken up again where it was', async (t) => {
  const { store, gets, warnings } = await trial(t, (get) => [100_000, 150_000][get]);
  assert.equal(await contentOf(store, 'one'), content);
  assert.deepEqual(gets, [undefined, 'bytes=100000-', 'bytes=250000-']);
  assert.equal(warnings.length, 2);
  assert.match(warnings[0]!, /^swift:\/\/c: try 1 of 3 to read one failed: .*; trying again now$/);
});

test('it is taken up again only so often', async (t) => {
  const { store, gets } = await trial(t, () => 1000);
  await assert.rejects(contentOf(store, 'one'), { code: 'connection', retry: 'now' });
  assert.equal(gets.length, 3);
});

test('no answer in the middle counts as a try, and may pass', async (t) => {
  const { store, fake, gets } = await trial(t, (get) => (get === 0 ? 5000 : undefined));
  const cutter = fake.fault!;
  let refusals = 0;
  fake.fault = (request, response, raw) => {
    if (request.headers.range === undefined || refusals > 0) return cutter(request, response, raw);
    refusals++;
    response.writeHead(503, { 'retry-after': '0' }).end();
    return true;
  };
  assert.equal(await contentOf(store, 'one'), content);
  assert.deepEqual([refusals, gets.length], [1, 2]);
});

test('an object that was replaced meanwhile is not mixed with the old one', async (t) => {
  const { store, fake } = await trial(t, (get) => (get === 0 ? 5000 : undefined));
  await assert.rejects(
    async () => {
      for await (const _ of await store.get('one')) {
        const { objects } = fake.containers.get('c')!;
        objects.set('one', { bytes: Buffer.from(content.toUpperCase()), headers: { etag: 'f'.repeat(32) } });
      }
    },
    { code: 'backend', retry: 'now', message: 'one in swift://c was replaced while it was read' },
  );
});

test('a server that knows no ranges, or gives another one, is found out', async (t) => {
  for (const range of [undefined, 'bytes 7-99/100']) {
    const { store, fake } = await trial(t, (get) => (get === 0 ? 5000 : undefined));
    const cutter = fake.fault!;
    fake.fault = (request, response, raw) => {
      if (request.headers.range === undefined) return cutter(request, response, raw);
      const headers = range === undefined ? {} : { 'content-range': range };
      response.writeHead(range === undefined ? 200 : 206, headers).end(content);
      return true;
    };
    await assert.rejects(contentOf(store, 'one'), { code: 'backend', message: /cannot be taken up again/ });
  }
});

test('altered bytes are an error at the end', async (t) => {
  const { store, fake } = await trial(t, () => undefined);
  const { bytes } = fake.containers.get('c')!.objects.get('one')!;
  bytes[77_777]! ^= 1;
  const pieces: Uint8Array[] = [];
  await assert.rejects(
    async () => {
      for await (const piece of await store.get('one')) pieces.push(piece);
    },
    { code: 'backend', retry: 'now', message: /^one in swift:\/\/c came altered: its MD5 is / },
  );
  assert.equal(Buffer.concat(pieces).length, content.length);
});

test('a stream that nobody has begun to read lets its connection go, and can be read later', async (t) => {
  const fake = await FakeSwift.start(t);
  const { openBare } = opener(t, fake.environment(), { timeoutMs: 100 });
  const store = await openBare('swift://c');
  await store.put('one', sourceOf('x'.repeat(8 << 20)));
  const stream = await store.get('one');
  while ((await fake.connections()) > 0) await delay(20);
  let sizeBytes = 0;
  for await (const piece of stream) sizeBytes += piece.length;
  assert.equal(sizeBytes, 8 << 20);
});

test('a stream that breaks before anybody reads it ends no process', async (t) => {
  const { store } = await trial(t, (get) => (get === 0 ? 10 : undefined));
  const stream = await store.get('one');
  await delay(100);
  let sizeBytes = 0;
  for await (const piece of stream) sizeBytes += piece.length;
  assert.equal(sizeBytes, content.length);
});
