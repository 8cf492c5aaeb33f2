/** Signals: a run ends at once, cleans up, and says what follows. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { smallTree } from './small-tree.js';
import { type Running, type Trial, withTrial } from './trial.js';

/** Sends a signal once the run has told something, and checks how it ends. */
async function interrupt(
  trial: Trial,
  running: Running,
  signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP',
  when: Promise<unknown>,
) {
  await when;
  running.child.kill(signal);
  const outcome = await running.ended;
  const status = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
  trial.check([signal], outcome, status);
  assert.match(outcome.stderr, new RegExp(`^Interrupted by ${signal}\\. `, 'm'));
  return outcome;
}

function told(running: Running, text: string): Promise<void> {
  return new Promise((resolve) => {
    let all = '';
    running.child.stdout?.on('data', (piece: string) => {
      all += piece;
      if (all.includes(text)) resolve();
    });
  });
}

describe('a signal', () => {
  it('ends a backup while the storage is silent', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      let onPut = () => {};
      const sending = new Promise<void>((resolve) => {
        onPut = resolve;
      });
      const server = createServer((request, response) => {
        request.resume();
        // Nobody hears of what is put.
        if (request.method === 'PUT' && request.url?.includes('vol1')) onPut();
        else response.writeHead(request.url?.includes('vol') ? 404 : 204).end();
      });
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      try {
        const env = { SWIFT_PREAUTHURL: `http://127.0.0.1:${port}/v1/a`, SWIFT_PREAUTHTOKEN: 'token' };
        const running = trial.start(['full', trial.source, 'swift://c'], { env });
        const { stderr } = await interrupt(trial, running, 'SIGINT', sending);
        assert.match(stderr, /the next run goes on/);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    }));

  it('ends a restore that waits for a thaw; the same command goes on', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const url = `cold+file://${trial.path('cold')}?thaw=600`;
      await trial.run(['full', trial.source, url]);
      const target = trial.newTarget();
      const running = trial.start(['restore', url, target]);
      await interrupt(trial, running, 'SIGTERM', told(running, 'thawing'));
      // Had it kept a lock, this would fail.
      await trial.run(['collection-status', url]);
      const waiting = trial.start(['thaw', '--wait', url]);
      await interrupt(trial, waiting, 'SIGHUP', told(waiting, 'thawing'));
    }));

  it('ends the run without waiting when it is the second', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const url = `cold+file://${trial.path('cold')}?thaw=600`;
      await trial.run(['full', trial.source, url]);
      const running = trial.start(['thaw', '--wait', url]);
      await told(running, 'thawing');
      running.child.kill('SIGINT');
      const sentence = new Promise((resolve) => running.child.stderr?.once('data', resolve));
      await sentence;
      running.child.kill('SIGTERM');
      const outcome = await running.ended;
      assert.equal(outcome.status, 130);
      trial.acceptLeftovers();
    }));
});
