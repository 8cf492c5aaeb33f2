import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { smallTree } from '../cli/small-tree.js';
import { type Trial, withTrial } from '../cli/trial.js';

const prefixes = ['--file-prefix-manifest', 'hot_', '--file-prefix-signature', 'hot_'];

/** A backup whose volumes lie in a folder that takes so many seconds to thaw them. Gives its address. */
async function coldBackup(trial: Trial, thawSeconds: number): Promise<string> {
  const stores = [
    { url: `cold+file://${trial.path('cold')}?thaw=${thawSeconds}`, prefixes: ['cold_'] },
    { url: `file://${trial.path('hot')}`, prefixes: ['hot_'] },
  ];
  writeFileSync(trial.path('config.json'), JSON.stringify(stores));
  const url = `multi://${trial.path('config.json')}?mode=mirror&onfail=abort`;
  smallTree(trial.source);
  await trial.run([...prefixes, '--file-prefix-archive', 'cold_', 'full', trial.source, url]);
  return url;
}

test('a path that is not in the backup is an error, not a plan of nothing', async () => {
  await withTrial('plain', async (trial) => {
    const url = await coldBackup(trial, 600);
    const options = [...prefixes, '--file-prefix-archive', 'cold_', '--path-to-restore'];
    const target = trial.newTarget();
    for (const command of [
      ['plan', url],
      ['thaw', url],
      ['restore', '--dry-run', url, target],
    ]) {
      const { stdout, told } = await trial.run([...options, 'sub/x', ...command], { status: 19 });
      assert.match(told, /^sub\/x not found in archive\./m);
      assert.doesNotMatch(stdout, /Volumes needed|Required volumes/);
    }
    const { stdout } = await trial.run([...options, 'sub/b', 'plan', url]);
    assert.match(stdout, /^Volumes needed: 1 /m);
  });
});

test('how long a thaw was seen to take is told of what was not asked for alone', async () => {
  await withTrial('plain', async (trial) => {
    const url = await coldBackup(trial, 600);
    const options = [...prefixes, '--file-prefix-archive', 'cold_'];
    assert.match((await trial.run([...options, 'plan', url])).stdout, /^Expected wait for cold\+file: /m);
    const asked = await trial.run([...options, 'thaw', url], { status: 75 });
    assert.match(asked.stdout, /^On their way: ready at /m);
    assert.doesNotMatch(asked.stdout, /Expected wait/);
    const again = await trial.run([...options, '--json', 'thaw', url], { status: 75 });
    assert.deepEqual(JSON.parse(again.stdout).expectedWaits, []);
  });
});

test('a restore that waits says so in a log at once', async () => {
  await withTrial('plain', async (trial) => {
    const url = await coldBackup(trial, 600);
    const args = [...prefixes, '--file-prefix-archive', 'cold_', 'restore', url, trial.newTarget()];
    const { child, ended } = trial.start(args);
    let log = '';
    child.stdout?.on('data', (text: string) => {
      log += text;
    });
    const endMs = Date.now() + 30_000;
    while (!log.includes('Cold storage: ') && Date.now() < endMs) await sleep(20);
    child.kill('SIGTERM');
    await ended;
    trial.acceptLeftovers();
    assert.match(log, /^Cold storage: 1 volume thawing .*, the last ready in /m);
  });
});
