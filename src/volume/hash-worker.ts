/** The worker thread of a HashThread. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { answerCalls } from '../base/answer-calls.js';

export interface HashRequest {
  path: string;
  algorithm: string;
}

const buffer = Buffer.allocUnsafeSlow(512 * 1024);

answerCalls(({ path, algorithm }: HashRequest) => {
  const hash = createHash(algorithm);
  const fd = openSync(path, 'r');
  try {
    for (let size = readSync(fd, buffer); size > 0; size = readSync(fd, buffer))
      hash.update(buffer.subarray(0, size));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
});
