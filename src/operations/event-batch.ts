import type { OperationEvent } from '../base/events.js';

const mostEvents = 512;

/** Gathers the events of a thread: a message for each of a million files would cost more than the files. */
export class EventBatch {
  readonly #send: (events: OperationEvent[]) => void;
  #events: OperationEvent[] = [];

  constructor(send: (events: OperationEvent[]) => void) {
    this.#send = send;
  }

  add(event: OperationEvent): void {
    this.#events.push(event);
    if (this.#events.length >= mostEvents) this.flush();
  }

  flush(): void {
    if (this.#events.length === 0) return;
    this.#send(this.#events);
    this.#events = [];
  }
}
