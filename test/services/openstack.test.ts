import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { needs } from '../peers.js';
import { type OpenStack, openStack, openStackPeers, startOpenStack } from './openstack.js';

const text = 'some bytes of a volume';
/** Services may outlive a run: no run meets the containers of another. */
const mark = `${Date.now().toString(36)}-${process.pid}`;

/** Runs a program, which must succeed, in an environment of its own, and gives what it printed. */
async function run(program: string, options: string[], environment: Record<string, string>): Promise<string> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(program, options, {
    env: { PATH, HOME, TMPDIR, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece) => {
    stdout += piece;
  });
  child.stderr.on('data', (piece) => {
    stderr += piece;
  });
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  assert.equal(status, 0, `${program} ${options.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

/** What python-swiftclient's own command reads, out of the variables for a backend. */
function clientEnvironment(own: Record<string, string>): Record<string, string> {
  if (own.SWIFT_AUTHVERSION === '1') {
    return { ST_AUTH: own.SWIFT_AUTHURL!, ST_USER: own.SWIFT_USERNAME!, ST_KEY: own.SWIFT_PASSWORD! };
  }
  return {
    OS_AUTH_URL: own.SWIFT_AUTHURL!,
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: own.SWIFT_USERNAME!,
    OS_PASSWORD: own.SWIFT_PASSWORD!,
    OS_PROJECT_ID: own.SWIFT_TENANTID!,
    OS_PROJECT_DOMAIN_NAME: own.SWIFT_PROJECT_DOMAIN_NAME!,
    OS_REGION_NAME: own.SWIFT_REGIONNAME!,
  };
}

/** The real client for an account; its command `auth` prints address and token for requests of our own. */
class Client {
  readonly #environment: Record<string, string>;
  #session: Promise<{ url: string; token: string }> | undefined;

  constructor(services: OpenStack, version: 1 | 3, account: 'first' | 'second' = 'first') {
    this.#environment = clientEnvironment(services.environment('SWIFT', version, account));
  }

  async swift(...options: string[]): Promise<string> {
    return await run('swift', options, this.#environment);
  }

  async upload(container: string, object: string, ...options: string[]): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'tundra-swift-'));
    try {
      const file = join(folder, 'file');
      writeFileSync(file, text);
      await this.swift('upload', container, file, '--object-name', object, ...options);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  async #start(): Promise<{ url: string; token: string }> {
    const printed = await this.swift('auth');
    const value = (name: string) =>
      new RegExp(`^export ${name}=(.*)$`, 'm').exec(printed)![1]!.replaceAll("'", '');
    return { url: value('OS_STORAGE_URL'), token: value('OS_AUTH_TOKEN') };
  }

  /** A plain request with the token that the client was given. */
  async request(method: string, path: string, { body = '', headers = {} } = {}): Promise<Response> {
    this.#session ??= this.#start();
    const { url, token } = await this.#session;
    return await fetch(`${url}/${path}`, {
      method,
      headers: { 'X-Auth-Token': token, ...headers },
      ...(body !== '' && { body }),
    });
  }

  /** Makes a container for cold objects. */
  async makeCold(container: string): Promise<void> {
    const made = await this.request('PUT', container, { headers: { 'X-Storage-Policy': 'PCA' } });
    assert.equal(made.status, 201);
  }
}

/** Asks again until it holds. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds()) return;
    await delay(100);
  }
  assert.fail('it did not come to hold');
}

async function servicesAndClient(t: TestContext): Promise<OpenStack | undefined> {
  return needs(t, 'swiftclient') ? await openStack(t) : undefined;
}

for (const version of [1, 3] as const) {
  test(`auth version ${version}: the real client stores, lists and fetches; accounts are separate`, async (t) => {
    const services = await servicesAndClient(t);
    if (services === undefined) return;
    const container = `hot-v${version}-${mark}`;
    const first = new Client(services, version);
    await first.upload(container, 'prefix/object');
    assert.equal(await first.swift('list', container), 'prefix/object\n');
    assert.equal(await first.swift('download', container, 'prefix/object', '-o', '-'), text);
    assert.match(await first.swift('stat', container), /X-Storage-Policy: PCS/);

    const second = new Client(services, version, 'second');
    assert.equal((await second.request('GET', container)).status, 404);
    const asked = services.requests(container);
    assert.ok(
      asked.some(
        ({ method, path, status }) => method === 'PUT' && path.endsWith('/prefix/object') && status === 201,
      ),
    );
    assert.ok(
      asked.some(
        ({ method, path, status }) => method === 'GET' && path.endsWith(`/${container}`) && status === 404,
      ),
    );
    assert.ok(services.tokenRequests() > 0);
  });
}

test('an object of policy PCA is sealed, thaws when it is asked for, and seals again', async (t) => {
  const services = await servicesAndClient(t);
  if (services === undefined) return;
  const container = `cold-life-${mark}`;
  const client = new Client(services, 3);
  await client.swift('post', container, '-H', 'X-Storage-Policy: PCA');
  await client.upload(container, 'a');
  await client.request('PUT', `${container}/b`, { body: text });
  const path = `${container}/a`;
  const state = async () => (await client.request('HEAD', path)).headers.get('x-ovh-retrieval-state');
  assert.match(await client.swift('stat', container), /X-Storage-Policy: PCA/);
  assert.equal(await state(), 'sealed');

  const refused = await client.request('GET', path);
  assert.equal(refused.status, 429);
  const seconds = Number(refused.headers.get('retry-after'));
  assert.ok(seconds > 0 && seconds <= 600, `Retry-After ${seconds}`);
  const thawing = await client.request('HEAD', path);
  assert.equal(thawing.headers.get('x-ovh-retrieval-state'), 'unsealing');
  assert.ok(Number(thawing.headers.get('x-ovh-retrieval-delay')) <= seconds);
  assert.equal((await client.request('GET', path)).status, 429);

  const listing = await client.request('GET', `${container}?format=json&policy_extra=true`);
  const entries = (await listing.json()) as Record<string, unknown>[];
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.policy_retrieval_state, typeof entry.policy_retrieval_delay]),
    [
      ['a', 'unsealing', 'number'],
      ['b', 'sealed', 'object'],
    ],
  );
  const plain = (await (await client.request('GET', `${container}?format=json`)).json()) as object[];
  assert.ok(!('policy_retrieval_state' in plain[0]!));

  await services.pca.unseal(container, 'a');
  assert.equal(await client.swift('download', container, 'a', '-o', '-'), text);
  assert.equal(await state(), 'unsealed');
  await services.pca.seal(container);
  assert.equal(await state(), 'sealed');

  await services.pca.rules(container, { thawSeconds: 0.2, unsealedSeconds: 3600 });
  await eventually(async () => (await client.request('GET', path)).status === 200);
  await client.request('PUT', path, { body: 'written anew' });
  assert.equal(await state(), 'sealed');

  await services.pca.rules(container, { thawSeconds: 0, unsealedSeconds: 0.2 });
  assert.equal((await client.request('GET', path)).status, 429);
  await eventually(async () => (await state()) === 'sealed');

  const gets = await services.pca.gets(container);
  assert.equal(gets.filter(({ started }) => started).length, 3);
  assert.equal(gets.filter(({ status }) => status === 200).length, 2);
  assert.ok(gets.every(({ object }) => object === 'a'));
});

test('thaws may differ from object to object, and are always the same for one', async (t) => {
  const services = await servicesAndClient(t);
  if (services === undefined) return;
  const container = `cold-spread-${mark}`;
  const client = new Client(services, 1);
  await client.makeCold(container);
  const names = Array.from({ length: 12 }, (_, number) => `${container}/object-${number}`);
  for (const name of names) await client.request('PUT', name, { body: text });
  const waits = async () => {
    const answers = await Promise.all(names.map((name) => client.request('GET', name)));
    return answers.map((answer) => Math.round(Number(answer.headers.get('retry-after')) / 1000));
  };
  await services.pca.rules(container, { thawSeconds: [1000, 5000] });
  const once = await waits();
  assert.deepEqual([...new Set(once)].sort(), [1, 5]);
  await services.pca.seal(container);
  assert.deepEqual(await waits(), once);
  await services.pca.seal(container);
  await services.pca.rules(container, { thawSeconds: { from: 2000, to: 4000 } });
  const between = await waits();
  assert.ok(new Set(between).size > 1);
  assert.ok(between.every((thousands) => thousands >= 2 && thousands <= 4));
});

test('plain rate limiting, missing objects and foreign tokens are told apart from sealed objects', async (t) => {
  const services = await servicesAndClient(t);
  if (services === undefined) return;
  const container = `cold-refusals-${mark}`;
  const client = new Client(services, 3);
  await client.makeCold(container);
  await client.request('PUT', `${container}/a`, { body: text });
  await services.pca.unseal(container);
  await services.pca.limit(container, 1);
  const limited = await client.request('GET', `${container}/a`);
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get('retry-after'), null);
  assert.equal((await client.request('GET', `${container}/a`)).status, 200);
  assert.equal((await client.request('GET', `${container}/missing`)).status, 404);
  const anonymous = await fetch(
    `${services.swiftUrl}/v1/KEY_${services.environment('SWIFT', 3).SWIFT_TENANTID}/${container}/a`,
  );
  assert.equal(anonymous.status, 401);
  const gets = await services.pca.gets(container);
  assert.deepEqual(
    gets.map(({ status, started }) => [status, started]),
    [
      [429, false],
      [200, false],
      [404, false],
      [401, false],
    ],
  );
});

test('large objects, of both kinds, are put together, and sealed as a whole', async (t) => {
  const services = await servicesAndClient(t);
  if (services === undefined) return;
  const client = new Client(services, 3);
  for (const [container, ...option] of [[`cold-dlo-${mark}`], [`cold-slo-${mark}`, '--use-slo']] as const) {
    await client.makeCold(container);
    await client.upload(container, 'large', '--segment-size', '8', ...option);
    assert.equal((await client.request('GET', `${container}/large`)).status, 429);
    await services.pca.unseal(container, 'large');
    assert.equal(await client.swift('download', container, 'large', '-o', '-'), text);
    await client.swift('delete', container, 'large');
    assert.equal(await client.swift('list', `${container}_segments`), '');
  }
});

/** Gets a token that is taken, and waits until it is not. */
async function outliveToken(services: OpenStack, version: 1 | 3): Promise<void> {
  let client = new Client(services, version);
  await eventually(async () => {
    client = new Client(services, version);
    return (await client.request('HEAD', '')).ok;
  });
  await eventually(async () => (await client.request('HEAD', '')).status === 401);
}

test('a token ends after the life that was asked for, and nothing is left of stopped services', async (t) => {
  if (!needs(t, ...openStackPeers, 'swiftclient')) return;
  const services = await startOpenStack({ tokenLifeSeconds: 2 });
  const { requestLog } = JSON.parse(services.description) as { requestLog: string };
  try {
    await Promise.all(([1, 3] as const).map((version) => outliveToken(services, version)));
  } finally {
    await services.stop();
  }
  assert.equal(existsSync(dirname(requestLog)), false);
  await assert.rejects(fetch(services.swiftUrl));
});

test('the peer backs up to Swift and restores; it backs up to PCA without reading there', async (t) => {
  if (!needs(t, 'duplicity', 'swiftclient')) return;
  const services = await openStack(t);
  if (services === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'tundra-peer-'));
  try {
    const source = join(folder, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), text);
    const containers = { SWIFT: `peer-hot-${mark}`, PCA: `peer-cold-${mark}` };
    for (const prefix of ['SWIFT', 'PCA'] as const) {
      const duplicity = async (...options: string[]) => {
        const common = ['--no-encryption', '--archive-dir', join(folder, prefix)];
        await run('duplicity', [...common, ...options], services.environment(prefix, 3));
      };
      const url = `${prefix.toLowerCase()}://${containers[prefix]}`;
      await duplicity('full', source, url);
      assert.deepEqual(await services.pca.gets(containers.PCA), []);
      await services.pca.unseal(containers.PCA);
      const target = join(folder, `target-${prefix}`);
      await duplicity('restore', url, target);
      assert.equal(readFileSync(join(target, 'file'), 'utf8'), text);
    }
    const gets = await services.pca.gets(containers.PCA);
    assert.ok(gets.length > 0 && gets.every(({ status }) => status === 200));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
