import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { startOfProcess } from './process-start.js';
import { isOfEndedRun, runMark, runMarkForm } from './run-mark.js';

test('a mark has its form and is the same all through a run', () => {
  assert.match(runMark(), new RegExp(`^${runMarkForm}$`));
  assert.equal(runMark(), runMark());
  assert.ok(!isOfEndedRun(runMark()));
});

test('a run has ended where its process is gone, or another one has its number', (t) => {
  const [host, pid, start] = runMark().split('.') as [string, string, string];
  const dead = spawnSync('true').pid;
  assert.ok(isOfEndedRun(`${host}.${dead}.${start}`));
  if (startOfProcess(process.pid) === undefined) return t.skip('needs Linux: the start of a process');
  assert.ok(isOfEndedRun(`${host}.${pid}.00000000`));
});

test('in doubt a run goes on', () => {
  const [host, pid] = runMark().split('.') as [string, string];
  const dead = spawnSync('true').pid;
  const unknown = 'da39a3ee';
  assert.ok(!isOfEndedRun(`00000000.${dead}.00000000`), 'another host');
  assert.ok(!isOfEndedRun(`${host}.${pid}.${unknown}`), 'made where the system does not tell of starts');
  for (const none of ['', host, `${host}.x.00000000`, `${host}.0.00000000`, `${host}.-1.00000000`])
    assert.ok(!isOfEndedRun(none), none);
});
