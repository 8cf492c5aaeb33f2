import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { TundraError } from '../../base/errors.js';
import { type Environment, readAccount } from './environment.js';

const base = {
  SWIFT_AUTHURL: 'https://keystone/v3',
  SWIFT_AUTHVERSION: '3',
  SWIFT_USERNAME: 'me',
  SWIFT_PASSWORD: 'hunter2',
  SWIFT_TENANTID: 'p1',
};

function read(env: Environment, variables: 'SWIFT' | 'PCA' = 'SWIFT') {
  const settings = readAccount(env, variables, 'swift://c');
  assert.ok(!inspect(settings, { depth: 9 }).includes('hunter2'));
  assert.ok(settings.login.kind === 'password');
  return { ...settings, login: settings.login };
}

function refusal(env: Environment, variables: 'SWIFT' | 'PCA' = 'SWIFT') {
  try {
    readAccount(env, variables, 'swift://c');
  } catch (error) {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'user-error');
    assert.ok(!inspect(error, { depth: 9 }).includes('hunter2'));
    return error.message.replace('cannot open swift://c: ', '');
  }
  assert.fail('it was taken');
}

test('version 3 with all defaults', () => {
  const { login, place } = read(base);
  assert.equal(login.version, 3);
  assert.equal(login.password.reveal(), 'hunter2');
  assert.deepEqual([login.userDomain, login.projectDomain], [{ name: 'Default' }, { name: 'Default' }]);
  assert.deepEqual([login.tenantId, login.tenantName, login.userId], ['p1', undefined, undefined]);
  assert.deepEqual(place, { region: undefined, endpointType: 'public' });
});

test('all variables are read, an id before a name', () => {
  const { login, place } = read({
    ...base,
    SWIFT_USERID: 'u1',
    SWIFT_TENANTNAME: 'project',
    SWIFT_USER_DOMAIN_NAME: 'users',
    SWIFT_USER_DOMAIN_ID: 'du',
    SWIFT_PROJECT_DOMAIN_NAME: 'projects',
    SWIFT_ENDPOINT_TYPE: 'internalURL',
    SWIFT_REGIONNAME: 'GRA',
  });
  assert.deepEqual([login.userId, login.tenantName], ['u1', 'project']);
  assert.deepEqual([login.userDomain, login.projectDomain], [{ id: 'du' }, { name: 'projects' }]);
  assert.deepEqual(place, { region: 'GRA', endpointType: 'internal' });
});

test('the default version is 1 for swift and 2 for pca', () => {
  const plain = { AUTHURL: 'http://a/auth', USERNAME: 'me', PASSWORD: 'hunter2', TENANTNAME: 't' };
  const named = (variables: string) =>
    Object.fromEntries(Object.entries(plain).map(([name, value]) => [`${variables}_${name}`, value]));
  assert.equal(read(named('SWIFT')).login.version, 1);
  assert.equal(read(named('PCA'), 'PCA').login.version, 2);
  assert.equal(read({ ...base, SWIFT_AUTHVERSION: '3.0' }).login.version, 3);
});

test('tenant:user is taken apart where no tenant is named', () => {
  const env = { ...base, SWIFT_USERNAME: 'team:me', SWIFT_TENANTID: undefined };
  assert.deepEqual([read(env).login.tenantName, read(env).login.user], ['team', 'me']);
  assert.equal(read({ ...base, SWIFT_USERNAME: 'team:me' }).login.user, 'team:me');
  const old = { ...env, SWIFT_AUTHVERSION: '1', SWIFT_AUTHURL: 'http://a/auth/v1.0' };
  assert.equal(read(old).login.user, 'team:me');
});

test('a token that was got elsewhere needs nothing else', () => {
  const env = { SWIFT_PREAUTHURL: 'https://s/v1/A', SWIFT_PREAUTHTOKEN: 'hunter2' };
  const { login } = readAccount(env, 'SWIFT', 'swift://c');
  assert.ok(login.kind === 'token');
  assert.equal(login.storageUrl, 'https://s/v1/A');
  assert.ok(!inspect(login).includes('hunter2'));
});

test('what is missing is named, all at once', () => {
  assert.equal(refusal({}), 'the environment does not say SWIFT_AUTHURL, SWIFT_USERNAME, SWIFT_PASSWORD');
  assert.equal(
    refusal({ PCA_AUTHURL: 'http://a/v2.0', PCA_USERNAME: 'me', PCA_PASSWORD: 'hunter2' }, 'PCA'),
    'the environment does not say PCA_TENANTNAME or PCA_TENANTID',
  );
  assert.equal(refusal({ ...base, SWIFT_PASSWORD: '' }), 'the environment does not say SWIFT_PASSWORD');
});

test('what cannot be is named', () => {
  assert.equal(
    refusal({ ...base, SWIFT_AUTHVERSION: '4' }),
    'SWIFT_AUTHVERSION is "4" where 1, 2 and 3 are known',
  );
  assert.equal(
    refusal({ ...base, SWIFT_AUTHURL: 'keystone/v3' }),
    'SWIFT_AUTHURL is no http:// or https:// address',
  );
  const pca = Object.fromEntries(
    Object.entries(base).map(([name, value]) => [name.replace('SWIFT', 'PCA'), value]),
  );
  assert.equal(
    refusal({ ...pca, PCA_AUTHVERSION: undefined }, 'PCA'),
    'PCA_AUTHURL is for version 3, and PCA_AUTHVERSION is 2, the default',
  );
});
