import { STATUS_CODES } from 'node:http';
import { type ErrorCode, type ErrorDetails, errnoOf, messageOf, TundraError } from '../../base/errors.js';

/** What a failed request was for, as the end of a sentence: `store vol1 in swift://photos`. */
export type Action = string;

/** The headers of an answer, their names in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

type Meaning = { code: ErrorCode; text?: string } & ErrorDetails;

const slowDown = 'it asks to be called less often';

/** What a status means that a request did not expect. */
function meaningOf(status: number, retryAfterMs: number | undefined): Meaning {
  switch (status) {
    case 401:
      return { code: 'backend-permission', text: 'the token is not accepted' };
    case 403:
      return { code: 'backend-permission', advice: 'Give this user the right to use the container.' };
    case 404:
      return { code: 'backend-not-found', text: 'it is not there' };
    case 408:
      return { code: 'backend', retry: 'later' };
    case 409:
      return { code: 'backend', retry: 'later' };
    case 413:
      if (retryAfterMs !== undefined)
        return { code: 'backend', text: slowDown, retry: 'later', retryAfterMs };
      return {
        code: 'backend-no-space',
        text: 'the object is too large or the quota is used up',
        advice: 'Raise the quota, or make smaller volumes with --volsize.',
      };
    case 422:
      return { code: 'backend', text: 'the bytes arrived altered', retry: 'now' };
    case 429:
    case 498:
      return { code: 'backend', text: slowDown, retry: 'later', retryAfterMs };
    case 507:
      return { code: 'backend-no-space', retry: 'later', retryAfterMs };
    default:
      return status >= 500 ? { code: 'backend', retry: 'later', retryAfterMs } : { code: 'backend' };
  }
}

/** The error for an answer whose status says that a request failed. */
export function statusFailure(action: Action, status: number, headers: Headers, nowMs: number): TundraError {
  const { code, text, ...details } = meaningOf(status, retryAfterOf(headers, nowMs));
  const moved = status >= 300 && status < 400 && headers.location;
  const reason = moved ? `it has moved to ${moved}` : text;
  const answer = `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
  return new TundraError(code, `could not ${action}: ${answer}${reason ? `, ${reason}` : ''}`, details);
}

/** How long `Retry-After` asks to wait: seconds, or a date. Undefined if it is not there or says nothing. */
export function retryAfterOf(headers: Headers, nowMs: number): number | undefined {
  const value = headers['retry-after']?.trim();
  if (value === undefined) return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1000;
  // A lone number with a sign or a fraction would be read as a year.
  const dateMs = /[A-Za-z]/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.min(Math.max(0, dateMs - nowMs), longestMs);
}

/** As long as ten digits of seconds can say: with the last moment that a Date can hold nothing could be reckoned. */
const longestMs = 1e13;

/** What a broken or missing connection means; `{place}` stands for the host and port. */
const connectionTroubles: Record<string, { text: string } & ErrorDetails> = {
  ENOTFOUND: {
    text: 'there is no host of the name in {place}',
    retry: 'later',
    advice: 'Check the address and the network.',
  },
  EAI_AGAIN: {
    text: 'the name in {place} cannot be looked up now',
    retry: 'later',
    advice: 'Check the network.',
  },
  ECONNREFUSED: { text: '{place} refuses the connection', retry: 'later', advice: 'Check the address.' },
  EHOSTUNREACH: { text: '{place} cannot be reached', retry: 'later', advice: 'Check the network.' },
  ENETUNREACH: { text: '{place} cannot be reached', retry: 'later', advice: 'Check the network.' },
  ETIMEDOUT: { text: '{place} does not answer', retry: 'later' },
  UND_ERR_CONNECT_TIMEOUT: { text: '{place} does not answer', retry: 'later', advice: 'Check the network.' },
  UND_ERR_HEADERS_TIMEOUT: { text: '{place} was silent for too long', retry: 'now' },
  UND_ERR_BODY_TIMEOUT: { text: '{place} was silent for too long', retry: 'now' },
  ECONNRESET: { text: '{place} broke the connection', retry: 'now' },
  EPIPE: { text: '{place} broke the connection', retry: 'now' },
  UND_ERR_SOCKET: { text: '{place} broke the connection', retry: 'now' },
  UND_ERR_ABORTED: { text: 'the connection to {place} was given up', retry: 'now' },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: { text: 'the answer of {place} is too short', retry: 'now' },
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: { text: 'what was to be sent has changed its size', retry: 'never' },
  UND_ERR_DESTROYED: { text: 'the storage was closed', retry: 'never' },
  UND_ERR_CLOSED: { text: 'the storage was closed', retry: 'never' },
};

/** The error for a request that got no answer, or whose answer broke off. */
export function connectionFailure(action: Action, origin: string, cause: unknown): TundraError {
  const errno = errnoOf(cause) ?? '';
  const known = connectionTroubles[errno];
  const place = origin.replace(/^https?:\/\//, '');
  if (known === undefined && /CERT|TLS|SSL|SIGNATURE|EPROTO/.test(errno)) {
    return new TundraError('connection', `could not ${action}: no safe connection to ${place}: ${errno}`, {
      advice: 'Check the address; NODE_EXTRA_CA_CERTS names a file with certificates of your own.',
      cause,
    });
  }
  const { text, ...details } = known ?? { text: `{place}: ${messageOf(cause)}`, retry: 'later' as const };
  return new TundraError('connection', `could not ${action}: ${text.replace('{place}', place)}`, {
    ...details,
    cause,
  });
}

/** The error for an answer that came whole and makes no sense. */
export function nonsense(action: Action, reason: string): TundraError {
  return new TundraError('backend', `could not ${action}: the answer cannot be read: ${reason}`, {
    retry: 'later',
  });
}
