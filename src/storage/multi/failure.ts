import { TundraError } from '../../base/errors.js';

/** Whether an error tells of a storage. What else goes wrong in a call, as in the source of a put, has other codes. */
export function isStorageFailure(error: unknown): error is TundraError {
  return error instanceof TundraError && (error.code.startsWith('backend') || error.code === 'connection');
}

/** The same error, whose message begins with the store it came from. */
export function namedFailure(label: string, error: TundraError): TundraError {
  const { code, message, advice, retry, retryAfterMs } = error;
  return new TundraError(code, `${label}: ${message}`, { advice, retry, retryAfterMs, cause: error });
}

/** One error for the failures of several stores; code, advice and retry are the first one's. */
export function joinFailures(what: string, failures: readonly TundraError[]): TundraError {
  const [first] = failures;
  if (first === undefined) throw new RangeError('no failure to join');
  if (failures.length === 1) return first;
  const { code, advice, retry, retryAfterMs } = first;
  const text = `${what}: ${failures.map(({ message }) => message).join('; ')}`;
  return new TundraError(code, text, { advice, retry, retryAfterMs, cause: new AggregateError(failures) });
}

/** Among the failures that tell of a sealed object, the one whose wait is the shortest. */
export function firstToThaw(failures: readonly TundraError[]): TundraError | undefined {
  const waitOf = ({ retryAfterMs }: TundraError) => retryAfterMs ?? Number.POSITIVE_INFINITY;
  return failures
    .filter(({ code }) => code === 'backend-sealed')
    .sort((one, other) => waitOf(one) - waitOf(other))[0];
}
