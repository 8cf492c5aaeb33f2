/** A file of 3 GB, nearly all holes, that changes between a full and an incremental set: both ways, with gzip. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needs } from '../peers.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { evolve } from '../trees/evolve.js';
import { oddTree } from '../trees/odd-tree.js';
import { otherTool, sealingOf, type Tool, Workshop } from './programs.js';

describe('interop, a sparse file of 3 GB', () => {
  for (const writer of ['tundra', 'duplicity'] as const) {
    it(`written by ${writer}`, async (t) => {
      if (!needs(t, 'duplicity')) return;
      const workshop = new Workshop();
      try {
        await check(workshop, writer);
      } finally {
        workshop.dispose();
      }
    });
  }
});

async function check(workshop: Workshop, writer: Tool): Promise<void> {
  const reader = otherTool[writer];
  const sealing = sealingOf('gzip', workshop);
  const source = workshop.path('source');
  const target = workshop.path('target');
  const url = `file://${workshop.path('store')}`;
  const common = ['--archive-dir', workshop.path('archive'), '--name', 'sparse'];

  await oddTree(source, { root: process.geteuid?.() === 0, sparse: true });
  await workshop.run(writer, sealing, [...common, '--current-time', '1700000000', 'full', source, url]);
  evolve(source, 1);
  await workshop.run(writer, sealing, [
    ...common,
    '--current-time',
    '1700001000',
    'incremental',
    source,
    url,
  ]);

  const verified = await workshop.run(reader, sealing, [...common, 'verify', '--compare-data', url, source]);
  assert.match(verified.stdout, /, 0 differences found/);
  await workshop.run(reader, sealing, [...common, 'restore', url, target]);
  assert.deepEqual(compareTrees(describeTree(source), describeTree(target)), [], `restored by ${reader}`);
}
