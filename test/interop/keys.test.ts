/** Volumes to public keys that are large enough for tundra to decrypt them by itself: duplicity's, and its own. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { needs } from '../peers.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { type Sealing, type Tool, Workshop } from './programs.js';

const passphrase = 'a passphrase with spaces & signs';

describe('interop, large volumes to public keys', () => {
  for (const option of ['--encrypt-key', '--hidden-encrypt-key']) {
    it(option, async (t) => {
      if (!needs(t, 'duplicity', 'gpg')) return;
      const workshop = new Workshop();
      try {
        const options = [option, workshop.makeKey('encrypt', passphrase)];
        const sealing = { name: option, options, environment: { PASSPHRASE: passphrase } };
        for (const writer of ['duplicity', 'tundra'] as const) await check(workshop, sealing, writer);
      } finally {
        workshop.dispose();
      }
    });
  }
});

async function check(workshop: Workshop, sealing: Sealing, writer: Tool): Promise<void> {
  const place = (name: string) => workshop.path(`${writer}-${name}`);
  const source = place('source');
  const url = `file://${place('store')}`;
  const run = (tool: Tool, archive: string, ...args: string[]) =>
    workshop.run(tool, sealing, ['--archive-dir', place(archive), '--volsize', '2', ...args]);

  mkdirSync(source);
  for (let i = 0; i < 5; i++) writeFileSync(`${source}/noise-${i}`, randomBytes(1_000_000));
  writeFileSync(`${source}/text`, 'a line of text\n'.repeat(100_000));
  await run(writer, 'archive', '--current-time', '1700000000', 'full', source, url);
  writeFileSync(`${source}/noise-3`, randomBytes(3_000_000));
  // Of two changes within a second duplicity sees one.
  utimesSync(`${source}/noise-3`, 1_700_000_500, 1_700_000_500);
  await run(writer, 'archive', '--current-time', '1700001000', 'incremental', source, url);
  const state = describeTree(source);

  if (writer === 'tundra') {
    const byDuplicity = place('by-duplicity');
    await run('duplicity', 'new-archive', 'restore', url, byDuplicity);
    assert.deepEqual(compareTrees(state, describeTree(byDuplicity)), []);
  }

  const notes = place('notes');
  const gpg = place('gpg');
  writeFileSync(gpg, `#!/bin/sh\necho "$*" >>'${notes}'\nexec gpg "$@"\n`, { mode: 0o755 });
  for (const args of [[], ['--path-to-restore', 'noise-3']]) {
    const target = place(`by-tundra-${args.length}`);
    await run('tundra', 'other-archive', '--gpg-binary', gpg, 'restore', ...args, url, target);
    if (args.length === 0) assert.deepEqual(compareTrees(state, describeTree(target)), []);
    else assert.ok(readFileSync(target).equals(readFileSync(`${source}/noise-3`)));
    const runs = readFileSync(notes, 'utf8').trim().split('\n');
    rmSync(notes);
    assert.ok(runs.some((run) => run.includes('--show-session-key')));
  }
  const verified = await run('tundra', 'other-archive', 'verify', '--compare-data', url, source);
  assert.match(verified.stdout, /, 0 differences found/);
}
