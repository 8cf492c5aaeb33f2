import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from './bars.js';
import { addRun, type Findings, mergeFindings, noFindings, runsOf } from './findings.js';
import type { WorkName } from './works.js';

function findingsOf(runs: [WorkName, string, seconds: number, storedMb?: number][]): Findings {
  const findings = noFindings({ processor: 'one', date: '2024-05-17' });
  for (const [work, tool, seconds, storedMb] of runs) {
    const measured = { seconds, cpuSeconds: 1, peakMb: 100 };
    addRun(findings, work, tool, storedMb === undefined ? measured : { ...measured, storedMb });
  }
  return findings;
}

const verdicts = (findings: Findings) => judge(findings).map(({ bar, verdict }) => `${bar}: ${verdict}`);

test('bars are judged by medians of the same run', () => {
  const findings = findingsOf([
    ['full', 'tundra', 1, 102],
    ['full', 'tundra', 9, 102],
    ['full', 'tundra', 2, 102],
    ['full', 'duplicity', 16, 100],
    ['full', 'restic', 2],
  ]);
  assert.deepEqual(verdicts(findings), [
    '8 times duplicity: PASS',
    'faster than restic: short',
    'stores at most 1.02 of duplicity: PASS',
    'under 250 MB: PASS',
  ]);
});

test('a bar whose peer did not run is told, and smaller data pass none', () => {
  const findings = findingsOf([['list', 'tundra', 1]]);
  assert.equal(verdicts(findings)[0], '10 times duplicity: not measured');
  const reduced = findingsOf([
    ['list', 'tundra', 1],
    ['list', 'duplicity', 20],
  ]);
  reduced.reduced.push('list');
  assert.deepEqual(verdicts(reduced), ['10 times duplicity: smaller data', 'under 250 MB: smaller data']);
});

test('floors, milliseconds and cases have bars of their own', () => {
  const findings = findingsOf([
    ['restore', 'tundra', 1.6],
    ['restore', 'tar', 1],
    ['start', 'tundra', 0.12],
  ]);
  findings.peaks.push({
    ...{ work: 'memory', case: 'files', operation: 'full', runs: 1, seconds: 1 },
    ...{ peakMb: 300, barMb: 300 },
  });
  assert.ok(verdicts(findings).includes('at most 1.5 times the time of tar: short'));
  assert.ok(verdicts(findings).includes('at most 120 ms: PASS'));
  assert.equal(verdicts(findings).at(-1), 'under 300 MB: short');
});

test('an earlier run adds the works that the later one has not', () => {
  const later = findingsOf([['full', 'tundra', 1]]);
  const earlier = findingsOf([
    ['full', 'duplicity', 9],
    ['list', 'tundra', 2],
  ]);
  earlier.machine.date = '2024-05-01';
  const merged = mergeFindings(later, earlier);
  assert.equal(merged.machine.date, '2024-05-01 to 2024-05-17');
  assert.deepEqual(runsOf(merged, 'full', 'duplicity'), []);
  assert.equal(runsOf(merged, 'list', 'tundra').length, 1);
  assert.throws(
    () => mergeFindings(later, { ...earlier, machine: { processor: 'two' } }),
    /had processor two, this one has one/,
  );
});
