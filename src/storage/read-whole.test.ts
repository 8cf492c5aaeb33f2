import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteStream } from '../base/bytes.js';
import { collectBytes } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { type RereadOptions, readWhole } from './read-whole.js';

const lost = (retry: 'now' | 'later' | 'never') =>
  new TundraError('connection', 'the line went dead', { retry });

/** A storage whose streams break off after two pieces with these errors, one after the other; then they are whole. */
function storageOf(failures: unknown[]) {
  const log: string[] = [];
  const backend = {
    description: 'far://away',
    get: async (name: string): Promise<ByteStream> => {
      log.push(`get ${name}`);
      const failure = failures.shift();
      return (async function* () {
        try {
          yield Buffer.from('one ');
          yield Buffer.from('two ');
          if (failure !== undefined) throw failure;
          yield Buffer.from('three');
        } finally {
          log.push('closed');
        }
      })();
    },
  };
  const waits: number[] = [];
  const told: OperationEvent[] = [];
  const options: RereadOptions = {
    attempts: 4,
    delayMs: 10_000,
    random: () => 0,
    onEvent: (event) => told.push(event),
    sleep: async (ms) => waits.push(ms),
  };
  return { backend, log, waits, told, options };
}

const text = async (bytes: ByteStream) => (await collectBytes(bytes, 1000)).toString();

describe('readWhole', () => {
  it('begins again from the start where the stream breaks off, as the delays say', async () => {
    const { backend, waits, told, options } = storageOf([lost('now'), lost('now'), lost('later')]);
    assert.equal(await readWhole(backend, 'a', text, options), 'one two three');
    assert.deepEqual(waits, [0, 10_000, 40_000]);
    const last = told.at(-1);
    assert.equal(
      last?.kind === 'message' && last.text,
      'far://away: try 3 of 4 to read a to its end failed: the line went dead; trying again in 40 s',
    );
  });

  it('gives up after as many tries as there may be, or where none helps', async () => {
    const often = storageOf(Array.from({ length: 9 }, () => lost('later')));
    await assert.rejects(readWhole(often.backend, 'a', text, often.options), { code: 'connection' });
    assert.equal(often.log.filter((line) => line === 'get a').length, 4);
    for (const failure of [lost('never'), new Error('a defect')]) {
      const once = storageOf([failure]);
      await assert.rejects(readWhole(once.backend, 'a', text, once.options), failure as Error);
      assert.deepEqual(once.log, ['get a', 'closed']);
    }
  });

  it('leaves what the reader itself fails with alone, but for a wrong hash that may be right the next time', async () => {
    const errors: [error: Error, tries: number][] = [
      [new TundraError('no-free-space', 'full', { retry: 'later' }), 1],
      [new Error('a defect'), 1],
      [new TundraError('hash-mismatch', 'wrong', { retry: 'now' }), 4],
      [new TundraError('hash-mismatch', 'wrong'), 1],
    ];
    for (const [error, tries] of errors) {
      const { backend, log, options } = storageOf([]);
      const use = async (bytes: ByteStream) => {
        for await (const _ of bytes) throw error;
      };
      await assert.rejects(readWhole(backend, 'a', use, options), error);
      assert.equal(log.filter((line) => line === 'get a').length, tries, error.message);
      // And it never leaves a stream open.
      assert.equal(log.filter((line) => line === 'closed').length, tries);
    }
  });

  it('does not try again to open what cannot be opened', async () => {
    const { backend, options, waits } = storageOf([]);
    const get = async () => {
      throw lost('now');
    };
    await assert.rejects(readWhole({ ...backend, get }, 'a', text, options), { code: 'connection' });
    assert.deepEqual(waits, []);
  });

  it('gives up waiting when it is told to', async () => {
    const { backend, log, options } = storageOf([lost('later')]);
    const { sleep: _, ...real } = options;
    const controller = new AbortController();
    const reading = readWhole(backend, 'a', text, {
      ...real,
      signal: controller.signal,
      onEvent: () => setImmediate(() => controller.abort()),
    });
    await assert.rejects(reading, { code: 'connection' });
    assert.deepEqual(log, ['get a', 'closed']);
  });
});
