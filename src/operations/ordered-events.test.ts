import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { OperationEvent } from '../base/events.js';
import { OrderedEvents } from './ordered-events.js';

const event = (text: string): OperationEvent => ({ kind: 'message', level: 'info', text });
const textOf = (told: OperationEvent) => (told.kind === 'message' ? told.text : assert.fail(told.kind));

function eventsOf(shares: number) {
  const told: string[] = [];
  const events = new OrderedEvents(shares, (one) => told.push(textOf(one)));
  return { events, told };
}

describe('OrderedEvents', () => {
  it('tells all of one share before any of the next, however they come', () => {
    const steps = fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 30 });
    fc.assert(
      fc.property(steps, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (adds, ends) => {
        const { events, told } = eventsOf(4);
        const expected: string[][] = [[], [], [], []];
        const add = (share: number, count: number) => {
          const texts = Array.from({ length: count }, (_, i) => `${share}.${expected[share]!.length + i}`);
          expected[share]!.push(...texts);
          events.add(share, texts.map(event));
        };
        // A share says nothing more once it has ended.
        const endsBefore = new Map(ends.map((share, at) => [at * 8, share]));
        const ended = new Set<number>();
        for (const [at, [share, count]] of adds.entries()) {
          const end = endsBefore.get(at);
          if (end !== undefined) events.end(end);
          if (end !== undefined) ended.add(end);
          if (!ended.has(share)) add(share, count);
        }
        for (const share of ends) if (!ended.has(share)) events.end(share);
        assert.deepEqual(told, expected.flat());
      }),
    );
  });

  it('tells what the first share says at once, and of the next when that has ended', () => {
    const { events, told } = eventsOf(3);
    events.add(1, [event('b')]);
    events.add(0, [event('a')]);
    assert.deepEqual(told, ['a']);
    events.end(1);
    assert.deepEqual(told, ['a']);
    events.end(0);
    events.add(2, [event('c')]);
    assert.deepEqual(told, ['a', 'b', 'c']);
  });

  it('keeps nothing back that is flushed, as where a share has failed', () => {
    const { events, told } = eventsOf(3);
    events.add(2, [event('c')]);
    events.add(1, [event('b')]);
    events.flush();
    events.flush();
    assert.deepEqual(told, ['b', 'c']);
  });

  it('holds only so many', () => {
    const { events, told } = eventsOf(2);
    for (let i = 0; i < 100_000; i++) events.add(1, [event(`${i}`)]);
    assert.ok(told.length > 50_000);
    events.end(0);
    assert.deepEqual(
      told,
      Array.from({ length: 100_000 }, (_, i) => `${i}`),
    );
  });
});
