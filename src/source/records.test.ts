import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { XattrCalls } from '../base/xattrs.js';
import { allKinds, formatRecords, mostRecordsBytes, type RecordKinds } from '../format/tar/records.js';
import type { SourceEntry } from './entry.js';
import { RecordReader } from './records.js';

const old = 1_000_000_000_000;

function entryOf(values: Partial<SourceEntry> = {}): SourceEntry {
  const attributes = {
    type: 'file' as const,
    mode: 0,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    mtimeSeconds: 0,
  };
  return {
    key: 'file',
    path: '/source/file',
    attributes: { ...attributes, linkTarget: '', deviceMajor: 0, deviceMinor: 0 },
    ...{ sizeBytes: 0, device: 5, inode: 255, linkCount: 1, changeTimeMs: old },
    ...values,
  };
}

/** Calls that answer from a list, and note what was asked. */
function callsOf(
  attributes: Record<string, string | undefined>,
  error?: string,
): XattrCalls & { asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    asked,
    names: (target, follow) => {
      asked.push([target, follow]);
      if (error !== undefined) throw Object.assign(new Error(error), { code: error });
      return Object.keys(attributes);
    },
    value: (_, name) => {
      const value = attributes[name];
      return value === undefined ? undefined : Buffer.from(value, 'latin1');
    },
    set: () => assert.fail(),
    remove: () => assert.fail(),
  };
}

function readerOf(calls: XattrCalls | undefined, kinds: Partial<RecordKinds> = {}, followLinks = false) {
  const warnings: string[] = [];
  const reader = new RecordReader({
    ...{ ...allKinds, ...kinds },
    ...{ calls, followLinks, rootDevice: 5 },
    owners: { userName: () => '', groupName: () => '' },
    onWarning: (key, text) => warnings.push(`${key}: ${text}`),
  });
  return { reader, warnings };
}

const minimalAcl = Buffer.from('0200000001000600ffffffff', 'hex').toString('latin1');
const attributes = {
  'user.b': '\0\xff',
  'user.a=': 'x',
  'trusted.t': '',
  'user.gone': undefined,
  'security.capability': 'cap',
  'security.selinux': 'label',
  'system.posix_acl_access': minimalAcl,
  'system.nfs4_acl': 'other',
};
const xattrs: [string, string][] = [
  ['SCHILY.xattr.security.capability', 'cap'],
  ['SCHILY.xattr.trusted.t', ''],
  ['SCHILY.xattr.user.a%3D', 'x'],
  ['SCHILY.xattr.user.b', '\0\xff'],
];
const acls: [string, string][] = [['SCHILY.acl.access', 'user::rw-\n']];
const link: [string, string][] = [['TUNDRA.hardlink', '0:ff']];

