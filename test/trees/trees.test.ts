import assert from 'node:assert/strict';
import {
  appendFileSync,
  lstatSync,
  mkdtempSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { diskPath } from '../../src/base/path-key.js';
import { mixedBytes, randomBytes } from './contents.js';
import { compareTrees, describeTree } from './describe.js';
import { evolve, lastStep } from './evolve.js';
import { oddTree } from './odd-tree.js';
import { removeTree, TreeWriter } from './writer.js';

const root = process.getuid?.() === 0;

/** Runs with an empty folder that is gone afterwards. */
async function withFolder(use: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-trees-'));
  try {
    await use(folder);
  } finally {
    removeTree(folder);
  }
}

test('contents are deterministic, differ by name and shrink as they promise', () => {
  const mixed = mixedBytes('a name', 500_000);
  assert.deepEqual(mixed, mixedBytes('a name', 500_000));
  assert.notDeepEqual(mixed, mixedBytes('another name', 500_000));
  assert.deepEqual(mixed.subarray(0, 12_345), mixedBytes('a name', 12_345), 'shorter contents are a prefix');
  const ratio = gzipSync(mixed).length / mixed.length;
  assert.ok(ratio > 0.3 && ratio < 0.8, `shrinks to ${ratio}`);
  const random = randomBytes('a name', 100_001);
  assert.equal(random.length, 100_001);
  assert.ok(gzipSync(random).length > 99_000);
  assert.equal(mixedBytes('empty', 0).length, 0);
});

test('an odd tree comes out the same twice, through every step', () =>
  withFolder(async (folder) => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    await oddTree(one, { root });
    await oddTree(two, { root });
    for (let step = 0; step <= lastStep; step++) {
      if (step > 0) for (const tree of [one, two]) evolve(tree, step);
      assert.deepEqual(compareTrees(describeTree(one), describeTree(two)), [], `step ${step}`);
    }
  }));

test('an odd tree holds what it promises', () =>
  withFolder(async (folder) => {
    await oddTree(folder, { root });
    const tree = describeTree(folder);
    const paths = [...tree.keys()];
    const lengths = new Set(paths.map((path) => path.length));
    for (const length of [99, 100, 101, 155, 156, 255, 256, 257, 512, 1000])
      assert.ok(lengths.has(length), `${length}`);
    assert.ok(
      paths.every((path) => path.length <= 1000 && path.split('/').every((name) => name.length <= 255)),
    );
    assert.ok(paths.some((path) => path.split('/').length > 60));
    assert.ok(
      paths.some((path) => Buffer.from(path, 'latin1').toString('utf8').includes('\ufffd')),
      'not UTF-8',
    );
    for (const size of [0, 1, 511, 512, 513, 65_535, 65_536, 65_537, 1_023_999, 1_024_000]) {
      assert.match(tree.get(`sizes/${size}`) ?? '', new RegExp(`size ${size},`));
    }
    assert.match(tree.get('modes/7777') ?? '', /mode 7777/);
    assert.match(tree.get('times/-1000000000') ?? '', /mtime 0,/);
    assert.equal(lstatSync(join(folder, 'times/-1000000000')).mtimeMs, -1e12);
    assert.match(tree.get('times/2147483648') ?? '', /mtime 2147483648,/);
    assert.match(tree.get('special/fifo') ?? '', /^fifo/);
    assert.ok(lstatSync(join(folder, 'special/socket')).isSocket());
    assert.equal(tree.has('special/socket'), false);
    if (root) {
      assert.match(tree.get('special/large numbers') ?? '', /device 500:70000/);
      assert.match(tree.get('modes/0') ?? '', /mode 0000/);
      assert.match(tree.get('owners/2097152-3000000') ?? '', /owner 2097152:3000000, mode 6755/);
    }
  }));

