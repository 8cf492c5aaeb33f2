import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf, namesIn, sourceOf } from '../../../test/contract/backend-contract.js';
import { MemoryBackend } from '../../../test/contract/memory-backend.js';
import { TundraError } from '../../base/errors.js';
import type { OperationEvent } from '../../base/events.js';
import type { MultiOptions } from './config.js';
import { MultiBackend } from './multi-backend.js';

const lost = () =>
  new TundraError('connection', 'no answer', { retry: 'later', advice: 'Look at the cable.' });

/** A multi storage over memory stores `a`, `b`, …, with the given prefixes each. */
function multiOf(options: Partial<MultiOptions>, ...prefixes: string[][]) {
  const stores = prefixes.map((_, index) => new MemoryBackend(`memory://${'abcd'[index]}`));
  const warnings: string[] = [];
  const multi = new MultiBackend(
    'multi://test',
    stores.map((backend, index) => ({ label: backend.description, backend, prefixes: prefixes[index]! })),
    { mode: 'stripe', onfail: 'continue', ...options },
    (event: OperationEvent) =>
      event.kind === 'message' && event.level === 'warning' && warnings.push(event.text),
  );
  return { multi, stores, warnings, held: () => stores.map(({ objects }) => [...objects.keys()].join(' ')) };
}

test('a mirror writes to every store, a stripe in turn from the first', async () => {
  const mirror = multiOf({ mode: 'mirror' }, [], []);
  const stripe = multiOf({ mode: 'stripe' }, [], [], []);
  for (const name of ['1', '2', '3', '4']) {
    await mirror.multi.put(name, sourceOf(name));
    await stripe.multi.put(name, sourceOf(name));
  }
  assert.deepEqual(mirror.held(), ['1 2 3 4', '1 2 3 4']);
  assert.deepEqual(stripe.held(), ['1 4', '2', '3']);
});

test('a stripe replaces an object where it lies', async () => {
  const { multi, stores, held } = multiOf({ mode: 'stripe' }, [], []);
  stores[1]!.objects.set('old', Buffer.from('old'));
  await multi.put('old', sourceOf('new'));
  assert.deepEqual(held(), ['', 'old']);
  assert.equal(await contentOf(multi, 'old'), 'new');
  await multi.put('next', sourceOf('1'));
  assert.deepEqual(held(), ['next', 'old']);
  await multi.remove(['old']);
  await multi.put('old', sourceOf('newer'));
  await multi.put('last', sourceOf('2'));
  assert.deepEqual(held(), ['next last', 'old']);
});

test('prefixes keep names to their stores; other names go everywhere', async () => {
  const { multi, held } = multiOf({ mode: 'mirror' }, ['cold_'], ['hot_', 'hot'], [], ['hot_x', 'cold_']);
  for (const name of ['cold_1', 'hot_1', 'hot_x', 'none', 'hotter', 'Hot_'])
    await multi.put(name, sourceOf(name));
  assert.deepEqual(held(), [
    'cold_1 none Hot_',
    'hot_1 hot_x none hotter Hot_',
    'none Hot_',
    'cold_1 hot_x none Hot_',
  ]);
});

test('a name is read from an eligible store, else from any that has it', async () => {
  const { multi, stores } = multiOf({ mode: 'mirror' }, ['cold_'], ['hot_']);
  stores[0]!.objects.set('hot_old', Buffer.from('of former times'));
  stores[0]!.objects.set('hot_both', Buffer.from('stale'));
  stores[1]!.objects.set('hot_both', Buffer.from('fresh!'));
  assert.equal(await contentOf(multi, 'hot_old'), 'of former times');
  assert.equal(await contentOf(multi, 'hot_both'), 'fresh!');
  assert.equal((await multi.stat('hot_both'))?.sizeBytes, 6);
  assert.deepEqual(await namesIn(multi), ['hot_both', 'hot_old']);
  stores[0]!.calls.length = 0;
  await contentOf(multi, 'hot_both');
  assert.deepEqual(stores[0]!.calls, [], 'the cold store is not asked');
});

test('onfail=continue is content with one store', async () => {
  const mirror = multiOf({ mode: 'mirror', onfail: 'continue' }, [], [], []);
  mirror.stores[2]!.fault = mirror.stores[0]!.fault = lost;
  await mirror.multi.put('x', sourceOf('x'));
  assert.deepEqual(mirror.held(), ['', 'x', '']);
  assert.deepEqual(mirror.warnings, [
    'memory://a: no answer; other stores have taken x',
    'memory://c: no answer; other stores have taken x',
  ]);
  const stripe = multiOf({ mode: 'stripe', onfail: 'continue' }, [], []);
  await stripe.multi.list();
  stripe.stores[0]!.fault = lost;
  await stripe.multi.put('x', sourceOf('x'));
  assert.deepEqual(stripe.held(), ['', 'x']);
  assert.deepEqual(stripe.warnings, ['memory://a: no answer; memory://b has taken x']);
});

