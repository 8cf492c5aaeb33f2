/** Against a real Swift with a stand-in for Public Cloud Archive: what is asked for and read there, by its own account. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Trial, withTrial } from '../cli/trial.js';
import { openStack } from '../services/openstack.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { prefixOptions } from './cold-trial.js';

function writeSource(trial: Trial, step: number): void {
  const tree = new TreeWriter(trial.source, 1_600_000_000 + step);
  const names = ['a', 'b', 'c', 'd'];
  if (step === 0) for (const name of names) tree.file(name, randomBytes(name, 900_000));
  else tree.file('b', randomBytes(`b ${step}`, 900_000));
  tree.finish();
}

const env = (variables: Record<string, string>) =>
  Object.entries(variables).map(([name, value]) => ({ name, value }));

test('only a restore asks for volumes in the archive, and for each once', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return;
  const mark = `${Date.now()}-${process.pid}`;
  const cold = `cold-${mark}`;
  await services.pca.rules(cold, { thawSeconds: { from: 0.2, to: 2 }, unsealedSeconds: 3600 });
  await withTrial('gzip', async (trial) => {
    const stores = [
      { url: `pca://${cold}`, env: env(services.environment('PCA', 3)), prefixes: ['cold_'] },
      { url: `swift://hot-${mark}`, env: env(services.environment('SWIFT', 3)), prefixes: ['hot_', 'sig_'] },
    ];
    writeFileSync(trial.path('config.json'), JSON.stringify(stores));
    const url = `multi://${trial.path('config.json')}?mode=mirror&onfail=abort`;
    const run = (...args: string[]) => trial.run([...prefixOptions, '--volsize', '1', ...args]);
    const untouched = async (what: string) => {
      assert.deepEqual(await services.pca.gets(cold), [], what);
      const objects = services
        .requests(cold)
        .filter(({ method, path }) => method === 'GET' && path.split('/').length > 4);
      assert.deepEqual(objects, [], what);
    };
    writeSource(trial, 0);
    await run('full', trial.source, url);
    await untouched('full');
    writeSource(trial, 1);
    await run('incremental', trial.source, url);
    await untouched('incremental');
    for (const command of ['collection-status', 'list-current-files', 'plan']) {
      await run('--name', 'new', command, url);
      await untouched(command);
    }
    await run('verify', url, trial.source);
    await untouched('verify');

    const target = trial.newTarget();
    await run('restore', url, target);
    assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    const gets = await services.pca.gets(cold);
    const names = [...new Set(gets.map(({ object }) => object))].sort();
    assert.ok(names.length > 4);
    const refused = gets.filter(({ status }) => status === 429);
    assert.ok(
      refused.every(({ started }) => started),
      'asked for what was on its way',
    );
    assert.deepEqual(refused.map(({ object }) => object).sort(), names);
    const read = gets.filter(({ status }) => status === 200);
    assert.deepEqual(read.map(({ object }) => object).sort(), names);
  });
});
