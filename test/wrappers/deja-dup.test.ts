import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { changeSmallTree, smallTree } from '../cli/small-tree.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { type WrapperScene, withScene, wrapperPassphrase } from './wrapper-scene.js';

/** How a run ended, and the records of its machine log: first lines, and the lines below. */
interface LoggedRun {
  status: number | null;
  records: { head: string; lines: string[] }[];
}

/**
 * Runs `duplicity` as Déjà Dup does: these options behind its own, without a terminal, without its output, reading what it
 * says from a pipe.
 */
function run(scene: WrapperScene, args: string[], password: string | undefined): Promise<LoggedRun> {
  const always = [
    '--verbosity=9',
    '--timeout=120',
    `--archive-dir=${scene.path('tundra', 'home/.cache/deja-dup')}`,
    `--tempdir=${scene.path('tundra', 'temp')}`,
    '--num-retries=1',
    '--log-fd=4',
  ];
  const env = { ...scene.environment('tundra'), ...(password === undefined ? {} : { PASSPHRASE: password }) };
  const stdio = ['ignore', 'ignore', 'ignore', 'ignore', 'pipe'] as const;
  return new Promise((resolve, reject) => {
    const child = spawn('duplicity', [...args, ...always], { env, stdio: [...stdio], detached: true });
    let log = '';
    child.stdio[4]?.on('data', (bytes: Buffer) => {
      log += bytes.toString('latin1');
    });
    child.on('error', reject);
    child.on('close', (status) => {
      const records = log.split('\n\n').map((record) => {
        const [head = '', ...lines] = record.split('\n');
        return { head: head.trimEnd(), lines };
      });
      resolve({ status, records });
    });
  });
}

function heads({ records }: LoggedRun, pattern: RegExp): string[] {
  return records.map(({ head }) => head).filter((head) => pattern.test(head));
}

/** Sets that the record of a collection status tells of, as Déjà Dup reads them. */
function toldSets({ records }: LoggedRun): string[] {
  const status = records.find(({ head }) => head === 'INFO 3');
  assert.ok(status, 'there is no record of the collection status');
  const chain = status.lines.indexOf('chain-complete');
  return status.lines.slice(chain + 1).filter((line) => line.startsWith(' '));
}

describe('the command lines of Déjà Dup', () => {
  for (const password of [wrapperPassphrase, undefined]) {
    it(`back up, tell and restore, ${password === undefined ? 'plain' : 'with a password'}`, async () => {
      await withScene(async (scene) => {
        smallTree(scene.source);
        writeFileSync(`${scene.source}/left [out]*`, 'left out');
        const remote = `gio+file://${scene.path('tundra', 'store')}`;
        const sealing = password === undefined ? ['--no-encryption'] : [];
        const deja = async (...args: string[]) => {
          const outcome = await run(scene, [...args, ...sealing], password ?? '');
          assert.equal(
            outcome.status,
            0,
            `${args.join(' ')}\n${JSON.stringify(outcome.records, undefined, 1)}`,
          );
          return outcome;
        };
        const selection = [
          `--exclude=${scene.source}/left [[]out][*]`,
          `--include=${scene.source}`,
          '--exclude=**',
          '--exclude-if-present=CACHEDIR.TAG',
          '--exclude-if-present=.deja-dup-ignore',
        ];
        const backup = [...selection, '--volsize=200', '/', remote];
        const kept = () =>
          new Map([...describeTree(scene.source)].filter(([path]) => !path.startsWith('left')));

        assert.deepEqual(toldSets(await deja('collection-status', remote)), []);
        const dry = await deja('full', '--dry-run', ...backup);
        assert.ok(heads(dry, /^INFO 4 '/).some((head) => head.endsWith("source/a'")));
        assert.deepEqual(scene.stored('tundra'), []);
        const full = await deja('full', ...backup);
        assert.equal(heads(full, /^INFO 1[12]/).length > 0, true);
        changeSmallTree(scene.source);
        await deja('incremental', ...backup);

        const sets = toldSets(await deja('collection-status', remote));
        assert.deepEqual(
          sets.map((line) => line.replace(/\d{8}T\d{6}Z/, 'TIME')),
          [' full TIME 1', ' inc TIME 1'].map(
            (line) => `${line} ${password === undefined ? 'noenc' : 'enc'}`,
          ),
        );
        const files = heads(await deja('list-current-files', remote), /^INFO 10 /);
        assert.ok(
          files.some((head) => head.endsWith(`${scene.source.slice(1)}/a' reg`)),
          files.join('\n'),
        );

        const home = scene.path('new-home');
        await deja(
          'restore',
          `--path-to-restore=${scene.source.slice(1)}`,
          '--no-restore-ownership',
          '--force',
          remote,
          home,
        );
        assert.deepEqual(compareTrees(kept(), describeTree(home)), []);
        const time = / (\d{8}T\d{6}Z) /.exec(sets[0] ?? '')?.[1];
        const file = scene.path('one');
        const path = `--file-to-restore=${scene.source.slice(1)}/sub/b`;
        await deja('restore', path, `--time=${time}`, '--do-not-restore-ownership', '--force', remote, file);
        assert.match(describeTree(file).get('.') ?? '', /size 70000/);
        await deja('remove-all-but-n-full', '1', '--force', remote);
        await deja('cleanup', '--force', remote);
        assert.equal(scene.stored('tundra').length, 6);
      });
    });
  }
});
