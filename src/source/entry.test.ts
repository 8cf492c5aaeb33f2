import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { describe, it } from 'node:test';
import { deviceMajor, deviceMinor, mtimeSeconds, readEntry, type SourceEntry } from './entry.js';
import { Owners } from './owners.js';
import { setMtime, testFolder, testTree } from './tree.fixture.js';

const owners = new Owners({ read: () => 'someone:x:0:\n', ask: () => undefined });

function read(path: string, followLinks = false): SourceEntry {
  const found = readEntry('k', path, owners, followLinks);
  assert.ok(typeof found !== 'string', String(found));
  return found;
}

describe('mtimeSeconds', () => {
  const cases: [nanoseconds: bigint, seconds: number][] = [
    [0n, 0],
    [-500_000_000n, 0],
    [-1n, 0],
    [-1_000_000_000n, -1],
    [-1_500_000_000n, -1],
    [-3_000_000_000_250_000_000n, -3_000_000_000],
    [1_700_000_000_999_999_000n, 1_700_000_000],
    // A double has no room for these nines: the peer rounds up.
    [1_700_000_000_999_999_999n, 1_700_000_001],
    [2_150_000_000_999_999_830n, 2_150_000_001],
    [4_000_000_000_999_999_000n, 4_000_000_000],
    [253_402_300_800_000_000_000n, 253_402_300_800],
  ];
  for (const [mtimeNs, seconds] of cases) {
    it(`makes ${seconds} of ${mtimeNs} ns`, () => assert.ok(Object.is(mtimeSeconds({ mtimeNs }), seconds)));
  }
});

it('unpacks device numbers', () => {
  const pack = (major: bigint, minor: bigint) =>
    (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
  const pairs: [bigint, bigint][] = [
    [0n, 0n],
    [1n, 3n],
    [8n, 255n],
    [0xfffn, 0xfffffn],
    [0x1000n, 0x100n],
    [0xffff_ffffn, 0xffff_ffffn],
  ];
  for (const [major, minor] of pairs) {
    const packed = pack(major, minor);
    assert.deepEqual([deviceMajor(packed), deviceMinor(packed)], [Number(major), Number(minor)]);
  }
  assert.deepEqual([deviceMajor(0x103n), deviceMinor(0x103n)], [1, 3]);
});

describe('readEntry', () => {
  it('tells the types apart', (t) => {
    const root = testTree(t, {
      f: 'file',
      d: 'directory',
      p: 'fifo',
      l: { link: '\xff\n\xc3\xa9' },
      m: { link: 'f' },
    });
    assert.equal(read(`${root}/f`).attributes.type, 'file');
    assert.equal(read(`${root}/f`).sizeBytes, 1);
    assert.equal(read(`${root}/d`).attributes.type, 'directory');
    assert.equal(read(`${root}/p`).attributes.type, 'fifo');
    assert.equal(read(`${root}/l`).attributes.type, 'symlink');
    assert.equal(read(`${root}/l`).attributes.linkTarget, '\xff\n\xc3\xa9');
    assert.equal(read(`${root}/m`, true).attributes.type, 'file');
    assert.equal(read(`${root}/m`, true).attributes.linkTarget, '');
    assert.equal(readEntry('k', `${root}/none`, owners, false), 'gone');
    assert.equal(readEntry('k', `${root}/f/none`, owners, false), 'gone');
    assert.equal(readEntry('k', `${root}/l`, owners, true), 'gone');
  });

  it('reads permission bits and mtimes on both sides of 1970 and 2038', (t) => {
    const root = testTree(t, { f: 'file' });
    chmodSync(`${root}/f`, 0o6755);
    for (const seconds of [-86_400.5, -1, 0, 1_700_000_000.999, 4_000_000_000.999]) {
      setMtime(`${root}/f`, seconds);
      const { attributes } = read(`${root}/f`);
      assert.equal(attributes.mtimeSeconds, Math.trunc(seconds));
      assert.equal(attributes.mode, 0o6755);
    }
  });

  it('reads device numbers', (t) => {
    const root = testFolder(t);
    const devices: [letter: string, type: string, major: number, minor: number][] = [
      ['c', 'char-device', 1, 3],
      ['b', 'block-device', 259, 300],
      ['c', 'char-device', 4095, 1_048_575],
    ];
    for (const [letter, type, major, minor] of devices) {
      const path = `${root}/${major}-${minor}`;
      if (spawnSync('mknod', [path, letter, String(major), String(minor)]).status !== 0) {
        t.skip('needs the right to make device files');
        return;
      }
      const { attributes } = read(path);
      assert.deepEqual(
        [attributes.type, attributes.deviceMajor, attributes.deviceMinor],
        [type, major, minor],
      );
    }
  });
});
