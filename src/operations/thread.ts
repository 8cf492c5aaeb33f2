import { type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads';
import { TundraError } from '../base/errors.js';
import { NativeGate } from '../base/native-gate.js';

/** A worker thread seen from the main one: it gets one input and sends messages. */
export interface Thread<Message, Answer = never> {
  /** What the thread sends, in order; ends when the thread has ended by itself. Throws if the thread broke down. */
  messages: AsyncIterable<Message>;
  send(answer: Answer): void;
  /** Ends `messages` with an error, as if the thread had broken down. */
  fail(error: Error): void;
  /** Resolves when the thread has ended by itself; rejects if it broke down. */
  ended: Promise<void>;
  /** Ends the thread at once, whatever it is doing. */
  stop(): Promise<void>;
}

/** Small young generations: what these threads drop, they drop at once, and five of the usual size add up. */
const youngLimits = { maxYoungGenerationSizeMb: 4 };

/** A thread that has started and waits for its input. Until then it does not keep the program from ending. */
export interface WaitingThread<Input, Message = never> {
  /** The ports in the input go over to it. */
  begin(input: Input, transferList?: MessagePort[]): Thread<Message>;
}

/** Starts the module at `url` as a thread, which takes a while. Its input comes as the first message. */
export function prepareThread<Input, Message = never>(url: URL): WaitingThread<Input, Message> {
  const { thread, worker } = newThread<Message, never>(url, {});
  worker.unref();
  return {
    begin: (input, transferList) => {
      worker.ref();
      worker.postMessage(input, transferList);
      return thread;
    },
  };
}

/** Starts the module at `url` as a thread; the ports in its input, its `workerData`, go over to it. */
export function startThread<Input, Message, Answer = never>(
  url: URL,
  input: Input,
  transferList: MessagePort[] = [],
): Thread<Message, Answer> {
  return newThread<Message, Answer>(url, { workerData: input, transferList }).thread;
}

function newThread<Message, Answer>(
  url: URL,
  options: WorkerOptions,
): { thread: Thread<Message, Answer>; worker: Worker } {
  const gate = NativeGate.ofNextThread();
  const worker = new Worker(url, { ...options, resourceLimits: youngLimits });
  const queue: Message[] = [];
  let failure: Error | undefined;
  let ended = false;
  let wake = () => {};
  worker.on('message', (message: Message) => {
    queue.push(message);
    wake();
  });
  const fail = (error: Error) => {
    failure ??= error;
    wake();
  };
  worker.on('error', fail);
  const whenEnded = new Promise<void>((resolve, reject) => {
    worker.on('exit', (status) => {
      ended = true;
      gate.forget();
      if (status !== 0) fail(new TundraError('unexpected', `a worker thread ended with status ${status}`));
      wake();
      if (failure === undefined) resolve();
      else reject(failure);
    });
  });
  whenEnded.catch(() => {});
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
  const thread: Thread<Message, Answer> = {
    messages: messages(),
    send: (answer) => worker.postMessage(answer),
    fail,
    ended: whenEnded,
    stop: async () => {
      await gate.close();
      await worker.terminate();
    },
  };
  return { thread, worker };
}
