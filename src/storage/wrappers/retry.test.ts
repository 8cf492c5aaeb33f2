import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf, sourceOf } from '../../../test/contract/backend-contract.js';
import { MemoryBackend } from '../../../test/contract/memory-backend.js';
import { type ErrorDetails, TundraError } from '../../base/errors.js';
import type { OperationEvent } from '../../base/events.js';
import { delayBefore, withRetries } from './retry.js';

function isWarning(event: OperationEvent): boolean {
  return event.kind === 'message' && event.level === 'warning';
}

function lost(details: ErrorDetails = { retry: 'later' }): TundraError {
  return new TundraError('connection', 'lost', details);
}

/** A memory storage whose calls fail as often as the list is long, behind retries that note their waits. */
function faulty(errors: Error[], attempts = 5) {
  const waits: number[] = [];
  const events: OperationEvent[] = [];
  const memory = new MemoryBackend();
  memory.fault = () => errors.shift();
  const backend = withRetries(memory, {
    attempts,
    delayMs: 30_000,
    random: () => 0,
    sleep: async (ms) => waits.push(ms),
    onEvent: (event) => isWarning(event) && events.push(event),
  });
  return { backend, memory, waits, events };
}

test('waits double, and the last error comes out', async () => {
  const last = lost();
  const { backend, waits, events, memory } = faulty([lost(), lost(), lost(), lost(), last]);
  await assert.rejects(backend.list(), (error) => error === last);
  assert.deepEqual(waits, [30_000, 60_000, 120_000, 240_000]);
  assert.equal(memory.calls.length, 5);
  assert.deepEqual(
    events.map((event) => event.kind === 'message' && [event.level, event.text]),
    [30, 60, 120, 240].map((seconds, index) => [
      'warning',
      `memory://: try ${index + 1} of 5 to list the objects failed: lost; trying again in ${seconds} s`,
    ]),
  );
});

test('an error that may pass at once is tried again at once, first', async () => {
  const { backend, waits } = faulty([lost({ retry: 'now' }), lost({ retry: 'now' }), lost({ retry: 'now' })]);
  await backend.put('x', sourceOf('content'));
  assert.deepEqual(waits, [0, 30_000, 60_000]);
  assert.equal(await contentOf(backend, 'x'), 'content');
});

test('what cannot pass is not tried again', async () => {
  for (const error of [lost({ retry: 'never' }), new TypeError('a defect')]) {
    const { backend, waits } = faulty([error]);
    await assert.rejects(backend.get('x'), (caught) => caught === error);
    assert.deepEqual(waits, []);
  }
  const { backend, memory } = faulty([lost()], 0);
  await assert.rejects(backend.stat('x'), { code: 'connection' });
  assert.equal(memory.calls.length, 1);
});

test('the other side says how long to wait, within reason', () => {
  const options = { attempts: 9, delayMs: 30_000, random: () => 0 };
  assert.equal(delayBefore(lost({ retry: 'later', retryAfterMs: 100_000 }), 1, options), 100_000);
  assert.equal(delayBefore(lost({ retry: 'now', retryAfterMs: 5_000 }), 1, options), 5_000);
  assert.equal(delayBefore(lost({ retry: 'later', retryAfterMs: 1_000 }), 1, options), 30_000);
  assert.equal(delayBefore(lost({ retry: 'later', retryAfterMs: 4 * 3600_000 }), 1, options), undefined);
});

test('waits have an end, and spread', () => {
  const at = (failures: number, random: number, delayMs = 30_000) =>
    delayBefore(lost(), failures, { attempts: 99, delayMs, random: () => random });
  assert.equal(at(20, 0), 300_000);
  assert.equal(at(20, 0.999, 600_000)! >= 600_000, true);
  assert.equal(at(1, 0.5), 33_750);
});

test('removing is tried again as a whole, closing is not', async () => {
  const { backend, memory } = faulty([lost()]);
  memory.objects.set('a', Buffer.from('a'));
  await backend.remove(['a', 'b']);
  assert.deepEqual(memory.calls, ['remove a b', 'remove a b']);
  memory.fault = () => lost();
  await assert.rejects(backend.close(), { code: 'connection' });
});

test('a stream that breaks off is left to its reader', async () => {
  const { backend, memory } = faulty([]);
  const broken = lost();
  memory.get = async () =>
    (async function* () {
      yield Buffer.from('half');
      throw broken;
    })();
  await assert.rejects(contentOf(backend, 'x'), (error) => error === broken);
});

test('a capability is there just when the storage has it', () => {
  const memory = new MemoryBackend();
  const options = { attempts: 1, delayMs: 0 };
  assert.equal('localPathOf' in withRetries(memory, options), false);
  const local = Object.assign(memory, { localPathOf: (name: string) => `/folder/${name}` });
  assert.equal(withRetries(local, options).localPathOf?.('x'), '/folder/x');
});

test('what asks a cold storage is tried again, too', async () => {
  const { waits, memory } = faulty([]);
  const errors = [lost(), lost({ retry: 'now' })];
  const answer = async () => {
    const error = errors.shift();
    if (error) throw error;
    return [];
  };
  const inner = Object.assign(memory, { cold: { survey: answer, thaw: answer } });
  const options = {
    attempts: 3,
    delayMs: 30_000,
    random: () => 0,
    sleep: async (ms: number) => waits.push(ms),
  };
  const { cold } = withRetries(inner, options);
  assert.deepEqual(await cold?.survey(), []);
  assert.deepEqual(waits, [30_000, 30_000]);
  const sealed = new TundraError('backend-sealed', 'sealed', { retryAfterMs: 600_000 });
  errors.push(sealed);
  await assert.rejects(
    async () => cold?.thaw(['x']),
    (error) => error === sealed,
  );
  assert.deepEqual(waits, [30_000, 30_000]);
  assert.equal('cold' in withRetries(new MemoryBackend(), options), false);
});
