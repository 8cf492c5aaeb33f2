/**
 * Volumes made to harm: somebody who may write to an unencrypted storage can put anything into them, with manifests that
 * fit. Nothing outside the target may be touched, and the run ends with a message.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { changeSmallTree, smallTree } from '../cli/small-tree.js';
import { isRoot, namesIn, remarksIn, withTrial } from '../cli/trial.js';
import { randomNumbers } from '../trees/contents.js';
import {
  type CraftedEntry,
  craftedSeconds,
  fileEntry,
  folderEntry,
  linkEntry,
  tarOf,
  writeCraftedSet,
} from './crafted-backup.js';
import { withScene } from './scene.js';

const root = folderEntry('snapshot/./');
const literal = (text: string) =>
  Buffer.concat([Buffer.from('rs\x026'), Buffer.from([text.length]), Buffer.from(text), Buffer.from([0])]);
const bytes = (...numbers: number[]) => Buffer.from(numbers);
const deltaMagic = Buffer.from('rs\x026');

/** Entries of a full set that must be refused as a whole or in part, and what the message says. */
const refused: Record<string, [entries: (outside: string) => CraftedEntry[], text: RegExp]> = {
  'a path that goes up': [() => [root, fileEntry('snapshot/../evil')], /refused: snapshot\/\.\.\/evil/],
  'a path that goes down and up': [() => [root, fileEntry('snapshot/a/../../evil')], /refused/],
  'a path that ends in ..': [() => [root, folderEntry('snapshot/a/../')], /refused/],
  'an absolute path': [(outside) => [root, fileEntry(`snapshot/${outside}/evil`)], /refused/],
  'an empty component': [() => [root, fileEntry('snapshot/a//evil')], /refused/],
  'a dot in the middle': [() => [root, fileEntry('snapshot/a/./evil')], /refused/],
  'a deletion that goes up': [() => [root, fileEntry('deleted/../outside/kept', '')], /refused/],
  'a piece that goes up': [() => [root, fileEntry('multivol_snapshot/../evil/1')], /refused/],
  'no name of a volume': [() => [root, fileEntry('etc/passwd')], /none of a volume's/],
  'a link, then a folder of its name': [
    (outside) => [root, linkEntry('snapshot/a', outside), folderEntry('snapshot/a/')],
    /not in path order/,
  ],
  'the same file twice': [
    () => [root, fileEntry('snapshot/a', '1'), fileEntry('snapshot/a', '2')],
    /not in path order/,
  ],
  'paths out of order': [() => [root, fileEntry('snapshot/b'), fileEntry('snapshot/a')], /not in path order/],
  'a root that comes late': [() => [fileEntry('snapshot/a'), root], /not in path order/],
  'a size past the end': [
    () => [root, { ...fileEntry('snapshot/a'), sizeBytes: 1_000_000 }],
    /ends in the middle/,
  ],
  'a size of petabytes': [
    () => [root, { ...fileEntry('snapshot/a'), sizeBytes: 2 ** 52 }],
    /ends in the middle/,
  ],
  'a delta to nothing': [
    () => [root, fileEntry('diff/a', literal('x'))],
    /difference to a version that is missing/,
  ],
  'a delta to a folder': [
    () => [root, folderEntry('snapshot/a/'), fileEntry('diff/a', literal('x'))],
    /path order/,
  ],
  'a first piece that is missing': [
    () => [root, fileEntry('multivol_snapshot/a/2')],
    /beginning of the file is missing/,
  ],
  'a piece that is missing': [
    () => [
      root,
      fileEntry('multivol_snapshot/a/1', Buffer.alloc(65_536)),
      fileEntry('multivol_snapshot/a/3'),
    ],
    /piece 2 is missing/,
  ],
};

/** The same for what only the disk refuses. */
const unwritable: typeof refused = {
  'a name that no disk takes': [
    () => [root, fileEntry(`snapshot/${'n'.repeat(300)}`)],
    /ENAMETOOLONG|name too long/,
  ],
  'a path that no disk takes': [
    () => [root, fileEntry(`snapshot/${'d/'.repeat(2100)}f`)],
    /ENAMETOOLONG|name too long/,
  ],
  'a link to nothing at all': [() => [root, linkEntry('snapshot/a', '')], /snapshot|a: /],
};

/** What no backup holds: something below what is no folder; what of it is refused, and what is there in the end. */
const belowNoFolder: Record<
  string,
  [entries: (outside: string) => CraftedEntry[], refused: string[], tree: string[]]
> = {
  'a file below a link': [
    (outside) => [
      root,
      linkEntry('snapshot/a', outside),
      fileEntry('snapshot/a/evil'),
      fileEntry('snapshot/b'),
    ],
    ['a/evil'],
    ['a', 'b'],
  ],
  'a folder below a link': [
    (outside) => [root, linkEntry('snapshot/a', outside), folderEntry('snapshot/a/evil/')],
    ['a/evil'],
    ['a'],
  ],
  'a file below a root that is a link': [
    (outside) => [linkEntry('snapshot/', outside), fileEntry('snapshot/evil')],
    ['evil'],
    [],
  ],
  'a folder below a root that is a link': [
    (outside) => [
      linkEntry('snapshot/', outside),
      folderEntry('snapshot/evil/'),
      fileEntry('snapshot/evil/inside'),
    ],
    ['evil', 'evil/inside'],
    [],
  ],
  'a deep file below a link': [
    (outside) => [
      root,
      linkEntry('snapshot/a', `${outside}/..`),
      fileEntry('snapshot/a/outside/kept', 'changed'),
    ],
    ['a/outside/kept'],
    ['a'],
  ],
  'files below a file': [
    () => [root, fileEntry('snapshot/a'), fileEntry('snapshot/a/1'), fileEntry('snapshot/a/2')],
    ['a/1', 'a/2'],
    ['a'],
  ],
};

describe('hostile volumes', () => {
  for (const [what, [entries, text]] of Object.entries(refused)) {
    it(`${what} is refused`, () =>
      withScene(async ({ trial, outside, target }) => {
        writeCraftedSet(trial.store, 0, [{ bytes: tarOf(entries(outside)) }]);
        const { status, told } = await trial.run(['restore', trial.url, target], { status: 'any' });
        assert.notEqual(status, 0);
        assert.match(told, text);
        assert.ok(!existsSync(join(target, 'evil')) && !existsSync(join(target, 'a/evil')));
      }));
  }

  for (const [what, [entries, text]] of Object.entries(unwritable)) {
    it(`${what} is told`, () =>
      withScene(async ({ trial, outside, target }) => {
        const good = fileEntry('snapshot/z', 'good');
        writeCraftedSet(trial.store, 0, [{ bytes: tarOf([...entries(outside), good]) }]);
        const { told } = await trial.run(['restore', trial.url, target], { status: 1 });
        assert.match(told, text);
        assert.equal(readFileSync(join(target, 'z'), 'utf8'), 'good');
      }));
  }

  for (const [what, [entries, refused, tree]] of Object.entries(belowNoFolder)) {
    it(`${what} is told and counted, and what it lies below stays`, () =>
      withScene(async ({ trial, outside, target }) => {
        writeCraftedSet(trial.store, 0, [{ bytes: tarOf(entries(outside)) }]);
        for (const args of [
          ['restore', trial.url, target],
          ['restore', '--force', trial.url, target],
          ['verify', trial.url, trial.source],
        ]) {
          const { told, stdout } = await trial.run(args, { status: 1 });
          for (const path of refused)
            assert.match(
              told,
              new RegExp(`^${path}: it lies below .+, which is no folder in the backup$`, 'm'),
            );
          if (args[0] === 'verify') assert.match(stdout, new RegExp(` ${refused.length} differences? found`));
        }
        const isFolder = lstatSync(target).isDirectory();
        assert.deepEqual(isFolder ? namesIn(target) : [], tree);
        if (!isFolder) assert.ok(lstatSync(target).isSymbolicLink());
      }));
  }

  it('a folder that became a file, or a link, is neither', () =>
    withTrial('plain', async (trial) => {
      writeCraftedSet(trial.store, 0, [
        {
          bytes: tarOf([
            root,
            folderEntry('snapshot/a/'),
            fileEntry('snapshot/a/gone'),
            fileEntry('snapshot/b'),
            folderEntry('snapshot/c/'),
            fileEntry('snapshot/c/gone'),
          ]),
        },
      ]);
      writeCraftedSet(trial.store, 1, [
        {
          bytes: tarOf([
            fileEntry('snapshot/a', 'now a file'),
            fileEntry('deleted/a/gone', ''),
            folderEntry('snapshot/b/'),
            fileEntry('snapshot/b/new'),
            linkEntry('snapshot/c', 'a'),
            fileEntry('deleted/c/gone', ''),
          ]),
        },
      ]);
      const target = trial.newTarget();
      const { told } = await trial.run(['restore', trial.url, target]);
      assert.equal(remarksIn(told), '');
      assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'now a file');
      assert.deepEqual(namesIn(join(target, 'b')), ['new']);
      assert.ok(lstatSync(join(target, 'c')).isSymbolicLink());
    }));

  it('what cannot be restored leaves the rest whole', () =>
    withScene(async ({ trial, target }) => {
      writeCraftedSet(trial.store, 0, [
        {
          bytes: tarOf([
            root,
            fileEntry('snapshot/a', 'good'),
            fileEntry('diff/b', literal('bad')),
            fileEntry('snapshot/c', 'good too'),
          ]),
        },
      ]);
      const { told } = await trial.run(['restore', trial.url, target], { status: 1 });
      assert.match(told, /^b: /m);
      assert.deepEqual(namesIn(target), ['a', 'c']);
      assert.equal(readFileSync(join(target, 'c'), 'utf8'), 'good too');
    }));

  it('links that lead out are restored, never followed', () =>
    withScene(async ({ trial, outside, target }) => {
      writeCraftedSet(trial.store, 0, [
        {
          bytes: tarOf([root, linkEntry('snapshot/a', outside), linkEntry('snapshot/b', '../outside/kept')]),
        },
      ]);
      writeCraftedSet(trial.store, 1, [
        {
          bytes: tarOf([
            root,
            folderEntry('snapshot/a/'),
            fileEntry('snapshot/a/kept', 'inside'),
            fileEntry('snapshot/b', 'inside'),
          ]),
        },
      ]);
      await trial.run(['restore', '-t', String(craftedSeconds), trial.url, target]);
      assert.ok(lstatSync(join(target, 'a')).isSymbolicLink());
      // Over the links of the earlier state.
      await trial.run(['restore', '--force', trial.url, target]);
      assert.ok(lstatSync(join(target, 'a')).isDirectory());
      assert.equal(readFileSync(join(target, 'a/kept'), 'utf8'), 'inside');
      assert.equal(readFileSync(join(target, 'b'), 'utf8'), 'inside');
    }));

  it('deltas that ask for what is not there are refused', () =>
    withTrial('plain', async (trial) => {
      const deltas: Record<string, [Uint8Array, RegExp]> = {
        empty: [Buffer.alloc(0), /delta is cut short/],
        'no delta': [Buffer.from('something else'), /not a librsync delta/],
        'cut short': [literal('abc').subarray(0, -1), /cut short/],
        'copy behind the end': [Buffer.concat([deltaMagic, bytes(0x45, 200, 10, 0)]), /no more bytes/],
        'copy of exabytes': [
          Buffer.concat([
            deltaMagic,
            bytes(0x54, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0),
          ]),
          /past 2\^53|no more bytes/,
        ],
        'literal of terabytes': [
          Buffer.concat([deltaMagic, bytes(0x44, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3)]),
          /cut short/,
        ],
        'unknown command': [Buffer.concat([deltaMagic, bytes(0xff)]), /unknown command/],
        'more behind the end': [Buffer.concat([literal('abc'), bytes(1, 2)]), /after its end/],
      };
      const names = Object.keys(deltas).sort();
      writeCraftedSet(trial.store, 0, [
        { bytes: tarOf([root, ...names.map((name) => fileEntry(`snapshot/${name}`, 'the base'))]) },
      ]);
      writeCraftedSet(trial.store, 1, [
        {
          bytes: tarOf(
            names.map((name) => fileEntry(`diff/${name}`, (deltas[name] as [Uint8Array, RegExp])[0])),
          ),
        },
      ]);
      const target = trial.newTarget();
      const { told } = await trial.run(['restore', trial.url, target], { status: 1 });
      for (const name of names)
        assert.match(told, new RegExp(`^${name}: .*(?:${deltas[name]?.[1].source})`, 'm'));
      assert.deepEqual(namesIn(target), []);
    }));

  it('numbers of owners and modes that are odd do no harm', () =>
    withTrial('plain', async (trial) => {
      const odd: CraftedEntry[] = [
        { ...fileEntry('snapshot/a'), uid: 0xffff_fffe, gid: 0xffff_fffe, mode: 0o7777 },
        { ...fileEntry('snapshot/b'), mtimeSeconds: 2 ** 40 },
        { ...fileEntry('snapshot/c'), uname: '\xff\xfe', gname: 'no such group' },
      ];
      writeCraftedSet(trial.store, 0, [{ bytes: tarOf([root, ...odd]) }]);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target], { status: 'any' });
      for (const name of ['a', 'b', 'c']) assert.equal(readFileSync(join(target, name), 'utf8'), 'data');
    }));

  it('set-id bits are for the owner in the backup only, and it is told where they stay away', () =>
    withTrial('plain', async (trial) => {
      const entries = ['a', 'b'].map((name) => ({ ...fileEntry(`snapshot/${name}`), mode: 0o6755 }));
      writeCraftedSet(trial.store, 0, [{ bytes: tarOf([root, ...entries]) }]);
      const modes = (target: string) => ['a', 'b'].map((name) => lstatSync(join(target, name)).mode & 0o7777);
      const own = trial.newTarget();
      assert.equal(remarksIn((await trial.run(['restore', trial.url, own])).told), '');
      assert.deepEqual(modes(own), [0o6755, 0o6755]);
      const target = trial.newTarget();
      const args = ['restore', '-v5', '--no-restore-ownership', trial.url, target];
      const { told, stdout } = await trial.run(args);
      assert.deepEqual(modes(target), [0o755, 0o755]);
      assert.match(told, /^2 entries were restored without set-user-ID and set-group-ID/m);
      assert.match(stdout, /^a: set-user-ID and set-group-ID left out/m);
    }));

  it('--numeric-owner takes the number, else the name counts', async (t) => {
    if (!isRoot) return t.skip('only root can give files away');
    await withTrial('plain', async (trial) => {
      const owner = { uid: 54_321, gid: 54_322, uname: 'daemon', gname: 'daemon' };
      writeCraftedSet(trial.store, 0, [{ bytes: tarOf([root, { ...fileEntry('snapshot/a'), ...owner }]) }]);
      for (const [options, uid, gid] of [
        [[], 1, 1],
        [['--numeric-owner'], 54_321, 54_322],
      ] as const) {
        const target = trial.newTarget();
        await trial.run(['restore', ...options, trial.url, target]);
        const stats = lstatSync(join(target, 'a'));
        assert.deepEqual([stats.uid, stats.gid], [uid, gid]);
      }
    });
  });
});

