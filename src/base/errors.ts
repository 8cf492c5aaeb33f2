/**
 * The one error base. An error says what happened, on which object, what to do about it, and whether trying again
 * can help; its code decides the exit status.
 */

/** Error codes and the exit status each one stands for. */
export const exitStatusOf = {
  generic: 1,
  'command-line': 2,
  'hostname-mismatch': 3,
  'no-manifests': 4,
  'mismatched-manifests': 5,
  'unreadable-manifests': 6,
  'bad-file-list': 7,
  'bad-url': 8,
  'bad-archive-dir': 9,
  'bad-sign-key': 10,
  'restore-target-exists': 11,
  'verify-directory-missing': 12,
  'source-missing': 13,
  'selection-prefix': 14,
  'selection-glob': 15,
  'redundant-include': 16,
  'incremental-without-signatures': 17,
  'no-signatures': 18,
  'path-not-in-backup': 19,
  'nothing-to-restore': 20,
  'hash-mismatch': 21,
  'unsigned-volume': 22,
  'user-error': 23,
  unexpected: 30,
  encryption: 31,
  'not-implemented': 33,
  'no-free-space': 34,
  'wrong-volume-size': 44,
  'source-directory-mismatch': 42,
  'encryption-mismatch': 45,
  connection: 38,
  backend: 50,
  'backend-permission': 51,
  'backend-not-found': 52,
  'backend-no-space': 53,
  'backend-command': 54,
  'backend-code': 55,
  /** The object lies in cold storage and must be thawed first. */
  'backend-sealed': 50,
  /** What was asked for in cold storage cannot be read yet: the same command goes on later. */
  'not-thawed': 75,
  /** Bytes that came from outside break their format. */
  format: 1,
} as const;

export type ErrorCode = keyof typeof exitStatusOf;

/** Whether the same call may succeed if it is made again. */
export type Retry = 'now' | 'later' | 'never';

export interface ErrorDetails {
  /** What the reader should do about it, as a sentence. */
  advice?: string | undefined;
  retry?: Retry | undefined;
  /** How long the other side asked to be left alone before the next try. */
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/** Every error that tundra raises on purpose. Anything else that reaches the top is a defect. */
export class TundraError extends Error {
  readonly code: ErrorCode;
  readonly advice: string | undefined;
  readonly retry: Retry;
  readonly retryAfterMs: number | undefined;
  /** What the machine log has behind the status, for programs: `get 'NAME'`. */
  logExtra: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TundraError';
    this.code = code;
    this.advice = details.advice;
    this.retry = details.retry ?? 'never';
    this.retryAfterMs = details.retryAfterMs;
  }

  /** The status the process ends with when this error ends it. */
  get exitStatus(): number {
    return exitStatusOf[this.code];
  }
}

/** The errno name (`ENOENT`) of a system error, if it is one. */
export function errnoOf(error: unknown): string | undefined {
  // A TundraError has a code too, which is no errno.
  if (!(error instanceof Error) || error instanceof TundraError || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error as plain data, to cross from one thread to another. Its cause stays behind. */
export interface PlainError {
  code: ErrorCode | undefined;
  message: string;
  advice: string | undefined;
  retry: Retry;
  retryAfterMs: number | undefined;
  stack: string | undefined;
}

export function plainError(error: unknown): PlainError {
  if (error instanceof TundraError) {
    const { code, message, advice, retry, retryAfterMs, stack } = error;
    return { code, message, advice, retry, retryAfterMs, stack };
  }
  return {
    code: undefined,
    message: messageOf(error),
    advice: undefined,
    retry: 'never',
    retryAfterMs: undefined,
    stack: error instanceof Error ? error.stack : undefined,
  };
}

/** The error that `plainError` took apart. One that was no TundraError comes back as a plain Error. */
export function errorOfPlain(plain: PlainError): Error {
  const { code, message, advice, retry, retryAfterMs, stack } = plain;
  const error =
    code === undefined ? new Error(message) : new TundraError(code, message, { advice, retry, retryAfterMs });
  if (stack !== undefined) error.stack = stack;
  return error;
}
