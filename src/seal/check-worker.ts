/** The worker thread of a CheckThread. */
import { parentPort } from 'node:worker_threads';
import { type PlainError, plainError } from '../base/errors.js';
import { checkData } from './library/message.js';
import type { SessionKey } from './library/session-keys.js';

export interface CheckRequest {
  id: number;
  path: string;
  key: SessionKey;
}

export interface CheckReply {
  id: number;
  error?: PlainError;
}

const port = parentPort!;
let last = Promise.resolve();

// One after the other: who asked first waits least.
port.on('message', ({ id, path, key }: CheckRequest) => {
  last = last
    .then(() => checkData(path, key))
    .then(
      () => port.postMessage({ id } satisfies CheckReply),
      (error: unknown) => port.postMessage({ id, error: plainError(error) } satisfies CheckReply),
    );
});
