import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ShareProgress } from './share-progress.js';

/** A thread that waits, as the first of three shares, for the others, and tells what it has found of them then. */
function waitingThread(t: TestContext, progress: ShareProgress): Worker {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ ShareProgress }) => {
      const progress = new ShareProgress(workerData.memory);
      parentPort.postMessage('waits');
      let outcome = 'went on';
      try { progress.waitForLater(0); } catch (error) { outcome = error.code; }
      parentPort.postMessage([outcome, ...new Int32Array(workerData.memory)]);
    });`;
  const module = new URL('./share-progress.js', import.meta.url).href;
  const worker = new Worker(code, { eval: true, workerData: { module, memory: progress.memory } });
  t.after(() => worker.terminate());
  return worker;
}

describe('ShareProgress', () => {
  it('blocks a thread until all later shares are finished', async (t) => {
    const progress = new ShareProgress(3);
    const worker = waitingThread(t, progress);
    assert.deepEqual(await once(worker, 'message'), ['waits']);
    progress.finish(2);
    progress.finish(1);
    assert.deepEqual(await once(worker, 'message'), [['went on', 0, 1, 1]]);
  });

  it('wakes a thread that waits when the run is given up', async (t) => {
    const progress = new ShareProgress(3);
    const worker = waitingThread(t, progress);
    assert.deepEqual(await once(worker, 'message'), ['waits']);
    progress.finish(1);
    progress.giveUp();
    const [[outcome]] = await once(worker, 'message');
    assert.equal(outcome, 'generic');
  });

  it('waits for no earlier share', () => {
    const progress = new ShareProgress(3);
    progress.waitForLater(2);
    progress.finish(2);
    progress.waitForLater(1);
  });

  it('gives up only what is not finished, and that for good', () => {
    const progress = new ShareProgress(2);
    progress.requireWanted(0);
    progress.finish(1);
    progress.giveUp();
    progress.waitForLater(0);
    progress.requireWanted(1);
    const seen = new ShareProgress(progress.memory);
    assert.throws(() => seen.requireWanted(0), { code: 'generic' });
    progress.finish(0);
    assert.throws(() => seen.requireWanted(0), { code: 'generic' });
  });
});
