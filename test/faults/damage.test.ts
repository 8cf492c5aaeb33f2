/**
 * Damage to what is stored, file by file. A restore either brings everything back as it was, or ends with its status and
 * a message; what it has written by then is right.
 */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { changeSmallTree, smallTree, smallTreeSeconds } from '../cli/small-tree.js';
import { namesIn, type Seal, type Trial, withTrial } from '../cli/trial.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];

/** A chain of a full set of two volumes and an incremental one; returns the last state. */
async function writeChain(trial: Trial): Promise<TreeDescription> {
  smallTree(trial.source);
  const tree = new TreeWriter(trial.source, smallTreeSeconds);
  tree.file('noise', randomBytes('noise', 1_200_000));
  tree.finish();
  await trial.full('--volsize', '1', ...at(0));
  changeSmallTree(trial.source);
  await trial.incremental('--volsize', '1', ...at(100));
  return describeTree(trial.source);
}

type Kind = 'volume' | 'signatures' | 'manifest';

function kindOf(name: string): Kind {
  if (name.includes('.difftar')) return 'volume';
  return name.includes('.sigtar') ? 'signatures' : 'manifest';
}

/** Ways to damage the file at a path; `others` are the other files of the chain. */
const damages: Record<string, (path: string, others: string[]) => void> = {
  'cut short': (path) => truncateSync(path, Math.floor(readFileSync(path).length * 0.6)),
  'with a bit flipped': (path) => {
    const bytes = readFileSync(path);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] as number) ^ 0x10;
    writeFileSync(path, bytes);
  },
  emptied: (path) => truncateSync(path, 0),
  'exchanged with the next one': (path, others) => copyFileSync(others[0] as string, path),
  gone: (path) => rmSync(path),
};

/** Statuses a restore may end with, by the kind of the damaged file. It needs no signatures. */
const statuses: Record<Kind, readonly number[]> = {
  volume: [21, 52],
  // 52: a manifest that names volumes which are not there; 19 and 20: no set is left at that time.
  manifest: [1, 5, 6, 20, 21, 31, 52],
  signatures: [],
};

/** What is at the target is what was backed up, as far as it goes. */
function assertNothingWrong(state: TreeDescription, target: string, what: string): void {
  if (!existsSync(target)) return;
  const restored = describeTree(target, { leaveOut: ['mode', 'mtime', 'owner'] });
  const wrong = [...restored].filter(([path, entry]) => state.get(path) !== entry);
  assert.deepEqual(wrong, [], what);
}

for (const seal of ['gzip', 'passphrase'] as const satisfies Seal[]) {
  describe(`damage on the storage, ${seal}`, () => {
    it('never goes unnoticed, and nothing wrong is restored', () =>
      withTrial(seal, async (trial) => {
        const state = await writeChain(trial);
        const contents = describeTree(trial.source, { leaveOut: ['mode', 'mtime', 'owner'] });
        const good = trial.path('good');
        renameSync(trial.store, good);
        const names = namesIn(good);
        assert.equal(names.length, 7);
        for (const [index, name] of names.entries()) {
          for (const [how, damage] of Object.entries(damages)) {
            const what = `${name} ${how}`;
            const target = trial.newTarget();
            cpSync(good, trial.store, { recursive: true });
            const sameKind = names.filter((other) => other !== name && kindOf(other) === kindOf(name));
            const next = sameKind.length > 0 ? sameKind : names.filter((other) => other !== name);
            damage(
              join(trial.store, name),
              next.map((other) => join(good, other)),
            );
            trial.archive = trial.path(`archive/${index} ${how}`);
            const { status, told } = await trial.run(['restore', trial.url, target], {
              status: 'any',
            });
            if (status === 0) {
              const undone = name.includes('-inc') && how === 'gone' && kindOf(name) === 'manifest';
              // Without its manifest the last set does not exist: that is told, and the state before it comes back.
              if (undone) assert.match(told, /incomplete/, what);
              else assert.deepEqual(compareTrees(state, describeTree(target)), [], what);
            } else {
              assert.ok(
                statuses[kindOf(name)].includes(status as number),
                `${what}: status ${status}\n${told}`,
              );
              assert.notEqual(told, '', what);
              assertNothingWrong(contents, target, what);
              if (kindOf(name) === 'volume')
                assert.ok(told.includes(name) || how === 'gone', `${what}: ${told}`);
            }
            rmSync(trial.store, { recursive: true });
            rmSync(trial.archive, { recursive: true });
            if (existsSync(target)) rmSync(target, { recursive: true });
          }
        }
      }));
  });
}

