import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { multiDriver } from '../../src/storage/multi/open.js';
import { BackendRegistry } from '../../src/storage/registry.js';
import { swiftDriver } from '../../src/storage/swift/driver.js';
import { opener } from '../../src/storage/swift/swift-server.fixture.js';
import { contentOf, namesIn, sourceOf } from '../contract/backend-contract.js';
import { needs } from '../peers.js';
import { type OpenStack, openStack, openStackPeers, startOpenStack } from '../services/openstack.js';
import { runProgram } from './programs.js';

const content = randomBytes(250_000).toString('latin1');
const bytes = Buffer.from(content, 'latin1');
const segmentSizeBytes = 60_000;

function newName(): string {
  return `interop-${randomBytes(8).toString('hex')}`;
}

/** The peer's own backend for an address: one of its calls in each run. */
class PeerStorage {
  readonly #env: Record<string, string>;
  readonly #url: string;

  constructor(url: string, env: Record<string, string>) {
    this.#url = url;
    this.#env = env;
  }

  async call(...args: string[]): Promise<string> {
    const script = `
import sys
from duplicity import backend, config, log, path
log.setup()
backend.import_backends()
url, segment, call, *args = sys.argv[1:]
config.mp_segment_size = int(segment)
storage = backend.get_backend_object(url)
if call == 'put': storage._put(path.Path(args[0]), args[1].encode())
elif call == 'get': storage._get(args[0].encode(), path.Path(args[1]))
elif call == 'list': print(sorted(storage._list()))
elif call == 'size': print(storage._query(args[0].encode())['size'])
elif call == 'delete': storage._delete(args[0].encode())
`;
    const all = ['-c', script, this.#url, String(segmentSizeBytes), ...args];
    const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', ...this.#env };
    const { status, stdout, stderr } = await runProgram('/usr/bin/python3', all, env);
    assert.equal(status, 0, stderr);
    return stdout.trim();
  }
}

/** A plain client of the storage: what it says counts. */
class PlainClient {
  readonly url: string;
  readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  static async logIn(services: OpenStack, env: Record<string, string>): Promise<PlainClient> {
    const user = { name: env.SWIFT_USERNAME, password: env.SWIFT_PASSWORD, domain: { id: 'default' } };
    const identity = { methods: ['password'], password: { user } };
    const scope = { project: { id: env.SWIFT_TENANTID } };
    const answer = await fetch(`${services.keystoneUrl}/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth: { identity, scope } }),
    });
    const url = `${services.swiftUrl}/v1/KEY_${env.SWIFT_TENANTID}`;
    return new PlainClient(url, answer.headers.get('x-subject-token')!);
  }

  async request(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
    const all = { 'x-auth-token': this.token, ...headers };
    const answer = await fetch(`${this.url}/${path}`, { method, headers: all, ...(body && { body }) });
    return { headers: answer.headers, body: await answer.text() };
  }

  /** All paths in a container. */
  async paths(container: string): Promise<string[]> {
    const { body } = await this.request('GET', container);
    return body.startsWith('<') ? [] : body.split('\n').filter((path) => path !== '');
  }
}

/** A container of its own, seen by us, by the peer and by a plain client. */
async function meetingPlace(t: TestContext, services: OpenStack) {
  const name = newName();
  const env = services.environment('SWIFT', 3);
  const options = { segmentSizeBytes, timeoutMs: 20_000 };
  const client = await PlainClient.logIn(services, env);
  const folder = await mkdtemp(join(tmpdir(), 'tundra-swift-'));
  t.after(() => rm(folder, { recursive: true }));
  const local = join(folder, 'local');
  await writeFile(local, bytes);
  return {
    name,
    env,
    client,
    local,
    ours: await opener(t, env, options).open(`swift://${name}`),
    peer: new PeerStorage(`swift://${name}`, env),
    segments: () => client.paths(`${name}_segments`),
  };
}

/** What is needed to compare with the peer's own storage. With auth version 1 that cannot do large objects. */
async function withPeer(t: TestContext): Promise<OpenStack | undefined> {
  return needs(t, 'duplicity', 'swiftclient', 'python3') ? await openStack(t) : undefined;
}

test('a large object of ours is read, sized and removed by the peer, with its segments', async (t) => {
  const services = await withPeer(t);
  if (services === undefined) return;
  const { ours, peer, local, client, name, segments } = await meetingPlace(t, services);
  await ours.put('vol1', sourceOf(bytes));
  assert.equal((await segments()).length, 5);
  assert.equal((await client.request('HEAD', `${name}/vol1`)).headers.get('x-static-large-object'), 'True');
  assert.equal(await peer.call('list'), "['vol1']");
  assert.equal(await peer.call('size', 'vol1'), String(bytes.length));
  await peer.call('get', 'vol1', `${local}.out`);
  assert.ok((await readFile(`${local}.out`)).equals(bytes));
  await peer.call('delete', 'vol1');
  assert.deepEqual(await client.paths(name), []);
  assert.deepEqual(await segments(), []);
});

test('a large object of the peer is read, sized and removed by us, with its segments', async (t) => {
  const services = await withPeer(t);
  if (services === undefined) return;
  const { ours, peer, local, client, name, segments } = await meetingPlace(t, services);
  await peer.call('put', local, 'vol1');
  await peer.call('put', local, 'vol10');
  assert.equal((await segments()).length, 10);
  const isDynamic = (await client.request('HEAD', `${name}/vol1`)).headers.has('x-object-manifest');
  assert.ok(isDynamic, 'the peer writes dynamic large objects');
  assert.deepEqual(await ours.list(), [
    { name: 'vol1', sizeBytes: bytes.length },
    { name: 'vol10', sizeBytes: bytes.length },
  ]);
  assert.equal((await ours.stat('vol1'))?.sizeBytes, bytes.length);
  assert.equal(await contentOf(ours, 'vol1'), content);
  await ours.remove(['vol1']);
  assert.deepEqual(await client.paths(name), ['vol10']);
  assert.equal((await segments()).length, 5);
  assert.equal(await contentOf(ours, 'vol10'), content);
});

test('what replaces a large object removes the segments of the old one', async (t) => {
  const services = await withPeer(t);
  if (services === undefined) return;
  const { ours, peer, local, segments } = await meetingPlace(t, services);
  await peer.call('put', local, 'vol1');
  await ours.put('vol1', sourceOf(bytes.subarray(1)));
  assert.equal(await contentOf(ours, 'vol1'), content.slice(1));
  const first = await segments();
  assert.equal(first.length, 5);
  await ours.put('vol1', sourceOf(bytes));
  assert.equal(await contentOf(ours, 'vol1'), content);
  const second = await segments();
  assert.equal(second.length, 5);
  assert.ok(!second.some((path) => first.includes(path)));
  await ours.put('vol1', sourceOf('small'));
  assert.equal(await contentOf(ours, 'vol1'), 'small');
  assert.deepEqual(await segments(), []);
});

test('segments have the policy of their container, and do not show where they lie in it', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const { ours, client, name, env } = await meetingPlace(t, services);
  await client.request('PUT', name, { 'x-storage-policy': 'PCA' });
  await ours.put('vol1', sourceOf(bytes));
  const made = await client.request('HEAD', `${name}_segments`);
  assert.equal(made.headers.get('x-storage-policy'), 'PCA');

  const other = newName();
  await client.request('PUT', other);
  for (const part of ['1', '2'])
    await client.request('PUT', `${other}/vol1/part/${part}`, {}, part.repeat(5));
  await client.request('PUT', `${other}/vol1`, { 'x-object-manifest': `${other}/vol1/part/` });
  const store = await opener(t, env).open(`swift://${other}`);
  assert.deepEqual(await store.list(), [{ name: 'vol1', sizeBytes: 10 }]);
  assert.equal(await contentOf(store, 'vol1'), '1111122222');
  await store.remove(['vol1']);
  assert.deepEqual(await client.paths(other), []);
});

test('a large object in an archive is sealed, thawed, read and removed as a whole', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const { ours, client, name, segments } = await meetingPlace(t, services);
  await client.request('PUT', name, { 'x-storage-policy': 'PCA' });
  await ours.put('vol1', sourceOf(bytes));
  const archive = await opener(t, services.environment('PCA', 3)).open(`pca://${name}`);
  const survey = async () => {
    const [object, ...others] = await archive.cold!.survey();
    assert.deepEqual(others, []);
    return [object?.name, object?.sizeBytes, object?.state];
  };
  assert.deepEqual(await survey(), ['vol1', bytes.length, 'sealed']);
  await archive.cold!.thaw(['vol1']);
  assert.deepEqual(await survey(), ['vol1', bytes.length, 'thawing']);
  await services.pca.unseal(name, 'vol1');
  assert.equal(await contentOf(archive, 'vol1'), content);
  await services.pca.seal(name);
  await archive.remove(['vol1']);
  assert.deepEqual([await client.paths(name), await segments()], [[], []]);
  assert.equal((await services.pca.gets(name)).filter(({ started }) => started).length, 1);
});

