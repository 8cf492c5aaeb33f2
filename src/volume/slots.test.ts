import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSlotRing, SlotReader, SlotWriter } from './slots.js';
import { startThread } from './threads.fixture.js';

describe('SlotRing', () => {
  it('lends its slots in turn, each its own part of the memory', () => {
    const ring = createSlotRing(16, 3);
    const writer = new SlotWriter(ring);
    const reader = new SlotReader(ring);
    const taken = [0, 1, 2].map(() => writer.take());
    for (const { index, bytes } of taken) bytes.fill(index + 1);
    assert.deepEqual(
      taken.map(({ index }) => index),
      [0, 1, 2],
    );
    for (const { index } of taken) {
      assert.deepEqual(reader.take(index, 16), Buffer.alloc(16, index + 1));
    }
    assert.equal(writer.take().index, 0);
  });

  it('holds the writer back until the slot was read', { timeout: 30_000 }, async () => {
    const turns = 40;
    const ring = createSlotRing(1024, 2);
    const reader = new SlotReader(ring);
    const filled: string[] = [];
    const reads: Promise<void>[] = [];
    const thread = startThread({ kind: 'fill', ring, turns }, (message) => {
      assert.ok(message.kind === 'filled');
      const { index, turn } = message;
      filled.push(`${index} ${turn}`);
      // Read late, so that the writer runs into a slot that is not free.
      const read = async () => {
        await new Promise((resolve) => setImmediate(resolve));
        assert.deepEqual(reader.take(index, 1024), Buffer.alloc(1024, turn));
      };
      reads.push(read());
    });
    await thread.ended;
    await Promise.all(reads);
    assert.deepEqual(
      filled,
      Array.from({ length: turns }, (_, turn) => `${turn % 2} ${turn}`),
    );
  });

  it('can be given up while the writer waits', { timeout: 30_000 }, async () => {
    const ring = createSlotRing(16, 1);
    await new Promise<void>((resolve) => {
      const thread = startThread(
        { kind: 'fill', ring, turns: 2 },
        () => void thread.stop().then(() => resolve()),
      );
    });
    assert.deepEqual(new SlotReader(ring).take(0, 16), Buffer.alloc(16, 0));
  });
});