describe('a store that holds other things', () => {
  it('is read past them, and they stay', () =>
    withTrial('gzip', async (trial) => {
      const state = await writeChain(trial);
      const foreign = [
        'notes.txt',
        'duplicity-full.manifest',
        'duplicity-full.20231114T221320Z.vol1.difftar.gz.bak',
        'duplicity-full-signatures.20231114T221320Z.sigtar.gz~',
        '.hidden',
        'name with\nnewline',
      ];
      for (const name of foreign) writeFileSync(join(trial.store, name), 'not ours');
      mkdirSync(join(trial.store, 'folder'));
      mkdirSync(join(trial.store, 'duplicity-full.20300101T000000Z.manifest'));
      symlinkSync('/nowhere', join(trial.store, 'duplicity-full.20310101T000000Z.manifest'));
      writeFileSync(Buffer.from(`${trial.store}/\xff\xfe`, 'latin1'), 'no UTF-8');
      trial.archive = trial.path('archive/new');
      assert.deepEqual(await trial.restoredDifferences(state), []);
      const { stdout } = await trial.run(['collection-status', trial.url]);
      assert.match(stdout, /Number of contained backup sets: 2/);
      await trial.run([...at(200), 'incremental', trial.source, trial.url]);
      for (const name of foreign) assert.equal(readFileSync(join(trial.store, name), 'utf8'), 'not ours');
    }));
});

describe('damage in volumes', () => {
  it('is passed over with --ignore-errors as far as that goes, and an undamaged part restores', () =>
    withTrial('plain', async (trial) => {
      const state = await writeChain(trial);
      const contents = describeTree(trial.source, { leaveOut: ['mode', 'mtime', 'owner'] });
      const first = join(trial.store, 'duplicity-full.20231114T221320Z.vol1.difftar');
      const bytes = readFileSync(first);
      const inNoise = bytes.indexOf('multivol_snapshot/noise/5\0') + 5000;
      assert.ok(inNoise >= 5000);
      bytes[inNoise] = (bytes[inNoise] as number) ^ 1;
      writeFileSync(first, bytes);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target], { status: 21 });
      await trial.run(['verify', trial.url, trial.source], { status: 21 });
      // The incremental set holds all of this path.
      const part = trial.newTarget();
      await trial.run(['restore', '-r', 'sub/new', trial.url, part]);
      // With --ignore-errors that volume is left out, and what the other ones hold is restored.
      const forced = trial.newTarget();
      const { told } = await trial.run(['restore', '--ignore-errors', trial.url, forced], { status: 1 });
      assert.match(told, /hash mismatch.*vol1\.difftar.*left out.*could not be restored/s);
      assertNothingWrong(contents, forced, 'with --ignore-errors');
      const restored = describeTree(forced);
      for (const name of ['sub/new', 'sub/deep/\xff odd\nname'])
        assert.equal(restored.get(name), state.get(name), name);
      assert.ok(!restored.has('noise'));
    }));
});

