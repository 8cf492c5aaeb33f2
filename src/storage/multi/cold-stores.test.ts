import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf, sourceOf } from '../../../test/contract/backend-contract.js';
import { MemoryBackend } from '../../../test/contract/memory-backend.js';
import { TundraError } from '../../base/errors.js';
import type { ColdObject, ColdStorage, ThawState } from '../backend.js';
import { withRetries } from '../wrappers/retry.js';
import type { MultiOptions } from './config.js';
import { MultiBackend } from './multi-backend.js';

/** A memory storage that must be asked; objects stay as `states` says, in seconds until they are ready. */
class ColdMemory extends MemoryBackend {
  readonly states = new Map<string, [ThawState, number?]>();
  readonly asked: string[] = [];
  failure: TundraError | undefined;

  readonly cold: ColdStorage = {
    survey: async () => {
      if (this.failure) throw this.failure;
      return [...this.objects].map(([name, { length }]) => this.#describe(name, length));
    },
    thaw: async (names) => {
      this.asked.push(...names);
      for (const name of names) {
        if (!this.objects.has(name)) throw new TundraError('backend-not-found', `${name} is not there`);
        if (this.#stateOf(name)[0] === 'sealed') this.states.set(name, ['thawing', 60]);
      }
      return names.map((name) => this.#describe(name, this.objects.get(name)!.length));
    },
  };

  override async get(name: string) {
    const [state, seconds = 3600] = this.#stateOf(name);
    if (!this.objects.has(name) || state === 'ready') return super.get(name);
    this.calls.push(`get ${name}`);
    const retryAfterMs = seconds * 1000;
    throw new TundraError('backend-sealed', `${name} is sealed`, { retryAfterMs });
  }

  #stateOf(name: string): [ThawState, number?] {
    return this.states.get(name) ?? ['sealed'];
  }

  #describe(name: string, sizeBytes: number): ColdObject {
    const [state, seconds] = this.#stateOf(name);
    const readyAtMs = seconds === undefined ? undefined : seconds * 1000;
    return { name, sizeBytes, state, storageClass: 'test', store: this.description, readyAtMs };
  }
}

function multiOf(options: Partial<MultiOptions>, ...stores: [MemoryBackend, ...string[]][]) {
  const warnings: string[] = [];
  const multi = new MultiBackend(
    'multi://test',
    stores.map(([backend, ...prefixes]) => ({
      label: backend.description,
      backend: withRetries(backend, { attempts: 1, delayMs: 0 }),
      prefixes,
    })),
    { mode: 'mirror', onfail: 'abort', ...options },
    (event) => event.kind === 'message' && warnings.push(event.text),
  );
  return { multi, warnings };
}

const brief = (objects: ColdObject[]) =>
  objects.map(({ name, state, store }) => `${store} ${name} ${state}`).sort();

test('a multi storage is cold just when one of its stores is', () => {
  const hot = new MemoryBackend('hot');
  assert.equal(multiOf({}, [hot], [new MemoryBackend('other')]).multi.cold, undefined);
  assert.ok(multiOf({}, [hot], [new ColdMemory('cold')]).multi.cold);
});

test('objects are surveyed and thawed where they lie', async () => {
  const [hot, one, two] = [new MemoryBackend('hot'), new ColdMemory('one'), new ColdMemory('two')];
  const { multi } = multiOf({}, [hot, 'hot_'], [one, 'one_'], [two, 'two_']);
  for (const name of ['hot_a', 'one_a', 'one_b', 'two_a']) await multi.put(name, sourceOf(name));
  one.states.set('one_b', ['ready']);
  assert.deepEqual(brief(await multi.cold!.survey()), [
    'one one_a sealed',
    'one one_b ready',
    'two two_a sealed',
  ]);
  assert.deepEqual(brief(await multi.cold!.thaw(['one_a', 'two_a', 'hot_a', 'one_a'])), [
    'one one_a thawing',
    'two two_a thawing',
  ]);
  assert.deepEqual([one.asked, two.asked], [['one_a'], ['two_a']]);
  await assert.rejects(multi.cold!.thaw(['absent']), {
    code: 'backend-not-found',
    message: 'no store of multi://test has absent',
  });
});

test('an object that two cold stores hold is as near as its nearest copy', async () => {
  const [one, two] = [new ColdMemory('one'), new ColdMemory('two')];
  const { multi } = multiOf({}, [one], [two]);
  for (const name of ['a', 'b', 'c', 'd']) await multi.put(name, sourceOf(name));
  two.states.set('a', ['ready']);
  one.states.set('b', ['thawing', 500]).set('c', ['thawing']).set('d', ['thawing', 7]);
  two.states.set('c', ['thawing', 9]).set('d', ['thawing', 8]);
  const survey = ['one b thawing', 'one d thawing', 'two a ready', 'two c thawing'];
  assert.deepEqual(brief(await multi.cold!.survey()), survey);
  assert.deepEqual(brief(await multi.cold!.thaw(['a', 'b', 'c', 'd'])), survey);
  assert.equal(await contentOf(multi, 'a'), 'a');
});

test('what a store that is not cold holds too is not cold, and is read from there', async () => {
  const [cold, hot] = [new ColdMemory('cold'), new MemoryBackend('hot')];
  const { multi, warnings } = multiOf({}, [cold], [hot]);
  await multi.put('both', sourceOf('both'));
  cold.objects.set('one', Buffer.from('one'));
  assert.deepEqual(brief(await multi.cold!.survey()), ['cold one sealed']);
  assert.deepEqual(await multi.cold!.thaw(['both']), []);
  assert.deepEqual(cold.asked, []);
  assert.equal(await contentOf(multi, 'both'), 'both');
  assert.ok(!cold.calls.includes('get both'), 'asking a cold store may cost');
  hot.fault = () => new TundraError('connection', 'no answer');
  assert.deepEqual(brief(await multi.cold!.survey()), ['cold both sealed', 'cold one sealed']);
  assert.deepEqual(warnings, ['hot: no answer; only cold stores count']);
});

test('a sealed object comes out as sealed, with the shortest wait', async () => {
  const [hot, one, two] = [new MemoryBackend('hot'), new ColdMemory('one'), new ColdMemory('two')];
  const { multi } = multiOf({}, [one], [hot], [two]);
  one.objects.set('a', Buffer.from('a'));
  two.objects.set('a', Buffer.from('a'));
  two.states.set('a', ['thawing', 20]);
  hot.fault = (call) =>
    call === 'get' ? new TundraError('connection', 'no answer', { retry: 'later' }) : undefined;
  await assert.rejects(multi.get('a'), (error) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'backend-sealed');
    assert.equal(error.retryAfterMs, 20_000);
    assert.equal(error.message, 'two: a is sealed');
    return true;
  });
});

