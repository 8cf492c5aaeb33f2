import { setTimeout as sleepFor } from 'node:timers/promises';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { displayBytes } from '../base/path-key.js';
import type { StorageBackend } from './backend.js';
import { type RetryOptions, waitForNextTry } from './wrappers/retry.js';

/** How often an object is read in all, how long to wait in between, and who is told. */
export type RereadOptions = Omit<RetryOptions, 'sleep'> & {
  /** Gives up waiting for the next try. */
  signal?: AbortSignal | undefined;
  /** Waits; a test passes its own. */
  sleep?: ((ms: number, signal: AbortSignal | undefined) => Promise<unknown>) | undefined;
};

/**
 * Reads an object to its end. Where its stream breaks off, and the error says that trying again can help, it is opened
 * anew and `use` is called again: it begins from the start. So it is where `use` finds a wrong hash and says by `retry`
 * that it may be right the next time. Each new try is told as a warning; the last error comes out as it is.
 *
 * An object that cannot be opened is an error at once: whoever opens it for us has tried that again already.
 */
export async function readWhole<Result>(
  backend: Pick<StorageBackend, 'get' | 'description'>,
  name: string,
  use: (bytes: ByteStream) => Promise<Result>,
  options: RereadOptions,
): Promise<Result> {
  const { signal } = options;
  const sleep = options.sleep ?? ((ms, signal) => sleepFor(ms, undefined, { signal }));
  const retry: RetryOptions = { ...options, sleep: (ms) => sleep(ms, signal) };
  const what = `read ${displayBytes(name)} to its end`;
  for (let failures = 1; ; failures++) {
    const stream = new WatchedStream(await backend.get(name));
    try {
      return await use(stream);
    } catch (error) {
      const reason = stream.failure ?? (isWrongHash(error) ? error : undefined);
      if (signal?.aborted) throw error;
      const isWorthIt = await waitForNextTry(backend.description, what, reason, failures, retry).then(
        () => !signal?.aborted,
        () => false,
      );
      if (!isWorthIt) throw error;
    }
  }
}

function isWrongHash(error: unknown): boolean {
  return error instanceof TundraError && error.code === 'hash-mismatch';
}

/** A stream that remembers the error it broke off with. */
class WatchedStream implements AsyncIterable<Uint8Array> {
  readonly #inner: ByteStream;
  failure: unknown;

  constructor(inner: ByteStream) {
    this.#inner = inner;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const pieces = this.#inner[Symbol.asyncIterator]();
    let isOpen = true;
    try {
      for (;;) {
        const { done, value } = await pieces.next().catch((error: unknown) => {
          isOpen = false;
          this.failure = error;
          throw error;
        });
        if (done === true) {
          isOpen = false;
          return;
        }
        yield value;
      }
    } finally {
      if (isOpen) await pieces.return?.();
    }
  }
}