test('an upload that fails leaves no segments, and the old object', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const { ours, segments } = await meetingPlace(t, services);
  await ours.put('vol1', sourceOf('old'));
  const reason = new Error('the source broke');
  let openings = 0;
  async function* failing() {
    // The first time it is only summed up.
    const end = openings++ === 0 ? bytes.length : 170_000;
    for (let at = 0; at < end; at += 10_000) yield bytes.subarray(at, at + 10_000);
    if (end < bytes.length) throw reason;
  }
  const source = { sizeBytes: bytes.length, open: failing };
  await assert.rejects(ours.put('vol1', source), (error) => error === reason);
  assert.deepEqual(await segments(), []);
  assert.equal(await contentOf(ours, 'vol1'), 'old');
});

test('a real listing in many pages is whole', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const name = newName();
  const { open } = opener(t, services.environment('SWIFT', 3), {}, { listPageSize: 4 });
  const store = await open(`swift://${name}/folder`);
  const names = Array.from({ length: 22 }, (_, index) => `object ${index} & +%`);
  for (const each of names) await store.put(each, sourceOf(each));
  assert.deepEqual(await namesIn(store), names.sort());
  const pages = services.requests(name).filter(({ method, path }) => method === 'GET' && path.endsWith(name));
  assert.equal(pages.length, 7);
});

