import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { fuzz } from './driver.js';

suite('the fuzzing itself', () => {
  const defects: [kind: number, what: RegExp][] = [
    [2, /^an error that is no TundraError: not as it should be$/],
    [3, /^a hang$/],
    [4, /^a promise that never settles$/],
    [5, /^too much memory$/],
    [6, /^an unhandled rejection: nobody waits$/],
    [7, /^the process died/],
    [8, /^an uncaught exception: out of nowhere$/],
  ];
  for (const [kind, what] of defects) {
    test(`finds what kind ${kind} of defect does, with its input`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'tundra-fuzz-test-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const path = join(folder, 'input');
      writeFileSync(path, Buffer.of(kind));
      const { findings, cases } = await fuzz({
        target: 'faulty',
        seed: 1,
        cases: 3,
        replay: [path],
        caseLimitMs: 1500,
      });
      assert.ok(findings.length > 0);
      for (const finding of findings) {
        assert.match(finding.what, what);
        assert.deepEqual(finding.input, Buffer.of(kind));
      }
      assert.equal(cases, 3, 'it goes on behind it');
    });
  }

  test('takes a TundraError for an answer', async () => {
    const { findings, cases, outcomes } = await fuzz({ target: 'faulty', seed: 1, cases: 10 });
    assert.deepEqual([findings, cases], [[], 10]);
    assert.ok(outcomes >= 2);
  });
});
