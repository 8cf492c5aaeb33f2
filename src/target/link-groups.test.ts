import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Attributes } from '../base/attributes.js';
import { relink, sameContents } from './hard-links.js';
import { type Linked, LinkGroups, linkedEntries, linkedOf } from './link-groups.js';

const some: Attributes = {
  ...{ type: 'file', mode: 0o644, uid: 1, gid: 2, uname: 'u', gname: 'g', mtimeSeconds: 5 },
  ...{ linkTarget: '', deviceMajor: 0, deviceMinor: 0, records: 'r' },
};

describe('names of one file', () => {
  let folder: string;
  let count = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tundra-links-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const newPath = () => join(folder, String(count++));

  it('count by group, and by all of their attributes', () => {
    const { group, digest, key } = linkedOf('k', some, '0:1');
    assert.equal(key, 'k');
    assert.ok(Number.isSafeInteger(group) && group > 0);
    assert.equal(digest.length, 8);
    assert.deepEqual(linkedOf('k', { ...some }, '0:1'), { group, digest, key });
    assert.notEqual(linkedOf('k', some, '0:2').group, group);
    const others: Partial<Attributes>[] = [
      { type: 'fifo' },
      { mode: 0o600 },
      { uid: 9 },
      { gid: 9 },
      { uname: 'x' },
      { gname: 'x' },
      { mtimeSeconds: 6 },
      { linkTarget: 'x' },
      { deviceMajor: 1 },
      { deviceMinor: 1 },
      { records: 'other' },
    ];
    const digests = new Set(others.map((other) => linkedOf('k', { ...some, ...other }, '0:1').digest));
    assert.equal(digests.add(digest).size, others.length + 1);
  });

  it('are found by their group, the newest of it, however many there are', () => {
    const path = newPath();
    const groups = new LinkGroups(path);
    const digest = (i: number) => String(i).padStart(8, '0');
    const all: Linked[] = Array.from({ length: 20_000 }, (_, i) => ({
      key: `folder\0${i}\xff${'x'.repeat(i % 50 === 0 ? 5000 : 0)}`,
      group: 1 + (i % 9000) * 1024,
      digest: digest(i),
    }));
    const newest = new Map<number, Linked>();
    for (const [i, entry] of all.entries()) {
      groups.add(entry);
      newest.set(entry.group, entry);
      if (i % 37 === 0) assert.deepEqual(groups.find(entry.group), entry);
    }
    for (const [group, entry] of newest) assert.deepEqual(groups.find(group), entry);
    assert.equal(groups.find(7), undefined);
    groups.flush();
    assert.deepEqual([...linkedEntries(path)], all);
    groups.close();
    assert.deepEqual(readdirSync(folder), [path.slice(folder.length + 1)]);
    rmSync(path);
  });

  it('leave no file where there are none', () => {
    const path = newPath();
    const groups = new LinkGroups(path);
    assert.equal(groups.find(1), undefined);
    groups.flush();
    groups.close();
    assert.ok(!existsSync(path));
    assert.deepEqual([...linkedEntries(path)], []);
  });

  it('are the same only byte by byte, and with the same type', () => {
    const at = newPath();
    mkdirSync(at);
    const file = (name: string, bytes: Buffer) => {
      writeFileSync(join(at, name), bytes);
      return join(at, name);
    };
    const large = Buffer.alloc(300_000, 1);
    const one = file('one', large);
    assert.ok(sameContents(one, file('other', large)));
    for (const place of [0, 131_072, 299_999]) {
      const changed = Buffer.from(large);
      changed[place] = 2;
      assert.ok(!sameContents(one, file('changed', changed)), `${place}`);
    }
    assert.ok(!sameContents(one, file('shorter', large.subarray(1))));
    symlinkSync('one', join(at, 'link'));
    assert.ok(!sameContents(one, join(at, 'link')));
    assert.ok(sameContents(file('empty', Buffer.alloc(0)), file('empty too', Buffer.alloc(0))));
  });

  it('are made one without a trace in their folders, also in a closed one', () => {
    const at = newPath();
    mkdirSync(join(at, 'closed'), { recursive: true });
    const [one, other, different] = [join(at, 'one'), join(at, 'closed/other'), join(at, 'closed/different')];
    writeFileSync(one, 'same');
    writeFileSync(other, 'same');
    writeFileSync(different, 'diff');
    chmodSync(join(at, 'closed'), 0o500);
    utimesSync(join(at, 'closed'), 1_000_000, 2_000_000);
    for (let round = 0; round < 2; round++) {
      relink(one, other, join(at, 'closed/temporary'));
      relink(one, different, join(at, 'closed/temporary'));
      relink(join(at, 'missing'), other, join(at, 'closed/temporary'));
      assert.equal(lstatSync(one).ino, lstatSync(other).ino);
      const { mode, mtimeMs } = lstatSync(join(at, 'closed'));
      assert.deepEqual([mode & 0o777, mtimeMs], [0o500, 2_000_000_000]);
      assert.deepEqual(readdirSync(join(at, 'closed')), ['different', 'other']);
      assert.equal(readFileSync(different, 'utf8'), 'diff');
    }
    chmodSync(join(at, 'closed'), 0o700);
    linkSync(one, join(at, 'third'));
    assert.equal(lstatSync(other).nlink, 3);
  });
});
