import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fuzz } from './driver.js';
import { targetNames } from './targets/index.js';

const corpus = fileURLToPath(new URL('../../../test/fuzz/corpus/', import.meta.url));

/** Mutated inputs of each target: enough to see that it still runs. */
const usualCases = 150;
/** Targets whose single inputs take long. */
const casesOf: Readonly<Record<string, number>> = { bombs: 0, swift: 60 };

suite('parsers of bytes from outside', () => {
  for (const target of targetNames) {
    const folder = `${corpus}${target}`;
    const found = existsSync(folder) ? readdirSync(folder).sort() : [];
    test(`${target}: mutated inputs, and ${found.length} that found something once`, async () => {
      const replay = found.map((name) => `${folder}/${name}`);
      const cases = casesOf[target] ?? usualCases;
      const report = await fuzz({ target, seed: 1, cases, replay });
      const findings = report.findings.map(
        ({ what, stack, input }) => `${what} ${stack} ${input.toString('base64')}`,
      );
      assert.deepEqual(findings, []);
      assert.equal(report.cases, cases);
    });
  }

  test('every folder of the corpus is of a target', () => {
    const folders = existsSync(corpus) ? readdirSync(corpus) : [];
    assert.deepEqual(
      folders.filter((name) => !targetNames.includes(name)),
      [],
    );
  });
});
