import { Worker } from 'node:worker_threads';
import { errorOfPlain, type PlainError, TundraError } from './errors.js';

interface Waiting<Answer> {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export type Call<Question> = Question & { id: number };
export type CallReply<Answer> = { id: number } & ({ answer: Answer } | { error: PlainError });

/**
 * Questions to a thread that answers each. It starts with the first of them, and never keeps the process alive while there
 * is nothing to answer.
 */
export class ThreadCalls<Question extends object, Answer> {
  readonly #url: URL;
  readonly #name: string;
  readonly #waiting = new Map<number, Waiting<Answer>>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** @param url the thread's module, which calls `answerCalls` */
  constructor(url: URL, name: string) {
    this.#url = url;
    this.#name = name;
  }

  /** Errors: those of the thread; TundraError `unexpected` where it ends. */
  ask(question: Question): Promise<Answer> {
    this.#worker ??= this.#start();
    this.#worker.ref();
    const id = ++this.#lastId;
    this.#worker.postMessage({ ...question, id } satisfies Call<Question>);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Ends the thread. What was not answered fails; a later question starts it again. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#url, {
      name: this.#name,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    worker.on('message', (reply: CallReply<Answer>) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) worker.unref();
      if ('error' in reply) waiting?.reject(errorOfPlain(reply.error));
      else waiting?.resolve(reply.answer);
    });
    const lose = (error: Error) => {
      // Its end was told already: the next one may be at work.
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on('error', lose);
    worker.on('messageerror', (error) => {
      lose(error);
      void worker.terminate();
    });
    worker.on('exit', (status) =>
      lose(new TundraError('unexpected', `the thread "${this.#name}" ended with status ${status}`)),
    );
    return worker;
  }
}