test('of two copies only the one that the survey chose is read: to read the other would be to ask for it', async () => {
  const near = new ColdMemory('near');
  const far = new ColdMemory('far');
  const { multi } = multiOf({}, [far, ''], [near, '']);
  for (const store of [near, far]) await store.put('vol1', sourceOf('contents'));
  near.states.set('vol1', ['ready']);
  await multi.cold!.survey();
  for (const store of [near, far]) store.calls.length = 0;
  assert.equal(String(await contentOf(multi, 'vol1')), 'contents');
  assert.deepEqual([near.calls, far.calls], [['get vol1'], []]);
  near.states.set('vol1', ['sealed']);
  await assert.rejects(multi.get('vol1'), { code: 'backend-sealed' });
  assert.deepEqual(far.calls, []);
});

test('what got into hot storage is read from there, also where only the cold store should have it', async () => {
  const hot = new MemoryBackend('hot');
  const cold = new ColdMemory('cold');
  const { multi } = multiOf({}, [hot, 'hot_'], [cold, 'cold_']);
  for (const store of [hot, cold]) await store.put('cold_vol1', sourceOf('contents'));
  cold.calls.length = 0;
  assert.equal(String(await contentOf(multi, 'cold_vol1')), 'contents');
  assert.deepEqual(cold.calls, []);
});

test('a survey that fails is an error that names the store', async () => {
  const [one, two] = [new ColdMemory('one'), new ColdMemory('two')];
  const { multi } = multiOf({}, [one], [two]);
  two.failure = new TundraError('connection', 'no answer', { retry: 'later' });
  for (const call of [() => multi.cold!.survey(), () => multi.cold!.thaw(['a'])]) {
    await assert.rejects(call(), { code: 'connection', message: 'two: no answer', retry: 'later' });
  }
});

test('an object that a survey does not show yet is asked for where it is', async () => {
  const cold = new ColdMemory('cold');
  const { multi } = multiOf({}, [cold]);
  await multi.put('a', sourceOf('a'));
  const { cold: real } = cold;
  Object.assign(real, { survey: async () => [] });
  assert.deepEqual(brief(await multi.cold!.thaw(['a'])), ['cold a thawing']);
});