describe('changed bytes', () => {
  it('that nobody can tell from right ones, since hashes and checksums fit, never break the program', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full('--current-time', String(craftedSeconds));
      changeSmallTree(trial.source);
      await trial.incremental('--current-time', String(craftedSeconds + 1));
      const good = trial.path('good');
      cpSync(trial.store, good, { recursive: true });
      const volumes = namesIn(good).filter((name) => name.includes('.difftar'));
      for (let seed = 0; seed < 16; seed++) {
        rmSync(trial.store, { recursive: true });
        cpSync(good, trial.store, { recursive: true });
        const next = randomNumbers(`changed bytes ${seed}`);
        const name = volumes[next() % volumes.length] as string;
        const bytes = readFileSync(join(good, name));
        const sha1 = () => createHash('sha1').update(bytes).digest('hex');
        const before = sha1();
        for (let edit = next() % 4; edit >= 0; edit--) changeHeader(bytes, next);
        writeFileSync(join(trial.store, name), bytes);
        const manifest = join(trial.store, name.replace(/\.vol1\.difftar$/, '.manifest'));
        writeFileSync(manifest, readFileSync(manifest, 'latin1').replace(before, sha1()), 'latin1');
        trial.archive = trial.path(`archive/${seed}`);
        const { status, told } = await trial.run(['restore', trial.url, trial.newTarget()], {
          status: 'any',
        });
        assert.ok(status === 0 || (status === 1 && told !== ''), `seed ${seed}: ${status} ${told}`);
      }
      const known = ['archive', 'good', 'home', 'source', 'store', 'temp'];
      assert.deepEqual(
        namesIn(trial.folder).filter((name) => !known.includes(name) && !name.startsWith('target-')),
        [],
      );
    }));
});

/** Changes a byte of some header of a tar, and the checksum with it. */
function changeHeader(bytes: Buffer, next: () => number): void {
  const blocks: number[] = [];
  for (let at = 0; at < bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) === 'ustar') blocks.push(at);
  }
  const block = blocks[next() % blocks.length] as number;
  const at = block + (next() % 345);
  bytes[at] = next() % 2 === 0 ? next() & 0xff : (bytes[at] as number) ^ (1 << (next() % 8));
  bytes.fill(0x20, block + 148, block + 156);
  const sum = bytes.subarray(block, block + 512).reduce((sum, byte) => sum + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, block + 148, 'latin1');
}
