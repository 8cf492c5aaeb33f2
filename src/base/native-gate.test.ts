import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { NativeGate, throughNativeGate } from './native-gate.js';

it('a thread whose gate is closed makes no call any more, and can be ended at any moment', async () => {
  for (let delayMs = 0; delayMs < 60; delayMs += 4) {
    const counter = new Int32Array(new SharedArrayBuffer(4));
    const gate = NativeGate.ofNextThread();
    const worker = new Worker(new URL('./native-gate.fixture.js', import.meta.url), { workerData: counter });
    await sleep(delayMs);
    await gate.close();
    const counted = Atomics.load(counter, 0);
    await sleep(2);
    assert.equal(Atomics.load(counter, 0), counted);
    await worker.terminate();
  }
  // One that has time enough does make calls.
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const gate = NativeGate.ofNextThread();
  const worker = new Worker(new URL('./native-gate.fixture.js', import.meta.url), { workerData: counter });
  while (Atomics.load(counter, 0) === 0) await sleep(1);
  await gate.close();
  await worker.terminate();
});

for (const way of ['exit', 'nothing left to do', 'an exception']) {
  it(`a process that ends by ${way} waits for the native call of a thread`, async () => {
    const program = fileURLToPath(new URL('./native-gate-exit.fixture.js', import.meta.url));
    const child = spawn(process.execPath, [program, way], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    const [status] = await once(child, 'close');
    assert.deepEqual(
      { said, status },
      { said: 'the call has ended\n', status: way === 'an exception' ? 1 : 0 },
    );
  });
}

it('the main thread needs no gate', () => {
  assert.equal(
    throughNativeGate(() => 7),
    7,
  );
});
