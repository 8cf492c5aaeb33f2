/** Removing backups: the very files that the peer removes, and its words. */
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Outcome, runProgram } from '../interop/programs.js';
import { needs } from '../peers.js';
import { removeTree } from '../trees/writer.js';
import { namesIn, type Trial, withTrial } from './trial.js';

const hour = 3600;
const startSeconds = 1_700_000_000;
/** The chains, by the hours of their sets; what is left of a set, and a set that builds on nothing. */
const chains = [
  [0, 1, 2],
  [10, 11],
  [20, 21, 22],
];
const now = startSeconds + 30 * hour;

async function backUp(trial: Trial): Promise<void> {
  for (const hours of chains) {
    for (const [index, at] of hours.entries()) {
      writeFileSync(join(trial.source, `file ${at}`), `hour ${at}`);
      const time = String(startSeconds + at * hour);
      await trial.run([
        index === 0 ? 'full' : 'incremental',
        '--current-time',
        time,
        trial.source,
        trial.url,
      ]);
    }
  }
  const stray = namesIn(trial.store).find((name) =>
    /^duplicity-inc.*\.to\..*vol1\.difftar$/.test(name),
  ) as string;
  for (const name of [
    'duplicity-full.20230101T000000Z.vol3.difftar',
    'duplicity-new-signatures.20230102T000000Z.to.20230103T000000Z.sigtar',
  ])
    cpSync(join(trial.store, stray), join(trial.store, name));
  const manifest = namesIn(trial.store).find((name) => /^duplicity-inc.*manifest$/.test(name)) as string;
  const orphan = 'duplicity-inc.20230102T000000Z.to.20230103T000000Z';
  cpSync(join(trial.store, manifest), join(trial.store, `${orphan}.manifest`));
  cpSync(join(trial.store, stray), join(trial.store, `${orphan}.vol1.difftar`));
}

const at = (hours: number) => String(startSeconds + hours * hour);
const commands: string[][] = [
  ['cleanup'],
  ['cleanup', '--force', '--dry-run'],
  ['cleanup', '--force'],
  ['remove-older-than', at(15)],
  ['remove-older-than', at(15), '--force', '--dry-run'],
  ['remove-older-than', at(15), '--force'],
  ['remove-older-than', at(2.5), '--force'],
  ['remove-older-than', at(1.5), '--force'],
  ['remove-older-than', at(29), '--force'],
  ['remove-all-but-n-full', '1', '--force'],
  ['remove-all-but-n-full', '2', '--force'],
  ['remove-all-but-n-full', '2'],
  ['remove-all-but-n-full', '3', '--force'],
  ['remove-all-but-n-full', '7', '--force'],
  ['remove-all-inc-of-but-n-full', '1', '--force'],
  ['remove-all-inc-of-but-n-full', '2', '--force'],
  ['remove-all-inc-of-but-n-full', '1'],
  ['remove-all-inc-of-but-n-full', '4', '--force'],
];

function replace(from: string, to: string): void {
  removeTree(to);
  cpSync(from, to, { recursive: true });
}

/** What a run says of what it removes and keeps. */
function words(text: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const from = lines.findIndex((line) =>
    /^(?:Found |Deleting|No |There are backup set\(s\) at|Current active)/.test(line),
  );
  // The peer then says once more what it thinks of what is left.
  const end = lines.findIndex((line, index) => index > from && line.startsWith('Warning, '));
  return from < 0 ? [] : lines.slice(from, end < 0 ? undefined : end).sort();
}

function allWords({ stdout, stderr }: Outcome): string[] {
  return [...words(stdout), ...words(stderr)].sort();
}

describe('removal', () => {
  it('removes what the peer removes, and says so in its words', async (t) => {
    if (!needs(t, 'duplicity')) return;
    await withTrial('plain', async (trial) => {
      await backUp(trial);
      const stored = trial.path('stored');
      const kept = trial.path('kept');
      cpSync(trial.store, stored, { recursive: true });
      cpSync(trial.archive, kept, { recursive: true });
      for (const command of commands) {
        const [name, ...rest] = command as [string, ...string[]];
        const [store, archive] = [trial.path('peer-store'), trial.path('peer-archive')];
        for (const [from, to] of [
          [stored, trial.store],
          [kept, trial.archive],
          [stored, store],
          [kept, archive],
        ] as const)
          replace(from, to);
        const args = [name, ...rest, '--current-time', String(now)];
        const ours = await trial.run([...args, trial.url]);
        const peer = await runProgram(
          'duplicity',
          [...args, ...['--no-encryption', '--archive-dir', archive, '--name', 'trial', `file://${store}`]],
          { PATH: process.env.PATH, HOME: trial.home, TZ: 'UTC', LC_ALL: 'C.UTF-8', TMPDIR: trial.temp },
        );
        const what = command.join(' ');
        assert.equal(peer.status, 0, peer.stdout + peer.stderr);
        // The peer also removes the stored signatures of the chain in use, where that is old: it would need them again.
        const active = namesIn(stored).filter((file) => /-signatures\..*20231115T(?:18|19|20)/.test(file));
        assert.equal(active.length, 3);
        const others = (folder: string) => namesIn(folder).filter((file) => !active.includes(file));
        assert.deepEqual(others(trial.store), others(store), what);
        for (const file of active) assert.ok(namesIn(trial.store).includes(file), `${what}: ${file}`);
        const ownFiles = /^tundra-|^lockfile/;
        const local = (folder: string) =>
          namesIn(join(folder, 'trial')).filter((file) => !ownFiles.test(file));
        assert.deepEqual(local(trial.archive), local(archive), what);
        const fault = 'Deleting complete signature chain Wed Nov 15 20:13:20 2023';
        assert.deepEqual(
          allWords(ours),
          allWords(peer).filter((line) => line !== fault),
          what,
        );
      }
    });
  });

  it('leaves the newest chain alone, also where all signatures are lost', () =>
    withTrial('plain', async (trial) => {
      await backUp(trial);
      for (const folder of [trial.store, join(trial.archive, 'trial')]) {
        for (const name of namesIn(folder)) if (name.includes('sigtar')) removeTree(join(folder, name));
      }
      const newest = namesIn(trial.store).filter((name) => /\.20231115T(?:18|19|20)/.test(name));
      const { told } = await trial.run([
        ...['remove-older-than', at(29), '--force', '--current-time', String(now)],
        trial.url,
      ]);
      assert.match(told, /^Current active backup chain is older/m);
      assert.deepEqual(newest.length, 6);
      for (const name of newest) assert.ok(namesIn(trial.store).includes(name), name);
      assert.ok(!namesIn(trial.store).some((name) => name.startsWith('duplicity-full.20231115T08')));
    }));
});
