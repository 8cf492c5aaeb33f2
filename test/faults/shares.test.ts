/**
 * What goes wrong in one share of a restore while others are at work: the run ends, whatever they wait for, and leaves
 * nothing half written. And volumes made to have one share undo what another one does.
 */
import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Processors } from '../cli/processors.js';
import { namesIn, withTrial } from '../cli/trial.js';
import {
  type CraftedVolume,
  fileEntry,
  folderEntry,
  linkEntry,
  tarOf,
  writeCraftedSet,
} from './crafted-backup.js';
import { withScene } from './scene.js';

const root = folderEntry('snapshot/./');
const pieceBytes = 65_536;
/** Each crafted chain has a local archive of its own. */
let archives = 0;

/** A file that takes a while to write, and little room where it is stored. */
function largeFile(name: string, pieces: number) {
  return [
    ...Array.from({ length: pieces }, (_, i) =>
      fileEntry(`multivol_snapshot/${name}/${i + 1}`, Buffer.alloc(pieceBytes)),
    ),
    fileEntry(`multivol_snapshot/${name}/${pieces + 1}`, ''),
  ];
}

const gzipped = (entries: Parameters<typeof tarOf>[0], start: string, end: string): CraftedVolume => ({
  bytes: gzipSync(tarOf(entries), { level: 1 }),
  compressed: true,
  start,
  end,
});

/** Its hash is that of what is left. */
const brokenOff = (volume: CraftedVolume): CraftedVolume => ({
  ...volume,
  bytes: volume.bytes.subarray(0, -100),
});

const temporary = (folder: string) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.includes('.tundra-restore'));

describe('a share that fails', () => {
  it('ends the others, which leave nothing half written', { timeout: 60_000 }, () =>
    withTrial('gzip', async (trial) => {
      writeCraftedSet(trial.store, 0, [
        gzipped([root, ...largeFile('a', 1500), fileEntry('snapshot/a2')], '.', 'a2'),
        // A bound is written beside its place, too.
        gzipped([...largeFile('b', 1500)], 'b', 'b'),
        brokenOff(gzipped([...largeFile('c', 400), fileEntry('snapshot/d')], 'c', 'd')),
      ]);
      const processors = new Processors(trial, 4);
      const target = trial.newTarget();
      const args = ['restore', trial.url, target];
      const { told } = await trial.run(args, processors.options({ status: 1 }));
      assert.equal(processors.threads('restore-thread'), 3);
      assert.match(told, /vol3\.difftar\.gz is not a whole gzip file/);
      assert.deepEqual(temporary(target), []);
    }),
  );

  it('wakes those that wait for it', { timeout: 60_000 }, () =>
    withTrial('gzip', async (trial) => {
      // The first ones have little to do, and wait; the last one finds out late what is wrong.
      writeCraftedSet(trial.store, 0, [
        gzipped([root, folderEntry('snapshot/a/'), fileEntry('snapshot/a/b')], '.', 'a/b'),
        gzipped([fileEntry('snapshot/a/c')], 'a/c', 'a/c'),
        brokenOff(gzipped([...largeFile('c', 300), fileEntry('snapshot/d')], 'c', 'd')),
      ]);
      for (const args of [
        ['restore', trial.url, trial.newTarget()],
        ['verify', trial.url, trial.source],
        ['verify', '--compare-data', trial.url, trial.source],
      ]) {
        const { told } = await trial.run(args, new Processors(trial, 4).options({ status: 1 }));
        assert.match(told, /vol3\.difftar\.gz is not a whole gzip file/);
      }
    }),
  );

  it('leaves out a volume over a bound once, if errors are to be ignored', () =>
    withTrial('plain', async (trial) => {
      const entry = (name: string) => fileEntry(`snapshot/${name}`, name);
      writeCraftedSet(trial.store, 0, [
        { bytes: tarOf([root, entry('a'), entry('b')]), start: '.', end: 'b' },
        { bytes: tarOf([entry('c'), entry('d')]), start: 'c', end: 'd' },
      ]);
      const newer = [
        { bytes: tarOf([entry('a')]), start: 'a', end: 'a' },
        { bytes: tarOf([fileEntry('snapshot/b', 'newer'), entry('c')]), start: 'b', end: 'c' },
      ];
      for (const [wrong, text] of [
        [{ hash: 'wrong' }, /hash mismatch.*\n.*\n.*\n.*\n.*This volume is left out/g],
        [{ bytes: Buffer.alloc(1024, 0xee) }, /a header is damaged.*\nThe rest of this volume is left out/g],
      ] as const) {
        writeCraftedSet(trial.store, 1, [newer[0]!, { ...newer[1]!, ...wrong }]);
        trial.archive = trial.path(`archive/${archives++}`);
        const target = trial.newTarget();
        const args = ['restore', '--ignore-errors', trial.url, target];
        const { told } = await trial.run(args, new Processors(trial, 4).options({ status: 1 }));
        assert.equal(told.match(text)?.length, 1, told);
        assert.match(told, /^1 entry could not be restored/m);
        assert.deepEqual(namesIn(target), ['a', 'b', 'c', 'd']);
        assert.equal(readFileSync(join(target, 'b'), 'utf8'), 'b');
      }
    }));
});

describe('what is no folder, though a later share has something below it', () => {
  const write = (store: string, entry: ReturnType<typeof fileEntry>, below = 'm/kept') =>
    writeCraftedSet(store, 0, [
      { bytes: tarOf([root, fileEntry('snapshot/a'), entry]), start: '.', end: 'm' },
      {
        bytes: tarOf([fileEntry(`snapshot/${below}`, 'evil'), fileEntry('snapshot/z')]),
        start: below,
        end: 'z',
      },
    ]);

  it('is told and counted, in a restore and in a verification', () =>
    withScene(async ({ trial, outside, target }) => {
      for (const entry of [fileEntry('snapshot/m', 'a file'), linkEntry('snapshot/m', outside)]) {
        write(trial.store, entry);
        trial.archive = trial.path(`archive/${archives++}`);
        for (const threads of [1, 2]) {
          const processors = new Processors(trial, threads);
          for (const args of [
            ['restore', '--force', trial.url, target],
            ['verify', trial.url, trial.source],
          ]) {
            const { told } = await trial.run(args, processors.options({ status: 1 }));
            assert.equal(processors.threads('restore-thread'), threads);
            assert.match(told, /^m(\/kept)?: .*no folder in the backup/m);
          }
          assert.deepEqual(namesIn(target), ['a', 'm', 'z']);
          const isLink = lstatSync(join(target, 'm')).isSymbolicLink();
          assert.equal(isLink, entry.type === 'symlink');
          if (isLink) assert.equal(readlinkSync(join(target, 'm')), outside);
        }
      }
    }));

  it('is not taken for it where a name only begins alike', () =>
    withTrial('plain', async (trial) => {
      for (const below of ['m!', 'm.x', 'mm/kept']) {
        write(trial.store, fileEntry('snapshot/m'), below);
        trial.archive = trial.path(`archive/${archives++}`);
        await trial.run(['verify', trial.url, trial.source], new Processors(trial, 2).options());
      }
    }));
});
