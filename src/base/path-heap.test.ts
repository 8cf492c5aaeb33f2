import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PathHeap, type Positioned } from './path-heap.js';

/** Few different keys, so that many are equal. */
const positioned = fc
  .tuple(fc.constantFrom('', 'a', 'a\0b', 'a-', 'b', '\xff'), fc.nat(9))
  .map(([key, age]) => ({ key, age }));

function inOrder(a: { key: string; age: number }, b: { key: string; age: number }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : a.age - b.age;
}

describe('PathHeap', () => {
  it('gives the lowest path first and on the same path the oldest', () => {
    fc.assert(
      fc.property(fc.array(positioned), (items) => {
        const heap = new PathHeap<{ key: string; age: number }>();
        for (const item of items) heap.push(item);
        assert.equal(heap.size, items.length);
        const given: { key: string; age: number }[] = [];
        while (heap.size > 0) {
          const peeked = heap.peek();
          assert.equal(heap.pop(), peeked);
          given.push(peeked!);
        }
        assert.deepEqual(given, [...items].sort(inOrder));
      }),
    );
  });

  it('stays in order while items come and go', () => {
    fc.assert(
      fc.property(fc.array(fc.option(positioned, { nil: undefined })), (steps) => {
        const heap = new PathHeap<{ key: string; age: number }>();
        let model: { key: string; age: number }[] = [];
        for (const item of steps) {
          if (item !== undefined) {
            heap.push(item);
            model = [...model, item].sort(inOrder);
          } else {
            assert.deepEqual(heap.pop(), model.shift());
          }
          assert.deepEqual(heap.peek(), model[0]);
        }
      }),
    );
  });

  it('does not keep what is at its end, and is empty at first', () => {
    const heap = new PathHeap<Positioned>();
    heap.push({ key: undefined, age: 0 });
    assert.equal(heap.size, 0);
    assert.equal(heap.peek(), undefined);
    assert.equal(heap.pop(), undefined);
  });
});
