import { ThreadCalls } from '../base/thread-calls.js';
import type { CheckRequest } from './check-worker.js';
import type { SessionKey } from './library/session-keys.js';

/** Decrypts messages in a thread of its own, only to learn whether they are whole. */
export class CheckThread {
  readonly #calls = new ThreadCalls<CheckRequest, void>(
    new URL('./check-worker.js', import.meta.url),
    'check',
  );

  /** Errors: TundraError `format` where the integrity check of the message at `path` fails, or it cannot be read. */
  check(path: string, key: SessionKey): Promise<void> {
    return this.#calls.ask({ path, key });
  }
}
