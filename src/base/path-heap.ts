import type { PathKey } from './path-key.js';

/** Something that stands at a path, of an age: lower is older. */
export interface Positioned {
  readonly key: PathKey | undefined;
  readonly age: number;
}

/** A binary heap that gives the lowest path first and, on the same path, the oldest first. */
export class PathHeap<T extends Positioned> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The first item, left in place. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item; its key must not change while it is inside. One without a key is at its end and is not kept. */
  push(item: T): void {
    if (item.key === undefined) return;
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as T;
      if (!before(item, above)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1] as T, items[child] as T)) child++;
      const below = items[child] as T;
      if (!before(below, last)) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return first;
  }
}

function before(a: Positioned, b: Positioned): boolean {
  const left = a.key as PathKey;
  const right = b.key as PathKey;
  return left < right || (left === right && a.age < b.age);
}