describe('volumes that their manifest does not name', () => {
  const leftovers = ['3', '7'].map((number) => `duplicity-full.20231114T221320Z.vol${number}.difftar.gz`);
  const manifest = 'duplicity-full.20231114T221320Z.manifest';

  it('are left from a run that was taken up again, and are not used, where the manifest is whole', () =>
    withTrial('gzip', async (trial) => {
      const state = await writeChain(trial);
      const last = join(trial.store, 'duplicity-full.20231114T221320Z.vol2.difftar.gz');
      for (const name of leftovers) copyFileSync(last, join(trial.store, name));
      for (const archive of [trial.archive, trial.path('archive/new')]) {
        trial.archive = archive;
        const target = trial.newTarget();
        const { told } = await trial.run(['restore', trial.url, target]);
        for (const name of leftovers) assert.ok(told.includes(name), told);
        assert.deepEqual(compareTrees(state, describeTree(target)), []);
      }
      await trial.run(['verify', trial.url, trial.source]);
    }));

  it('are missing in a manifest that was cut short', () =>
    withTrial('gzip', async (trial) => {
      await writeChain(trial);
      const last = join(trial.store, 'duplicity-full.20231114T221320Z.vol2.difftar.gz');
      for (const name of leftovers) copyFileSync(last, join(trial.store, name));
      const path = join(trial.store, manifest);
      const text = readFileSync(path, 'latin1');
      writeFileSync(path, text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1), 'latin1');
      trial.archive = trial.path('archive/new');
      const { told } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 6 });
      assert.match(told, /is cut short: it does not name volume 3/);
      const rescued = await trial.run(['restore', '--ignore-errors', trial.url, trial.newTarget()]);
      assert.match(rescued.told, /does not name volume 3\n.*as --ignore-errors asks/);
    }));
});

