/** The worker thread of a CheckThread. */
import { answerCalls } from '../base/answer-calls.js';
import { checkData } from './library/message.js';
import type { SessionKey } from './library/session-keys.js';

export interface CheckRequest {
  path: string;
  key: SessionKey;
}

answerCalls(({ path, key }: CheckRequest) => checkData(path, key));
