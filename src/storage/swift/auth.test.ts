import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { TundraError } from '../../base/errors.js';
import { logIn } from './auth.js';
import { type Environment, readAccount } from './environment.js';
import { HttpClient } from './http.js';
import { FakeSwift, type SeenRequest } from './swift-server.fixture.js';

type Reply = { status: number; headers?: Record<string, string>; body?: string };

/** Logs in at a server that gives one reply, and tells what it was asked. */
async function login(t: TestContext, variables: Environment, reply: Reply) {
  const fake = await FakeSwift.start(t);
  let asked: SeenRequest | undefined;
  fake.fault = (request, response, raw) => {
    asked = request;
    const pieces: Buffer[] = [];
    raw.on('data', (piece) => pieces.push(piece));
    raw.on('end', () => {
      request.body = Buffer.concat(pieces);
      response.writeHead(reply.status, reply.headers ?? {}).end(reply.body);
    });
    return true;
  };
  const env = { SWIFT_USERNAME: 'mé', SWIFT_PASSWORD: 'hunter2', ...variables };
  const { login } = readAccount(
    { ...env, SWIFT_AUTHURL: fake.url + (variables.PATH ?? '') },
    'SWIFT',
    'swift://c',
  );
  assert.ok(login.kind === 'password');
  const http = new HttpClient({ timeoutMs: 5000, env: {} });
  t.after(() => http.close());
  const result = await logIn(http, login, 'SWIFT', 1_000_000).catch((error) => error);
  assert.ok(!inspect(result, { depth: 9 }).includes('hunter2'));
  return { result, asked: asked!, base: fake.url };
}

const v1 = { SWIFT_AUTHVERSION: '1', PATH: '/auth/v1.0' };
const v2 = { SWIFT_AUTHVERSION: '2', PATH: '/identity/v2.0/', SWIFT_TENANTNAME: 'team' };
const v3 = { SWIFT_AUTHVERSION: '3', PATH: '', SWIFT_TENANTNAME: 'team', SWIFT_PROJECT_DOMAIN_ID: 'd1' };

test('version 1 asks by headers and is answered by headers', async (t) => {
  const headers = {
    'x-storage-url': 'http://s/v1/A',
    'x-auth-token': 'secret-token',
    'x-auth-token-expires': '100',
  };
  const { result, asked } = await login(t, v1, { status: 200, headers });
  assert.equal(`${asked.method} ${asked.path}`, 'GET /auth/v1.0');
  assert.equal(Buffer.from(String(asked.headers['x-auth-user']), 'latin1').toString('utf8'), 'mé');
  assert.equal(asked.headers['x-auth-key'], 'hunter2');
  assert.equal(result.token.reveal(), 'secret-token');
  assert.equal(result.storage, 'http://s/v1/A');
  assert.equal(result.renewAtMs, 1_095_000);
});

test('version 2', async (t) => {
  const body = JSON.stringify({
    access: {
      token: { id: 'secret-token', issued_at: '2026-01-01T00:00:00Z', expires: '2026-01-01T01:00:00Z' },
      serviceCatalog: [{ type: 'object-store', endpoints: [{ region: 'R', publicURL: 'http://s/v1/A' }] }],
    },
  });
  const { result, asked } = await login(t, v2, { status: 200, body });
  assert.equal(`${asked.method} ${asked.path}`, 'POST /identity/v2.0/tokens');
  assert.deepEqual(JSON.parse(asked.body.toString()), {
    auth: { passwordCredentials: { username: 'mé', password: 'hunter2' }, tenantName: 'team' },
  });
  assert.equal(result.token.reveal(), 'secret-token');
  assert.deepEqual(result.storage, [{ region: 'R', type: 'public', url: 'http://s/v1/A' }]);
  assert.equal(result.renewAtMs, 1_000_000 + 0.95 * 3600_000);
});

test('version 3; an address without a version gets it', async (t) => {
  const body = JSON.stringify({
    token: {
      catalog: [{ type: 'object-store', endpoints: [{ region: 'R', interface: 'public', url: 'http://s' }] }],
    },
  });
  const headers = { 'x-subject-token': 'secret-token' };
  const { result, asked } = await login(t, v3, { status: 201, headers, body });
  assert.equal(`${asked.method} ${asked.path}`, 'POST /v3/auth/tokens');
  assert.deepEqual(JSON.parse(asked.body.toString()), {
    auth: {
      identity: {
        methods: ['password'],
        password: { user: { name: 'mé', domain: { name: 'Default' }, password: 'hunter2' } },
      },
      scope: { project: { name: 'team', domain: { id: 'd1' } } },
    },
  });
  assert.equal(result.token.reveal(), 'secret-token');
  assert.equal(result.renewAtMs, undefined);
  const odd = { toString: 1, valueOf: 2 };
  const oddTimes = JSON.stringify({ token: { issued_at: odd, expires_at: odd, catalog: [] } });
  const { result: untold } = await login(t, v3, { status: 201, headers, body: oddTimes });
  assert.equal(untold.renewAtMs, undefined);
  const byId = await login(
    t,
    { ...v3, SWIFT_USERID: 'u1', SWIFT_TENANTID: 'p1' },
    { status: 201, headers, body },
  );
  assert.deepEqual(JSON.parse(byId.asked.body.toString()).auth, {
    identity: { methods: ['password'], password: { user: { id: 'u1', password: 'hunter2' } } },
    scope: { project: { id: 'p1' } },
  });
});

test('a wrong password names the variables', async (t) => {
  for (const [variables, names] of [
    [v1, 'SWIFT_USERNAME, SWIFT_PASSWORD'],
    [
      v3,
      'SWIFT_USERNAME, SWIFT_PASSWORD, SWIFT_TENANTNAME, SWIFT_TENANTID, SWIFT_USER_DOMAIN_NAME, SWIFT_PROJECT_DOMAIN_NAME',
    ],
  ] as const) {
    const { result, base } = await login(t, variables, { status: 401, body: 'hunter2 is wrong' });
    assert.ok(result instanceof TundraError);
    assert.equal(result.code, 'backend-permission');
    assert.equal(result.retry, 'never');
    assert.equal(
      result.message,
      `could not log in at ${base}${variables.PATH || '/'}: 401, the user or the password is wrong`,
    );
    assert.equal(result.advice, `Check ${names}.`);
  }
});

test('an address of another version, or of something else', async (t) => {
  const wrong: [Environment, Reply][] = [
    [v1, { status: 200, body: '{"versions":[]}' }],
    [v1, { status: 300 }],
    [v2, { status: 404 }],
    [v3, { status: 201, headers: { 'x-subject-token': '' }, body: '{}' }],
  ];
  for (const [variables, reply] of wrong) {
    const { result } = await login(t, variables, reply);
    assert.ok(result instanceof TundraError);
    assert.equal(result.code, 'user-error');
    assert.match(result.advice ?? '', /SWIFT_AUTHURL.*SWIFT_AUTHVERSION/);
  }
});

test('trouble that may pass says so', async (t) => {
  const limited = await login(t, v3, { status: 429, headers: { 'retry-after': '30' } });
  assert.deepEqual([limited.result.retry, limited.result.retryAfterMs], ['later', 30_000]);
  const broken = await login(t, v3, { status: 201, headers: { 'x-subject-token': 'x' }, body: '<html>' });
  assert.deepEqual([broken.result.code, broken.result.retry], ['backend', 'later']);
});
