import { createHash } from 'node:crypto';
import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { type RetryOptions, waitForNextTry } from '../wrappers/retry.js';
import type { HttpAnswer } from './http.js';
import { contentLengthOf, kindOf } from './object-head.js';

/** How an object is read. */
export interface Reading {
  /** Whose object it is and what it is called, for people. */
  owner: string;
  name: string;
  /** Asks for the object, with more headers; 412 comes as an answer. */
  request(headers: Record<string, string>): Promise<HttpAnswer>;
  /** How often it is taken up again when it breaks off. */
  tries: RetryOptions;
  /** After how long a connection that nobody has begun to read from is let go. */
  idleMs: number;
}

/** A reading that got on by as much since it broke off has all its tries again. */
const progressBytes = 16 << 20;

/**
 * Opens an object. The stream ends well only if all bytes have come, and for a plain object if their MD5 is the one the
 * storage knows. Where it breaks off it is taken up again from there, as long as the object is the same.
 */
export async function readObject(reading: Reading): Promise<ByteStream> {
  const { owner, name, request, tries, idleMs } = reading;
  const first = await request({});
  const { headers } = first;
  const { etag } = headers;
  const sizeBytes = contentLengthOf(headers);
  const md5 = kindOf(headers).kind === 'plain' ? /^"?([0-9a-f]{32})"?$/.exec(etag ?? '')?.[1] : undefined;

  let waiting: HttpAnswer | undefined = first;
  const idle = setTimeout(() => {
    waiting?.abandon();
    waiting = undefined;
  }, idleMs).unref();

  let pieces: AsyncIterator<Uint8Array> | undefined;
  let at = 0;
  let failures = 0;
  let failedAt = 0;
  let isOther = false;

  /** Asks for the object again, from where it broke off. */
  async function resumed(): Promise<HttpAnswer> {
    const range = at > 0 && { range: `bytes=${at}-` };
    const answer = await request({ ...range, ...(etag && { 'if-match': etag }) });
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.headers['content-range'] ?? '') ?? [];
    const isRest =
      answer.status === 206
        ? Number(from) === at && Number(total) === sizeBytes
        : answer.status === 200 && at === 0 && contentLengthOf(answer.headers) === sizeBytes;
    if (isRest) return answer;
    isOther = true;
    answer.abandon();
    const reason = answer.status === 412 ? 'was replaced' : 'cannot be taken up again';
    throw new TundraError('backend', `${name} in ${owner} ${reason} while it was read`, { retry: 'now' });
  }

  /** The next piece, whatever it takes; undefined at the end. */
  async function nextPiece(): Promise<Uint8Array | undefined> {
    for (;;) {
      try {
        if (pieces === undefined) {
          const answer: HttpAnswer = waiting ?? (await resumed());
          waiting = undefined;
          pieces = answer.read()[Symbol.asyncIterator]();
        }
        const next = await pieces.next();
        if (next.done && (sizeBytes === undefined || at === sizeBytes)) return undefined;
        if (next.done) {
          const text = `${name} in ${owner} ends after ${at} of ${sizeBytes} bytes`;
          throw new TundraError('connection', text, { retry: 'now' });
        }
        at += next.value.length;
        return next.value;
      } catch (error) {
        pieces = undefined;
        if (isOther || sizeBytes === undefined || (etag === undefined && at > 0)) throw error;
        if (at - failedAt >= progressBytes) failures = 0;
        failedAt = at;
        failures++;
        await waitForNextTry(owner, `read ${name}`, error, failures, tries);
      }
    }
  }

  async function* stream(): ByteStream {
    clearTimeout(idle);
    const hash = createHash('md5');
    try {
      for (let piece = await nextPiece(); piece !== undefined; piece = await nextPiece()) {
        if (md5 !== undefined) hash.update(piece);
        yield piece;
      }
    } finally {
      await pieces?.return?.();
    }
    const sum = md5 === undefined ? undefined : hash.digest('hex');
    if (sum === md5) return;
    const text = `${name} in ${owner} came altered: its MD5 is ${sum} instead of ${md5}`;
    throw new TundraError('backend', text, { retry: 'now' });
  }

  return stream();
}