describe('RecordReader', () => {
  it("gives users' attributes, capabilities, ACLs and hard links, each if asked to", () => {
    const entry = entryOf({ linkCount: 2 });
    const calls = callsOf(attributes);
    assert.equal(readerOf(calls).reader.read(entry), formatRecords([...xattrs, ...acls, ...link]));
    assert.equal(readerOf(calls, { xattrs: false }).reader.read(entry), formatRecords([...acls, ...link]));
    assert.equal(readerOf(calls, { acls: false }).reader.read(entry), formatRecords([...xattrs, ...link]));
    assert.equal(
      readerOf(calls, { hardLinks: false }).reader.read(entry),
      formatRecords([...xattrs, ...acls]),
    );
    assert.equal(readerOf(undefined).reader.read(entry), formatRecords(link));
    assert.equal(readerOf(callsOf({})).reader.read(entryOf()), undefined);
  });

  it('asks an open file, or a path as the walk has it', () => {
    const calls = callsOf({});
    readerOf(calls).reader.read(entryOf(), 7);
    readerOf(calls).reader.read(entryOf());
    readerOf(calls, {}, true).reader.read(entryOf());
    assert.deepEqual(calls.asked, [
      [7, false],
      ['/source/file', false],
      ['/source/file', true],
    ]);
  });

  it('names what several names share by device and inode, the device of the source by 0', () => {
    const { reader } = readerOf(callsOf({}));
    const linked = (values: Partial<SourceEntry>) => reader.read(entryOf({ linkCount: 3, ...values }));
    assert.equal(linked({ device: 16 }), formatRecords([['TUNDRA.hardlink', '10:ff']]));
    assert.equal(linked({ linkCount: 1 }), undefined);
    assert.equal(linked({ attributes: { ...entryOf().attributes, type: 'directory' } }), undefined);
  });

  it('asks a file system without attributes once', () => {
    const calls = callsOf({}, 'ENOTSUP');
    const { reader, warnings } = readerOf(calls);
    for (const device of [5, 5, 6, 5]) assert.equal(reader.read(entryOf({ device })), undefined);
    assert.equal(calls.asked.length, 2);
    assert.deepEqual(warnings, []);
  });

  it('tells what it cannot read, but not of what is gone', () => {
    const refused = readerOf(callsOf({}, 'EACCES'));
    assert.equal(refused.reader.read(entryOf()), undefined);
    assert.deepEqual(refused.warnings, ['file: extended attributes cannot be read: EACCES']);
    const gone = readerOf(callsOf({}, 'ENOENT'));
    assert.equal(gone.reader.read(entryOf()), undefined);
    assert.deepEqual(gone.warnings, []);
  });

  it('leaves out and tells more than a reader need take', () => {
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`user.${i}`, 'v'.repeat(65_536)]));
    const { reader, warnings } = readerOf(callsOf(many));
    assert.equal(reader.read(entryOf({ linkCount: 2 })), formatRecords(link));
    assert.deepEqual(warnings, [
      `file: extended attributes are left out: more than ${mostRecordsBytes} bytes`,
    ]);
  });

  it('need not read what has kept its change time', () => {
    const calls = callsOf({ 'user.a': 'now' });
    const { reader } = readerOf(calls);
    const known = {
      attributes: { records: formatRecords([['SCHILY.xattr.user.a', 'then']]) },
      changeTimeMs: old,
    };
    assert.equal(reader.isSame(entryOf(), known), true);
    assert.equal(calls.asked.length, 0);
    assert.equal(reader.isSame(entryOf({ changeTimeMs: old + 0.25 }), known), false);
    assert.equal(reader.isSame(entryOf({ changeTimeMs: 0 }), { ...known, changeTimeMs: 0 }), false);
  });

  it('compares only what it reads', () => {
    const known = { attributes: { records: formatRecords([...xattrs, ...acls, ...link]) }, changeTimeMs: 0 };
    const entry = entryOf({ linkCount: 2 });
    assert.equal(readerOf(callsOf(attributes)).reader.isSame(entry, known), true);
    assert.equal(readerOf(callsOf({})).reader.isSame(entry, known), false);
    assert.equal(readerOf(undefined).reader.isSame(entry, known), true);
    assert.equal(readerOf(undefined, { hardLinks: false }).reader.isSame(entryOf(), known), true);
    const { reader } = readerOf(callsOf({ 'user.b': '\0\xff' }), { acls: false });
    assert.equal(reader.isSame(entry, known), false);
    assert.equal(reader.ofThese(formatRecords([...acls])), undefined);
  });

  it('notes a change time only where all was read and no change can hide in it', () => {
    const { reader } = readerOf(callsOf({}));
    const known = { attributes: {}, changeTimeMs: old };
    assert.equal(reader.knownChangeTime(entryOf()), old);
    assert.equal(reader.knownChangeTime(entryOf({ changeTimeMs: Date.now() })), 0);
    assert.equal(reader.newChangeTime(entryOf(), known), 0);
    assert.equal(reader.newChangeTime(entryOf({ changeTimeMs: old + 1 }), known), old + 1);
    for (const kind of ['xattrs', 'acls', 'hardLinks']) {
      assert.equal(readerOf(callsOf({}), { [kind]: false }).reader.knownChangeTime(entryOf()), 0, kind);
    }
    assert.equal(readerOf(undefined).reader.knownChangeTime(entryOf()), 0);
  });
});
