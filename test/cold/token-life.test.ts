import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withTrial } from '../cli/trial.js';
import { needs } from '../peers.js';
import { FaultyProxy } from '../services/faulty-proxy.js';
import { openStackPeers, startOpenStack } from '../services/openstack.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';

const tokenLifeSeconds = 3;
/** Keystone rounds the end of a token down to a whole second. */
const shortestLifeSeconds = tokenLifeSeconds - 1;
/** How much longer than usual each volume takes on its way. */
const delayMs = 600;
const volumes = 3;
const thawSeconds = 4;

test('a backup and a restore go on when their tokens end', async (t) => {
  if (!needs(t, ...openStackPeers)) return;
  const services = await startOpenStack({ tokenLifeSeconds });
  const proxy = await FaultyProxy.start(services);
  t.after(async () => {
    proxy.stop();
    await services.stop();
  });
  proxy.plan = ({ method, target }) =>
    target === 'object' && (method === 'PUT' || method === 'GET') ? { kind: 'slow', ms: delayMs } : undefined;

  await withTrial('passphrase', async (trial) => {
    const env = Object.entries(proxy.environment(3));
    const variables = (prefix: string) =>
      env.map(([name, value]) => ({ name: name.replace(/^SWIFT_/, prefix), value }));
    const stores = [
      { url: 'pca://cold', env: variables('PCA_'), prefixes: ['cold_'] },
      { url: 'swift://hot', env: variables('SWIFT_'), prefixes: ['hot_'] },
    ];
    writeFileSync(trial.path('config.json'), JSON.stringify(stores));
    const url = `multi://${trial.path('config.json')}?mode=mirror&onfail=abort`;
    const prefixes = ['--file-prefix-manifest', 'hot_', '--file-prefix-signature', 'hot_'];
    await services.pca.rules('cold', { thawSeconds, unsealedSeconds: 600 });

    /** Runs a command that takes longer than a token lives. */
    const outlive = async (...args: string[]) => {
      const [requests, startMs] = [services.tokenRequests(), Date.now()];
      const all = [...prefixes, '--file-prefix-archive', 'cold_', '--volsize', '1', ...args];
      const { told } = await trial.run(all);
      const elapsedSeconds = (Date.now() - startMs) / 1000;
      const tokens = services.tokenRequests() - requests;
      assert.doesNotMatch(told, /token|again|attempt|failed|authori[sz]/i, 'nobody need know of it');
      assert.ok(tokens >= 2, `${args[0]}: a token has ended within the run`);
      assert.ok(
        tokens <= 1 + elapsedSeconds / shortestLifeSeconds,
        `${args[0]}: ${tokens} tokens in ${elapsedSeconds} s`,
      );
    };
    const write = (name: string, sizeMb: number) =>
      writeFileSync(join(trial.source, name), randomBytes(name, sizeMb << 20));
    write('one', volumes);
    await outlive('full', trial.source, url);
    write('two', volumes);
    await outlive('incremental', trial.source, url);
    const target = trial.newTarget();
    await outlive('restore', url, target);
    assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
  });
  assert.deepEqual(proxy.troubles, []);
});
