/** Reads a walk as a backup does: in a thread of its own, which blocks while there is nothing to read. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../base/errors.js';
import type { Latin1 } from '../base/path-key.js';
import { Owners } from '../source/owners.js';
import { WalkReader } from './walk-ahead.js';

export interface WalkReaderInput {
  root: Latin1;
  port: MessagePort;
  gate: SharedArrayBuffer;
  /** Entries to read; then it stops. */
  limit: number;
}

export interface WalkReaderResult {
  keys: string[];
  /** What was told of paths that were left out, in order. */
  warnings: string[];
  errors: number;
  failure: string | undefined;
}

if (parentPort !== null) {
  const { root, port, gate, limit } = workerData as WalkReaderInput;
  const result: WalkReaderResult = { keys: [], warnings: [], errors: 0, failure: undefined };
  try {
    const entries = new WalkReader(root, { port, gate }, new Owners(), (events, errors) => {
      result.errors += errors;
      for (const event of events) if ('text' in event) result.warnings.push(event.text);
    });
    for (const { key } of entries) {
      result.keys.push(key);
      if (result.keys.length === limit) break;
    }
  } catch (error) {
    result.failure = messageOf(error);
  }
  parentPort.postMessage(result);
}