describe('damage in the local archive', () => {
  const harm: Record<string, (path: string) => void> = {
    'cut short': (path) => truncateSync(path, Math.floor(readFileSync(path).length * 0.4)),
    emptied: (path) => truncateSync(path, 0),
    gone: (path) => rmSync(path),
  };

  it('is mended from the storage, or told; what is then stored restores', () =>
    withTrial('gzip', async (trial) => {
      const state = await writeChain(trial);
      const good = trial.path('good');
      const archive = join(trial.archive, 'trial');
      cpSync(archive, good, { recursive: true });
      const storeBefore = namesIn(trial.store);
      for (const name of namesIn(good)) {
        for (const [how, damage] of Object.entries(harm)) {
          rmSync(archive, { recursive: true });
          cpSync(good, archive, { recursive: true });
          damage(join(archive, name));
          const what = `${name} ${how}`;
          const target = trial.newTarget();
          await trial.run(['restore', trial.url, target]);
          assert.deepEqual(compareTrees(state, describeTree(target)), [], what);
          const next = await trial.run([...at(200), trial.source, trial.url], { status: 'any' });
          if (next.status === 0) {
            assert.deepEqual(await trial.restoredDifferences(state), [], what);
          } else {
            assert.ok(next.told.includes(name), `${what}: ${next.told}`);
            // What it tells the reader to do helps.
            assert.match(next.told, /[Rr]emove/, what);
            rmSync(join(archive, name));
            await trial.run([...at(200), trial.source, trial.url]);
            assert.deepEqual(await trial.restoredDifferences(state), [], what);
          }
          for (const stored of namesIn(trial.store))
            if (!storeBefore.includes(stored)) rmSync(join(trial.store, stored));
          rmSync(target, { recursive: true, force: true });
        }
      }
    }));

  it('is mended once it is met by what reads it, with a warning', () =>
    withTrial('passphrase', async (trial) => {
      const state = await writeChain(trial);
      const archive = join(trial.archive, 'trial');
      const kept = namesIn(archive).filter((name) => /manifest$|sigtar\.gz$/.test(name));
      assert.equal(kept.length, 4);
      const listed = (await trial.run(['list-current-files', trial.url])).stdout;
      for (const name of kept) {
        const path = join(archive, name);
        const good = readFileSync(path);
        // A manifest that still names all volumes does for a restore.
        for (const how of name.includes('sigtar') ? ['cut short', 'emptied'] : ['emptied']) {
          harm[how]?.(path);
          const target = trial.newTarget();
          const args = name.includes('sigtar')
            ? ['list-current-files', trial.url]
            : ['restore', trial.url, target];
          const { stdout, told } = await trial.run(args);
          assert.match(told, /It is fetched from the storage again/, `${name} ${how}`);
          assert.ok(told.includes(name), told);
          if (name.includes('sigtar'))
            assert.equal(
              withoutNotices(stdout).replace(
                /^\/.* is damaged\nIt is fetched from the storage again\.\n/m,
                '',
              ),
              withoutNotices(listed),
            );
          else {
            assert.deepEqual(compareTrees(state, describeTree(target)), []);
            assert.deepEqual(readFileSync(path), good);
          }
          const again = await trial.run(
            args[0] === 'restore' ? ['restore', trial.url, trial.newTarget()] : args,
          );
          assert.doesNotMatch(again.told, /damaged|fetched/);
        }
      }
    }));

  it('and on the storage as well is told', () =>
    withTrial('gzip', async (trial) => {
      await writeChain(trial);
      const [signatures] = namesIn(trial.store).filter((name) => name.includes('new-signatures'));
      for (const folder of [trial.store, join(trial.archive, 'trial')])
        truncateSync(join(folder, signatures as string), 50);
      const { told } = await trial.run(['list-current-files', trial.url], { status: 1 });
      assert.match(told, /is damaged; it cannot be fetched again: .*new-signatures/);
    }));

  it('what does not belong there is left alone, or goes if it poses as a backup', () =>
    withTrial('gzip', async (trial) => {
      const state = await writeChain(trial);
      const archive = join(trial.archive, 'trial');
      const stale = 'duplicity-full.20200101T000000Z.manifest';
      const foreign = [
        'notes.txt',
        'duplicity-full.manifest',
        '.hidden',
        'duplicity-full.20200101T000000Z.vol1.difftar.gz',
      ];
      for (const name of [...foreign, stale]) writeFileSync(join(archive, name), 'not ours');
      mkdirSync(join(archive, 'folder'));
      symlinkSync('/nowhere', join(archive, 'broken link'));
      writeFileSync(join(archive, '.tundra-0123456789abcdef.tmp'), 'of a run that died');
      assert.deepEqual(await trial.restoredDifferences(state), []);
      const left = namesIn(archive);
      for (const name of [...foreign, 'folder', 'broken link']) assert.ok(left.includes(name), name);
      assert.ok(!left.includes(stale) && !left.includes('.tundra-0123456789abcdef.tmp'));
    }));

  it('a folder in the place of a file is told', () =>
    withTrial('gzip', async (trial) => {
      await writeChain(trial);
      const manifest = join(trial.archive, 'trial', 'duplicity-full.20231114T221320Z.manifest');
      rmSync(manifest);
      mkdirSync(manifest);
      const { told } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 'any' });
      assert.match(told, /duplicity-full\.20231114T221320Z\.manifest/);
    }));

  it('that is lost as a whole comes back from the storage', () =>
    withTrial('passphrase', async (trial) => {
      const state = await writeChain(trial);
      const before = namesIn(join(trial.archive, 'trial'));
      rmSync(trial.archive, { recursive: true });
      assert.deepEqual(await trial.restoredDifferences(state), []);
      const manifests = before.filter((name) => name.endsWith('.manifest'));
      assert.deepEqual(namesIn(join(trial.archive, 'trial')), manifests);
      await trial.run(['list-current-files', trial.url]);
      const metadata = before.filter((name) => name.startsWith('duplicity-'));
      assert.deepEqual(namesIn(join(trial.archive, 'trial')), metadata);
      rmSync(trial.archive, { recursive: true });
      await trial.run([...at(200), 'incremental', trial.source, trial.url]);
      assert.deepEqual(await trial.restoredDifferences(state), []);
    }));
});

/** A listing without what is told of the synchronisation. */
function withoutNotices(stdout: string): string {
  return stdout
    .split('\n')
    .filter((line) => !/metadata|local cache/.test(line))
    .join('\n');
}
