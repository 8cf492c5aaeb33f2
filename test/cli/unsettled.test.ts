/** A run that waits for what never comes is no success. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../app/main.js', import.meta.url));

test('a run that never ends, and waits for nothing that could end it, is told and is a failure', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-unsettled-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const hook = join(folder, 'hook.cjs');
  const runWith = (run: string) => {
    writeFileSync(
      hook,
      `const Module = require('node:module');
      const load = Module._load;
      Module._load = function (request, ...rest) {
        return request === './run.js' ? { run: ${run} } : load.call(this, request, ...rest);
      };`,
    );
    const { status, stderr } = spawnSync(process.execPath, ['--require', hook, main, 'status'], {
      encoding: 'utf8',
    });
    return { status, stderr };
  };
  const { status, stderr } = runWith('() => new Promise(() => {})');
  assert.equal(status, 30);
  assert.match(stderr, /ended before its work was done/);
  assert.deepEqual(runWith('async () => 0'), { status: 0, stderr: '' });
  assert.deepEqual(runWith('async () => 75'), { status: 75, stderr: '' });
});