/** A way to the storage that breaks each of its first connections off after so many bytes of answers. */
async function frailWay(t: TestContext, target: string, afterBytes: number[]): Promise<string> {
  const { hostname, port } = new URL(target);
  const server = createServer((near) => {
    let left = afterBytes.shift() ?? Number.POSITIVE_INFINITY;
    const far = connect(Number(port), hostname);
    near.pipe(far);
    far.on('data', (piece) => {
      const passed = piece.subarray(0, Math.min(left, piece.length));
      left -= passed.length;
      near.write(passed, () => left <= 0 && near.destroy());
    });
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return target.replace(`:${port}`, `:${(server.address() as AddressInfo).port}`);
}

test('plain and large objects are taken up again where their connection breaks', async (t) => {
  const services = await withPeer(t);
  if (services === undefined) return;
  const { ours, peer, local, client, name } = await meetingPlace(t, services);
  await ours.put('static', sourceOf(bytes));
  await peer.call('put', local, 'dynamic');
  await client.request('PUT', `${name}/plain`, {}, 'plain text '.repeat(20_000));
  for (const each of ['static', 'dynamic', 'plain']) {
    const way = await frailWay(t, client.url, [100_000, 70_000]);
    const env = { SWIFT_PREAUTHURL: way, SWIFT_PREAUTHTOKEN: client.token };
    const { open, warnings } = opener(t, env);
    const store = await open(`swift://${name}`);
    assert.equal(await contentOf(store, each), await contentOf(ours, each), each);
    assert.equal(warnings.length, 2, each);
  }
});

test('a long run outlives its tokens', async (t) => {
  if (!needs(t, ...openStackPeers)) return;
  const services = await startOpenStack({ tokenLifeSeconds: 2 });
  try {
    for (const version of [1, 3] as const) {
      const before = services.tokenRequests();
      const { open, warnings } = opener(t, services.environment('SWIFT', version), { segmentSizeBytes });
      const store = await open(`swift://${newName()}`);
      const endMs = Date.now() + 3000;
      while (Date.now() < endMs) {
        await store.put('vol1', sourceOf(bytes));
        assert.equal(await contentOf(store, 'vol1'), content);
        assert.deepEqual(await namesIn(store), ['vol1']);
        await delay(100);
      }
      assert.ok(services.tokenRequests() - before >= 2, 'tokens ended meanwhile');
      assert.deepEqual(warnings, []);
      await store.close();
    }
  } finally {
    await services.stop();
  }
});

test('what Keystone refuses is told by the names of variables', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const good = services.environment('SWIFT', 3);
  const refusal = async (change: Record<string, string>, pattern: object) => {
    const store = await opener(t, { ...good, ...change }).open('swift://never-made');
    await assert.rejects(store.list(), pattern);
  };
  await refusal(
    { SWIFT_PASSWORD: 'not the one' },
    { code: 'backend-permission', message: /the user or the password is wrong$/, advice: /SWIFT_PASSWORD/ },
  );
  await refusal(
    { SWIFT_REGIONNAME: 'GRA' },
    { code: 'user-error', message: /region GRA; there is in ELSEWHERE, HERE$/ },
  );
  await refusal(
    { SWIFT_ENDPOINT_TYPE: 'secretURL' },
    { code: 'user-error', message: /type secret; it has / },
  );
  await refusal({ SWIFT_TENANTID: 'nobody' }, { code: 'backend-permission', advice: /SWIFT_TENANTID/ });
  await refusal({ SWIFT_USER_DOMAIN_NAME: 'nowhere' }, { code: 'backend-permission', advice: /DOMAIN/ });
  const v1 = { ...good, SWIFT_AUTHVERSION: '1' };
  const store = await opener(t, v1).open('swift://never-made');
  await assert.rejects(store.list(), { code: 'user-error', advice: /SWIFT_AUTHVERSION, which is 1\.$/ });
});

test('two accounts in one run, hot and cold in one multi storage', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const folder = await mkdtemp(join(tmpdir(), 'tundra-swift-'));
  t.after(() => rm(folder, { recursive: true }));
  const name = newName();
  const variables = (env: Record<string, string>) =>
    Object.entries(env).map(([name, value]) => ({ name, value }));
  const config = [
    {
      description: 'Cold storage',
      url: `pca://${name}`,
      env: variables(services.environment('PCA', 3)),
      prefixes: ['cold_'],
    },
    {
      description: 'Hot storage',
      url: `swift://${name}`,
      env: variables(services.environment('SWIFT', 3, 'second')),
      prefixes: ['hot_'],
    },
  ];
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const registry = new BackendRegistry([multiDriver, swiftDriver()]);
  const options = { numRetries: 3, retryDelayMs: 0, timeoutMs: 20_000 };
  const store = await registry.open(`multi://${folder}/config.json?mode=mirror&onfail=abort`, {
    env: {},
    registry,
    options,
  });
  t.after(() => store.close());
  await store.put('hot_manifest', sourceOf('hot'));
  await store.put('cold_vol1', sourceOf('cold one'));
  await store.put('cold_vol2', sourceOf('cold two'));
  assert.deepEqual(await namesIn(store), ['cold_vol1', 'cold_vol2', 'hot_manifest']);
  assert.equal(await contentOf(store, 'hot_manifest'), 'hot');
  assert.equal((await store.stat('cold_vol1'))?.sizeBytes, 8);
  assert.deepEqual(await services.pca.gets(name), [], 'what is cold was not read');

  const states = async () =>
    (await store.cold!.survey()).map((object) => `${object.name} ${object.state}`).sort();
  assert.deepEqual(await states(), ['cold_vol1 sealed', 'cold_vol2 sealed']);
  await services.pca.rules(name, { thawSeconds: 600 });
  const [asked] = await store.cold!.thaw(['cold_vol1']);
  assert.equal(asked?.state, 'thawing');
  assert.ok(asked.readyAtMs! > Date.now() + 500_000);
  assert.deepEqual(await states(), ['cold_vol1 thawing', 'cold_vol2 sealed']);
  await assert.rejects(store.get('cold_vol1'), (error) => {
    const { code, retryAfterMs } = error as { code: string; retryAfterMs: number };
    return code === 'backend-sealed' && retryAfterMs > 500_000;
  });
  await services.pca.unseal(name, 'cold_vol1');
  assert.equal(await contentOf(store, 'cold_vol1'), 'cold one');
  assert.deepEqual(
    (await services.pca.gets(name)).filter(({ started }) => started).map(({ object }) => object),
    ['cold_vol1'],
  );
  await store.remove(['cold_vol1', 'cold_vol2', 'hot_manifest']);
  assert.deepEqual(await store.list(), []);
});
