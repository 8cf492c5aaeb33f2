import { TundraError } from './errors.js';

/** The error that ends what a signal has interrupted. It is told as the interruption, not as itself. */
export function interrupted(): TundraError {
  return new TundraError('generic', 'the run was interrupted');
}

/**
 * What `work` comes to; once the signal has been raised, an error if that takes longer than `graceMs`: the time to clean
 * up. The work goes on then, but nobody waits for it.
 */
export async function unlessInterrupted<T>(
  signal: AbortSignal | undefined,
  graceMs: number,
  work: Promise<T>,
): Promise<T> {
  if (signal === undefined) return work;
  let timer: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  const tooLong = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(interrupted()), graceMs);
    };
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
