import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../test/peers.js';

const command = fileURLToPath(new URL('./main.js', import.meta.url));
const document = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

test('the benchmark measures a small tree, and writes figures, document and charts', (t) => {
  if (!needs(t, 'tar')) return;
  const folder = mkdtempSync(join(tmpdir(), 'tundra-bench-test-'));
  try {
    const [json, markdown] = [join(folder, 'found.json'), join(folder, 'performance.md')];
    writeFileSync(markdown, readFileSync(document));
    const args = ['full', 'restore', '--tools', 'tundra,tar', '--size-mb', '3', '--files', '200'];
    const outputs = ['--work', join(folder, 'work'), '--json', json, '--markdown', markdown];
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args, ...outputs], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^restore .*\d\.\d\d/m);
    const { results } = JSON.parse(readFileSync(json, 'utf8')) as {
      results: { work: string; tool: string }[];
    };
    assert.deepEqual(
      results.map(({ work, tool }) => `${work} ${tool}`),
      ['full tundra', 'restore tundra', 'restore tar'],
    );
    const written = readFileSync(markdown, 'utf8');
    assert.match(written, /^\| restore +\| at most 1.5 times the time of tar \|.*smaller data \|$/m);
    assert.match(written, /!\[Time: less is better.*\]\(performance\/time.svg\)/);
    assert.deepEqual(readdirSync(join(folder, 'performance')), ['memory.svg', 'stored.svg', 'time.svg']);
    assert.deepEqual(readdirSync(join(folder, 'work')), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
