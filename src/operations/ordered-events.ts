import type { EventSink, OperationEvent } from '../base/events.js';

/** Beyond this many, order matters less than memory. */
const mostHeld = 20_000;

/** Passes on the events of shares that are worked on side by side as if one had come after the other. */
export class OrderedEvents {
  readonly #sink: EventSink;
  readonly #held: OperationEvent[][];
  readonly #ended: boolean[];
  #current = 0;

  constructor(shares: number, sink: EventSink) {
    this.#sink = sink;
    this.#held = Array.from({ length: shares }, () => []);
    this.#ended = Array.from({ length: shares }, () => false);
  }

  add(share: number, events: readonly OperationEvent[]): void {
    const held = this.#held[share] as OperationEvent[];
    for (const event of events) held.push(event);
    if (share === this.#current || held.length > mostHeld) this.#pass(share);
  }

  /** No more comes of this share. */
  end(share: number): void {
    this.#ended[share] = true;
    while (this.#ended[this.#current]) this.#pass(++this.#current);
  }

  /** Passes on all that is held. */
  flush(): void {
    for (const share of this.#held.keys()) this.#pass(share);
  }

  #pass(share: number): void {
    for (const event of this.#held[share]?.splice(0) ?? []) this.#sink(event);
  }
}
