import { setTimeout as sleepFor } from 'node:timers/promises';
import { messageOf, TundraError } from '../../base/errors.js';
import type { EventSink } from '../../base/events.js';
import { displayBytes } from '../../base/path-key.js';
import type { StorageBackend } from '../backend.js';

export interface RetryOptions {
  /** How often a call is tried in all; less than 1 counts as 1. */
  attempts: number;
  /** The wait before the second try of a call that failed for a while; it doubles from try to try. */
  delayMs: number;
  onEvent?: EventSink | undefined;
  /** Waits; a test passes its own. */
  sleep?: ((ms: number) => Promise<unknown>) | undefined;
  /** A number from 0 to below 1; a test passes its own. */
  random?: (() => number) | undefined;
}

/** The longest wait between two tries, unless `delayMs` asks for more. */
const longestDelayMs = 5 * 60_000;
/** A storage that asks to be left alone for longer than this is not waited for here. */
const longestRetryAfterMs = 15 * 60_000;

/**
 * The wait before the next try, in milliseconds; undefined if none is worth it. `failures` counts from 1.
 *
 * An error that may pass at once (`now`) is tried again without a wait first. Up to a quarter is added to every wait,
 * so that runs that failed together do not come back together; no wait is shorter than what was asked for.
 */
export function delayBefore(
  error: unknown,
  failures: number,
  options: Pick<RetryOptions, 'attempts' | 'delayMs' | 'random'>,
): number | undefined {
  if (!(error instanceof TundraError) || error.retry === 'never' || failures >= options.attempts)
    return undefined;
  const askedMs = error.retryAfterMs ?? 0;
  if (askedMs > longestRetryAfterMs) return undefined;
  const doublings = error.retry === 'now' ? failures - 2 : failures - 1;
  const grownMs =
    doublings < 0 ? 0 : Math.min(options.delayMs * 2 ** doublings, Math.max(options.delayMs, longestDelayMs));
  return Math.max(grownMs, askedMs) * (1 + (options.random ?? Math.random)() / 4);
}

/**
 * Waits before the next try of what failed, and tells of it as a warning. Throws the error if another try is not worth
 * it. `owner` is whose call it is, `what` what was tried, both for people; `failures` counts from 1.
 */
export async function waitForNextTry(
  owner: string,
  what: string,
  error: unknown,
  failures: number,
  options: RetryOptions,
): Promise<void> {
  const delayMs = delayBefore(error, failures, options);
  if (delayMs === undefined) throw error;
  const when = delayMs < 1000 ? 'now' : `in ${Math.round(delayMs / 1000)} s`;
  const text = `${owner}: try ${failures} of ${options.attempts} to ${what} failed: ${messageOf(error)}; trying again ${when}`;
  options.onEvent?.({ kind: 'message', level: 'warning', text });
  await (options.sleep ?? sleepFor)(delayMs);
}

/**
 * The same storage, whose calls are tried again where their error says that this can help. Each new try is told as a
 * warning; the last error comes out as it is.
 *
 * A stream that `get` has opened is not taken up again when it breaks off: the reader has bytes of it already, so it is
 * the reader who starts over with a new `get`.
 */
export function withRetries(inner: StorageBackend, options: RetryOptions): StorageBackend {
  async function tried<Result>(
    what: string,
    call: () => Promise<Result>,
    logExtra?: string,
  ): Promise<Result> {
    const told = `${inner.description}: ${displayBytes(what)}`;
    options.onEvent?.({ kind: 'message', level: 'debug', text: told });
    for (let failures = 1; ; failures++) {
      try {
        return await call();
      } catch (error) {
        if (error instanceof TundraError) error.logExtra ??= logExtra;
        await waitForNextTry(inner.description, displayBytes(what), error, failures, options);
      }
    }
  }
  const objects = (names: readonly string[]) => (names.length === 1 ? names[0] : `${names.length} objects`);

  const { cold } = inner;
  return {
    description: inner.description,
    promises: inner.promises,
    put: (name, source) => tried(`store ${name}`, () => inner.put(name, source), `put '${name}'`),
    get: (name) => tried(`read ${name}`, () => inner.get(name), `get '${name}'`),
    list: () => tried('list the objects', () => inner.list(), 'list'),
    stat: (name) => tried(`look for ${name}`, () => inner.stat(name), `query '${name}'`),
    remove: (names) => tried(`remove ${objects(names)}`, () => inner.remove(names), `delete '${names[0]}'`),
    close: () => inner.close(),
    ...(inner.localPathOf && { localPathOf: inner.localPathOf.bind(inner) }),
    ...(cold && {
      cold: {
        survey: () => tried('see what is thawed', () => cold.survey()),
        thaw: (names) => tried(`ask for ${objects(names)}`, () => cold.thaw(names)),
      },
    }),
  };
}
