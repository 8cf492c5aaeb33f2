import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRun, noFindings } from '../findings.js';
import { renderChart } from './chart.js';
import { charts } from './charts.js';
import { markdownParts, replaceParts } from './markdown.js';
import { comparisonTable, resultTables } from './tables.js';

function sample() {
  const findings = noFindings({ processor: 'a < b' });
  for (const [tool, seconds] of [
    ['tundra', 1],
    ['tundra', 3],
    ['duplicity', 20],
  ] as const) {
    addRun(findings, 'full', tool, { seconds, cpuSeconds: seconds, peakMb: 90, storedMb: 10 });
  }
  return findings;
}

test('a cell tells the median, the ratio and the spread', () => {
  const [seconds, , stored] = resultTables(sample());
  assert.deepEqual(seconds!.table, [
    ['', 'tundra', 'duplicity'],
    ['full, passphrase', '2.00 (10x) [1.00-3.00]', '20.0'],
  ]);
  assert.deepEqual(stored!.table[1], ['full, passphrase', '10.0', '10.0']);
});

test('a comparison tells how many times as fast tundra is', () => {
  const rows = [{ what: 'delta', speeds: [[100, 300, 200], [50], []] }];
  const table = comparisonTable({ work: 'kernels', title: '', contenders: ['tundra', 'rdiff', 'x'], rows });
  assert.deepEqual(table[1], ['delta', '200 [100-300]', '50 (4.0x) [50-50]', '-']);
});

test('only the parts of a document that were measured are replaced', () => {
  const document =
    'prose\n<!-- bench: facts -->\nold\n<!-- end -->\n<!-- bench: swift -->\nkept\n<!-- end -->\nmore\n';
  const replaced = replaceParts(document, new Map([['facts', 'new']]));
  assert.equal(replaced, document.replace('old', '\nnew\n'));
  assert.equal(replaceParts(replaced, new Map([['facts', 'new']])), replaced);
  assert.throws(() => replaceParts('prose', new Map([['facts', 'new']])), /no place for facts/);
  assert.deepEqual([...markdownParts(sample()).keys()], ['facts', 'bars', 'results']);
});

test('a chart has a title, a description, and bars to one scale for each work', () => {
  const drawn = charts(sample());
  assert.deepEqual([...drawn.keys()], ['time.svg', 'stored.svg', 'memory.svg']);
  const { svg } = drawn.get('time.svg')!;
  assert.match(svg, /<desc id="description">full, passphrase: tundra 2.00 s, 10x; duplicity 20.0 s\./);
  assert.match(svg, /prefers-color-scheme: dark/);
  const [own, other] = [...svg.matchAll(/<rect class="(?:own|bar)"[^>]* width="([\d.]+)"/g)].map(
    ([, width]) => Number(width),
  );
  assert.equal(other! / own!, 10);
});

test('names cannot break a chart', () => {
  const bars = [{ name: 'a & b', value: 0, label: '<0>', isOwn: true }];
  const svg = renderChart({ title: 't', description: 'd', groups: [{ title: 'g', bars }] });
  assert.match(svg, />a &amp; b<.*\n.*\n.*>&lt;0&gt;</);
  assert.doesNotMatch(svg, /NaN|Infinity/);
});
