/** A process that ends in the way it is told to, while a thread of it is in a native call. */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { NativeGate, throughNativeGate } from './native-gate.js';

const pauseMs = 300;

if (isMainThread) {
  NativeGate.ofNextThread();
  const worker = new Worker(new URL(import.meta.url));
  await once(worker, 'message');
  worker.unref();
  if (process.argv[2] === 'exit') process.exit();
  if (process.argv[2] === 'an exception') throw new Error('as is wanted');
} else {
  throughNativeGate(() => {
    parentPort?.postMessage('inside');
    const end = Date.now() + pauseMs;
    while (Date.now() < end);
    writeSync(1, 'the call has ended\n');
  });
  // It is not let in again.
  throughNativeGate(() => writeSync(1, 'one more\n'));
}
