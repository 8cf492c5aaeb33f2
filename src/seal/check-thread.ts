import { Worker } from 'node:worker_threads';
import { errorOfPlain, TundraError } from '../base/errors.js';
import type { CheckReply, CheckRequest } from './check-worker.js';
import type { SessionKey } from './library/session-keys.js';

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Decrypts messages in a thread of its own, only to learn whether they are whole. It starts with the first of them, and
 * never keeps the process alive while there is nothing to check.
 */
export class CheckThread {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** Errors: TundraError `format` where the integrity check of the message at `path` fails, or it cannot be read. */
  check(path: string, key: SessionKey): Promise<void> {
    this.#worker ??= this.#start();
    this.#worker.ref();
    const id = ++this.#lastId;
    this.#worker.postMessage({ id, path, key } satisfies CheckRequest);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #start(): Worker {
    const worker = new Worker(new URL('./check-worker.js', import.meta.url), {
      name: 'check',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    worker.on('message', ({ id, error }: CheckReply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref();
      if (error === undefined) waiting?.resolve();
      else waiting?.reject(errorOfPlain(error));
    });
    const lose = (error: Error) => {
      // Its end was told already: the next one may be at work.
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on('error', lose);
    worker.on('exit', (status) =>
      lose(new TundraError('unexpected', `the checking thread ended with status ${status}`)),
    );
    return worker;
  }
}
