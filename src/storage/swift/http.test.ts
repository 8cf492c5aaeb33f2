import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { contentOf, sourceOf } from '../../../test/contract/backend-contract.js';
import { FakeSwift, opener } from './swift-server.fixture.js';

/** A proxy that notes where it was asked to connect to. */
async function proxy(t: TestContext): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, near) => {
    asked.push(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    const far = connect(Number(port), host, () => {
      near.write('HTTP/1.1 200 OK\r\n\r\n');
      far.pipe(near).pipe(far);
    });
    for (const socket of [near, far]) socket.on('error', () => near.destroy());
    t.after(() => far.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

test('a proxy that the environment names is used, unless the host is excepted', async (t) => {
  const fake = await FakeSwift.start(t);
  const { url, asked } = await proxy(t);
  const through = await opener(t, { ...fake.environment(), http_proxy: url }).open('swift://c');
  await through.put('one', sourceOf('one'));
  assert.equal(await contentOf(through, 'one'), 'one');
  assert.ok(asked.length > 0);
  assert.ok(asked.every((place) => `http://${place}` === fake.url));
  asked.length = 0;
  const env = { ...fake.environment(), HTTP_PROXY: url, NO_PROXY: '127.0.0.1' };
  assert.equal(await contentOf(await opener(t, env).open('swift://c'), 'one'), 'one');
  assert.deepEqual(asked, []);
});

test('neither errors nor the storage itself show a password or a token', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open, warnings } = opener(t, fake.environment());
  const store = await open('swift://c');
  await store.list();
  const shown: unknown[] = [store];
  for (const status of [400, 403, 404, 413, 503, 0]) {
    fake.fault = (request, response) => {
      if (!request.path.startsWith('/v1/')) return false;
      if (status === 0) response.destroy();
      else response.writeHead(status).end(`${request.headers['x-auth-token']} pass word`);
      return true;
    };
    const calls = [
      store.put('x', sourceOf('x')),
      store.get('x'),
      store.list(),
      store.stat('x'),
      store.remove(['x']),
    ];
    for (const result of await Promise.allSettled(calls)) shown.push(result);
  }
  const text = inspect([shown, warnings], { depth: 12, showHidden: true });
  assert.ok(warnings.length > 0);
  assert.ok(!text.includes('pass word'));
  assert.ok(!text.includes('token-1'));
});
