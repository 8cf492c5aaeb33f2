/** A thread that makes native calls until it is ended, and counts them. */
import { workerData } from 'node:worker_threads';
import { throughNativeGate } from './native-gate.js';
import { xattrCalls } from './xattrs.js';

const counter = workerData as Int32Array;
for (;;) {
  xattrCalls()?.names('/');
  throughNativeGate(() => Atomics.add(counter, 0, 1));
}
