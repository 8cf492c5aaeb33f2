import { ThreadCalls } from '../base/thread-calls.js';
import type { HashRequest } from './hash-worker.js';

/** Hashes files in a thread of its own. */
export class HashThread {
  readonly #calls = new ThreadCalls<HashRequest, string>(
    new URL('./hash-worker.js', import.meta.url),
    'hash',
  );

  /** @param algorithm as node calls it. Returns hexadecimal digits. Errors: those of the file system, as plain text. */
  hash(path: string, algorithm: string): Promise<string> {
    return this.#calls.ask({ path, algorithm });
  }

  close(): Promise<void> {
    return this.#calls.close();
  }
}
