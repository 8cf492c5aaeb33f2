import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sourceOf } from '../../../test/contract/backend-contract.js';
import { TundraError } from '../../base/errors.js';
import { FakeSwift, opener } from './swift-server.fixture.js';

/** An archive with objects, whose GETs are answered by `answers` in turn, and whose listing shows `states`. */
async function archive(
  t: TestContext,
  states: Record<string, string>,
  answers: (number | [number, string])[],
) {
  const fake = await FakeSwift.start(t);
  const { open, openBare, warnings } = opener(t, fake.environment('PCA'));
  const store = await open('pca://c');
  for (const name of Object.keys(states)) await store.put(name, sourceOf(name));
  fake.takeLog();
  fake.fault = (request, response) => {
    if (request.method !== 'GET') return false;
    if (request.path === '/v1/A/c') {
      const isAfter = request.query.get('marker') !== null;
      const entries = Object.entries(states).map(([name, state]) => ({
        name,
        bytes: name.length,
        policy_retrieval_state: state,
        policy_retrieval_delay: state === 'unsealing' ? 90 : null,
      }));
      assert.equal(request.query.get('policy_extra'), 'true');
      response.end(JSON.stringify(isAfter ? [] : entries));
      return true;
    }
    const answer = answers.shift();
    if (answer === undefined) return false;
    const [status, retryAfter] = Array.isArray(answer) ? answer : [answer];
    response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end('Sealed');
    return true;
  };
  return { fake, store, openBare, warnings };
}

test('a survey is one listing, and tells when what thaws is ready', async (t) => {
  const { fake, store } = await archive(t, { a: 'sealed', b: 'unsealing', c: 'unsealed' }, []);
  const before = Date.now();
  const objects = await store.cold!.survey();
  assert.deepEqual(
    objects.map(({ name, state, sizeBytes, storageClass, store }) => [
      name,
      state,
      sizeBytes,
      storageClass,
      store,
    ]),
    [
      ['a', 'sealed', 1, 'pca', 'pca://c'],
      ['b', 'thawing', 1, 'pca', 'pca://c'],
      ['c', 'ready', 1, 'pca', 'pca://c'],
    ],
  );
  const [a, b] = objects;
  assert.equal(a!.readyAtMs, undefined);
  assert.ok(b!.readyAtMs! >= before + 90_000 && b!.readyAtMs! <= Date.now() + 90_000);
  assert.equal(fake.takeLog().length, 2, 'the second page is empty');
});

test('a delay of more than thirty years is none', async (t) => {
  const { fake, store } = await archive(t, { a: 'unsealing' }, []);
  for (const delay of [1e300, -5, 'soon']) {
    fake.fault = ({ method, path, query }, response) => {
      if (method !== 'GET' || path !== '/v1/A/c') return false;
      const entry = {
        name: 'a',
        bytes: 1,
        policy_retrieval_state: 'unsealing',
        policy_retrieval_delay: delay,
      };
      response.end(JSON.stringify(query.has('marker') ? [] : [entry]));
      return true;
    };
    const [object] = await store.cold!.survey();
    assert.deepEqual([object?.state, object?.readyAtMs], ['thawing', undefined]);
  }
});

test('only what is sealed is asked for', async (t) => {
  const { fake, store } = await archive(t, { a: 'sealed', b: 'unsealing', c: 'unsealed' }, [[429, '600']]);
  const objects = await store.cold!.thaw(['c', 'b', 'a', 'a']);
  assert.deepEqual(
    objects.map(({ name, state }) => `${name} ${state}`),
    ['c ready', 'b thawing', 'a thawing'],
  );
  assert.deepEqual(
    fake.takeLog().filter((line) => line.startsWith('GET c/')),
    ['GET c/a'],
  );
  assert.ok((await fake.connections()) <= 2, 'connections are used again');
});

test('an object that turns out to be ready is not downloaded', async (t) => {
  const { store } = await archive(t, { a: 'sealed' }, []);
  assert.deepEqual(
    (await store.cold!.thaw(['a'])).map(({ state }) => state),
    ['ready'],
  );
});

test('429 without a time is rate limiting, and tried again', async (t) => {
  const thawing = await archive(t, { a: 'sealed' }, [429, [429, '600']]);
  assert.equal((await thawing.store.cold!.thaw(['a']))[0]?.state, 'thawing');
  assert.match(thawing.warnings[0]!, /to ask for a failed: .*429 .*called less often; trying again now/);
  const reading = await archive(t, { a: 'sealed' }, [429, 429]);
  for await (const piece of await reading.store.get('a')) assert.equal(Buffer.from(piece).toString(), 'a');
  assert.equal(reading.warnings.length, 2);
});

test('a sealed object cannot be read, and says when it can; that is not tried again', async (t) => {
  const { fake, store, warnings } = await archive(t, { a: 'sealed' }, [[429, '600']]);
  await assert.rejects(store.get('a'), (error) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'backend-sealed');
    assert.equal(error.retryAfterMs, 600_000);
    assert.equal(error.message, 'a in pca://c is sealed, and can be read in about 10 minutes');
    return true;
  });
  assert.deepEqual(fake.takeLog(), ['GET c/a']);
  assert.deepEqual(warnings, []);
});

test('storing something reads nothing', async (t) => {
  const fake = await FakeSwift.start(t);
  const { open } = opener(t, fake.environment('PCA'), { segmentSizeBytes: 4 });
  const store = await open('pca://c');
  await store.put('one', sourceOf('larger than a segment'));
  await store.put('one', sourceOf('again'));
  assert.deepEqual(fake.takeLog(), ['HEAD c', 'PUT c', 'HEAD c/one', 'PUT c/one', 'HEAD c/one', 'PUT c/one']);
  assert.equal(fake.containers.get('c')?.policy, 'PCA');
});

test('a state unheard of counts as sealed, and one that is not told as not cold', async (t) => {
  for (const odd of ['frozen', 'constructor']) {
    const { store } = await archive(t, { a: odd }, []);
    assert.equal((await store.cold!.survey())[0]?.state, 'sealed', odd);
  }
  const fake = await FakeSwift.start(t);
  const warm = await opener(t, fake.environment('PCA')).open('pca://c');
  await warm.put('a', sourceOf('a'));
  assert.deepEqual(await warm.cold!.survey(), []);
  assert.deepEqual(await warm.cold!.thaw(['a']), []);
  assert.equal((await opener(t, fake.environment()).open('swift://c')).cold, undefined);
});