test('every step changes, adds and removes, and leaves the rest alone', () =>
  withFolder(async (folder) => {
    await oddTree(folder, { root });
    let before = describeTree(folder);
    for (let step = 1; step <= lastStep; step++) {
      evolve(folder, step);
      const after = describeTree(folder);
      const differences = compareTrees(before, after);
      const count = (pattern: RegExp) => differences.filter((line) => pattern.test(line)).length;
      assert.ok(
        differences.every((line) => /^"(evolving|\.")/.test(line)),
        `step ${step} stays in its folder`,
      );
      assert.ok(count(/ is missing: /) >= 20, `step ${step} removes`);
      assert.ok(count(/ should not be there: /) >= 20, `step ${step} adds`);
      assert.ok(
        count(/expected (file|directory|symlink|fifo).* found (file|directory|symlink|fifo)/) >= 4,
        'types',
      );
      assert.ok(differences.some((line) => /only mode": expected mode \d+; found mode \d+$/.test(line)));
      assert.ok(differences.some((line) => /only mtime": expected mtime \d+; found mtime \d+$/.test(line)));
      assert.ok(
        differences.some((line) => /same contents": expected mtime \d+; found mtime \d+$/.test(line)),
      );
      if (root)
        assert.ok(differences.some((line) => /only owner": expected owner [\d:]+; found owner/.test(line)));
      before = after;
    }
    assert.throws(() => evolve(folder, lastStep + 1), RangeError);
  }));

test('a comparison names every kind of difference', () =>
  withFolder((folder) => {
    const write = (name: string) => {
      const tree = new TreeWriter(join(folder, name), 1_000_000_000);
      tree.directory('.');
      for (const file of ['longer', 'edited', 'mode', 'mtime', 'renamed', '\xe9'])
        tree.file(file, Buffer.from('abc'));
      tree.pieces('sparse', 5 << 20, [{ offset: 3 << 20, bytes: Buffer.from('data') }]);
      tree.symlink('link', 'here');
      tree.finish();
      return tree;
    };
    write('expected');
    const found = write('found');
    const describe = () =>
      compareTrees(describeTree(join(folder, 'expected')), describeTree(join(folder, 'found')));
    assert.deepEqual(describe(), []);

    const at = (name: string) => join(folder, 'found', name);
    appendFileSync(at('longer'), 'd');
    writeFileSync(at('edited'), 'abd');
    renameSync(at('renamed'), at('new'));
    for (const name of ['longer', 'edited', 'new']) found.attributes(name, {});
    found.attributes('mode', { mode: 0o600 });
    found.attributes('mtime', { mtimeSeconds: 1_000_000_001.5 });
    found.symlink('link', 'there');
    found.pieces('sparse', 5 << 20, [
      { offset: 3 << 20, bytes: Buffer.alloc(4) },
      { offset: (3 << 20) + 100, bytes: Buffer.from('data') },
    ]);
    found.remove('\xe9');
    found.fifo('\xe9', { mode: 0o644 });
    found.directory('.');
    found.finish();
    const sha1 = '[0-9a-f]{40}';
    const expected = [
      `^"edited": expected sha1 ${sha1}; found sha1 ${sha1}$`,
      '^"link": expected target "here"; found target "there"$',
      `^"longer": expected size 3, sha1 ${sha1}; found size 4, sha1 ${sha1}$`,
      '^"mode": expected mode 0644; found mode 0600$',
      '^"mtime": expected mtime 1000000000; found mtime 1000000001$',
      '^"new" should not be there: file, ',
      '^"renamed" is missing: file, ',
      `^"sparse": expected sha1 ${sha1}; found sha1 ${sha1}$`,
      '^"\ufffd": expected file, size 3, sha1 .*; found fifo$',
    ];
    const differences = describe();
    assert.equal(differences.length, expected.length, differences.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(differences[index]!, new RegExp(pattern));
  }));

test('fields can be left out of a description', () =>
  withFolder((folder) => {
    const tree = new TreeWriter(folder, 1_000_000_000);
    tree.file('file', Buffer.from('abc'), { mode: 0o640 });
    const plain = describeTree(folder, { leaveOut: ['mode', 'owner', 'mtime'] });
    assert.equal(plain.get('file'), 'file, size 3, sha1 a9993e364706816aba3e25717850c26c9cd0d89d');
    const bare = describeTree(folder, { leaveOut: ['contents', 'owner', 'mtime'] });
    assert.equal(bare.get('file'), 'file, mode 0640');
    truncateSync(join(folder, 'file'));
    assert.equal(
      describeTree(folder, { leaveOut: ['contents', 'owner', 'mtime'] }).get('file'),
      'file, mode 0640',
    );
  }));

test('removing a tree goes through folders without permissions and never through links', () =>
  withFolder((folder) => {
    const tree = new TreeWriter(folder, 1_000_000_000);
    tree.directory('kept');
    tree.file('kept/file', Buffer.from('abc'));
    tree.directory('gone/\xff', { mode: 0o000 });
    tree.file('gone/\xff/file', Buffer.from('abc'));
    symlinkSync(join(folder, 'kept'), join(folder, 'gone/link'));
    tree.finish();
    removeTree(diskPath(`${folder}/gone`));
    removeTree(join(folder, 'absent'));
    assert.deepEqual([...describeTree(folder).keys()].sort(), ['.', 'kept', 'kept/file']);
  }));
