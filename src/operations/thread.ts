import { Worker } from 'node:worker_threads';
import { TundraError } from '../base/errors.js';

/** A worker thread seen from the main one: it gets one input and sends messages. */
export interface Thread<Message, Answer = never> {
  /** What the thread sends, in order; ends when the thread has ended by itself. Throws if the thread broke down. */
  messages: AsyncIterable<Message>;
  send(answer: Answer): void;
  /** Ends the thread at once, whatever it is doing. */
  stop(): Promise<void>;
}

/** Starts the module at `url` as a thread. */
export function startThread<Input, Message, Answer = never>(url: URL, input: Input): Thread<Message, Answer> {
  const worker = new Worker(url, { workerData: input });
  const queue: Message[] = [];
  let failure: Error | undefined;
  let ended = false;
  let wake = () => {};
  worker.on('message', (message: Message) => {
    queue.push(message);
    wake();
  });
  worker.on('error', (error) => {
    failure = error as Error;
    wake();
  });
  worker.on('exit', (status) => {
    ended = true;
    if (status !== 0)
      failure ??= new TundraError('unexpected', `a worker thread ended with status ${status}`);
    wake();
  });
  async function* messages(): AsyncGenerator<Message> {
    for (let next = 0; ; ) {
      if (next < queue.length) {
        yield queue[next++] as Message;
        continue;
      }
      queue.length = next = 0;
      if (failure !== undefined) throw failure;
      if (ended) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  return {
    messages: messages(),
    send: (answer) => worker.postMessage(answer),
    stop: async () => {
      await worker.terminate();
    },
  };
}