test('onfail=abort stops at the first failure and names the store', async () => {
  for (const mode of ['mirror', 'stripe'] as const) {
    const { multi, stores, held } = multiOf({ mode, onfail: 'abort' }, [], []);
    await multi.list();
    stores[0]!.fault = lost;
    await assert.rejects(multi.put('x', sourceOf('x')), (error) => {
      assert.ok(error instanceof TundraError);
      assert.equal(error.message, 'memory://a: no answer');
      assert.equal(error.code, 'connection');
      assert.equal(error.advice, 'Look at the cable.');
      return true;
    });
    assert.deepEqual(held(), ['', '']);
  }
});

test('if no store takes an object, all are named', async () => {
  for (const mode of ['mirror', 'stripe'] as const) {
    const { multi, stores } = multiOf({ mode, onfail: 'continue' }, [], []);
    await multi.list();
    for (const store of stores) store.fault = lost;
    await assert.rejects(multi.put('x', sourceOf('x')), {
      code: 'connection',
      message: 'no store took x: memory://a: no answer; memory://b: no answer',
    });
  }
});

test('a read goes on to the next store; a failure does not pass for absence', async () => {
  const { multi, stores, warnings } = multiOf({ mode: 'mirror' }, [], []);
  await multi.put('x', sourceOf('x'));
  stores[0]!.fault = lost;
  assert.equal(await contentOf(multi, 'x'), 'x');
  assert.equal((await multi.stat('x'))?.sizeBytes, 1);
  assert.deepEqual(warnings, Array(2).fill('memory://a: no answer; memory://b has x'));
  await assert.rejects(multi.get('absent'), { code: 'connection', message: 'memory://a: no answer' });
  await assert.rejects(multi.stat('absent'), { code: 'connection' });
  stores[0]!.fault = undefined;
  await assert.rejects(multi.get('absent'), {
    code: 'backend-not-found',
    message: 'no store of multi://test has absent',
  });
});

test('a listing is whole or an error', async () => {
  const mirror = multiOf({ mode: 'mirror' }, [], []);
  await mirror.multi.put('x', sourceOf('x'));
  mirror.stores[0]!.fault = lost;
  assert.deepEqual(await namesIn(mirror.multi), ['x']);
  assert.deepEqual(mirror.warnings, ['memory://a: no answer; the listing is made from the other stores']);
  mirror.stores[1]!.fault = lost;
  await assert.rejects(mirror.multi.list(), { code: 'connection' });

  const stripe = multiOf({ mode: 'stripe' }, [], []);
  stripe.stores[1]!.fault = lost;
  await assert.rejects(stripe.multi.list(), { message: 'memory://b: no answer' });
  stripe.stores[1]!.fault = undefined;
  await stripe.multi.put('x', sourceOf('x'));
  assert.deepEqual(await namesIn(stripe.multi), ['x']);

  const routed = multiOf({ mode: 'mirror' }, ['hot_'], ['cold_'], ['hot_']);
  routed.stores[0]!.fault = lost;
  assert.deepEqual(await namesIn(routed.multi), [], 'another store mirrors it');
  routed.stores[0]!.fault = undefined;
  routed.stores[1]!.fault = lost;
  await assert.rejects(routed.multi.list(), { message: 'memory://b: no answer' });
});

test('removing asks every store, also when one fails', async () => {
  const { multi, stores, held } = multiOf({ mode: 'stripe' }, [], [], []);
  for (const [index, store] of stores.entries()) {
    store.objects.set('x', Buffer.from('x'));
    store.objects.set(`only ${index}`, Buffer.from('x'));
  }
  stores[0]!.fault = (call) => (call === 'remove' ? lost() : undefined);
  await assert.rejects(multi.remove(['x', 'only 1', 'only 2']), { message: 'memory://a: no answer' });
  assert.deepEqual(held(), ['x only 0', '', '']);
  assert.deepEqual(stores[2]!.calls, ['list', 'remove x only 2']);
});

test('an error of the source is no store’s', async () => {
  const { multi, warnings, held } = multiOf({ mode: 'mirror' }, [], []);
  const reason = new TundraError('encryption', 'the key is gone');
  const source = {
    sizeBytes: 1,
    open: () => {
      throw reason;
    },
  };
  await assert.rejects(multi.put('x', source), (error) => error === reason);
  assert.deepEqual(warnings, []);
  assert.deepEqual(held(), ['', '']);
});

test('every store is closed', async () => {
  const { multi, stores } = multiOf({}, [], [], []);
  stores[0]!.fault = lost;
  await assert.rejects(multi.close(), { code: 'connection' });
  assert.deepEqual(
    stores.map(({ calls }) => calls),
    [['close'], ['close'], ['close']],
  );
});
