import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { XattrCalls } from '../base/xattrs.js';
import { accessAcl, allKinds, defaultAcl, formatRecords, type RecordKinds } from '../format/tar/records.js';
import { RecordWriter } from './record-writer.js';

/** A writer, what it has done, and what it has told. `errors` has the code with which a name fails. */
function writerOf(kinds: Partial<RecordKinds> = {}, errors: Record<string, string> = {}, has: string[] = []) {
  const done: string[] = [];
  const told: string[] = [];
  const fail = (name: string) => {
    if (errors[name] !== undefined) throw Object.assign(new Error(errors[name]), { code: errors[name] });
  };
  const calls: XattrCalls = {
    names: () => {
      fail('names');
      return has;
    },
    value: () => assert.fail(),
    set: (target, name, value) => {
      fail(name);
      done.push(`${target} ${name}=${Buffer.from(value).toString('hex')}`);
    },
    remove: (target, name) => {
      fail(name);
      done.push(`${target} -${name}`);
    },
  };
  const options = { ...allKinds, ...kinds, ids: undefined };
  const onLeftOut = (key: string, what: string, why: string) => told.push(`${key}: ${what} (${why})`);
  return { writer: new RecordWriter({ ...options, calls, onLeftOut }), done, told, options, onLeftOut };
}

const records = formatRecords([
  ['SCHILY.xattr.user.a%3D', 'x\0'],
  ['SCHILY.xattr.security.capability', 'c'],
  ['SCHILY.xattr.security.selinux', 'label'],
  ['SCHILY.xattr.system.posix_acl_access', 'raw'],
  ['SCHILY.acl.access', 'user::rwx\n'],
  ['SCHILY.acl.default', 'user::r--\n'],
  ['TUNDRA.hardlink', '0:1'],
]);

describe('RecordWriter', () => {
  it('sets attributes that are kept, and ACLs, each if asked to', () => {
    const { writer, done, told } = writerOf();
    writer.setXattrs('k', 3, records, true);
    assert.deepEqual(done.splice(0), ['3 security.capability=63', '3 user.a==7800']);
    writer.setAcls('k', '/path', records);
    assert.deepEqual(done.splice(0), [
      `/path ${accessAcl}=0200000001000700ffffffff`,
      `/path ${defaultAcl}=0200000001000400ffffffff`,
    ]);
    writer.setXattrs('k', 3, undefined, true);
    writer.setAcls('k', 3, undefined);
    assert.deepEqual([done, told], [[], []]);
    const neither = writerOf({ xattrs: false, acls: false });
    neither.writer.setXattrs('k', 3, records, true);
    neither.writer.setAcls('k', 3, records);
    neither.writer.removeAcl('k', 3);
    assert.equal(neither.writer.enterDirectory('/d', { isNew: true, isKept: false }), false);
    assert.deepEqual(neither.done, []);
  });

  it('gives no capabilities to what has another owner', () => {
    const { writer, done, told } = writerOf();
    writer.setXattrs('k', 3, records, false);
    assert.deepEqual(done, ['3 user.a==7800']);
    assert.deepEqual(told, ['k: capabilities (the owner was not restored)']);
  });

  it('tells what cannot be set, and goes on', () => {
    const { writer, done, told } = writerOf({}, { 'user.a=': 'ENOTSUP', [accessAcl]: 'EINVAL' });
    writer.setXattrs('k', 3, records, true);
    writer.setAcls('k', 3, records);
    assert.equal(done.length, 2);
    assert.deepEqual(told, ['k: user.* attributes (the file system has none)', 'k: ACLs (EINVAL)']);
  });

  it('tells of records that nobody can set', () => {
    const { writer, done, told } = writerOf();
    writer.setXattrs('k', 3, formatRecords([['SCHILY.xattr.user.a\0b', '']]), true);
    writer.setAcls('k', 3, formatRecords([['SCHILY.acl.access', 'user:nobody here:rwx']]));
    assert.deepEqual(done, []);
    assert.deepEqual(told, [
      'k: user.* attributes (a name holds a NUL)',
      'k: ACLs (user nobody here is not known here)',
    ]);
  });

  it('tells that there are no calls, for what was recorded only', () => {
    const { options, onLeftOut, told } = writerOf();
    const writer = new RecordWriter({ ...options, calls: undefined, onLeftOut });
    writer.setXattrs('k', 3, formatRecords([['TUNDRA.hardlink', '0:1']]), true);
    writer.removeAcl('k', 3);
    assert.equal(writer.enterDirectory('/d', { isNew: false, isKept: false }), false);
    assert.deepEqual(told, []);
    writer.setXattrs('k', 3, formatRecords([['SCHILY.xattr.user.a', '']]), true);
    writer.setAcls('k', 3, formatRecords([['SCHILY.acl.access', 'user::rwx']]));
    assert.equal(told.length, 2);
  });

  it('takes from a directory what would be inherited, but for one that the backup does not hold', () => {
    const both = [accessAcl, defaultAcl];
    const made = writerOf({}, {}, both);
    assert.equal(made.writer.enterDirectory('/d', { isNew: true, isKept: true }), false);
    assert.deepEqual(made.done, [`/d -${accessAcl}`, `/d -${defaultAcl}`]);
    const there = writerOf({}, {}, both);
    assert.equal(there.writer.enterDirectory('/d', { isNew: false, isKept: false }), false);
    assert.deepEqual(there.done, [`/d -${defaultAcl}`]);
    const kept = writerOf({}, {}, both);
    assert.equal(kept.writer.enterDirectory('/d', { isNew: false, isKept: true }), true);
    assert.deepEqual(kept.done, []);
    const without = writerOf({}, { names: 'ENOTSUP', [accessAcl]: 'ENOTSUP' });
    assert.equal(without.writer.enterDirectory('/d', { isNew: true, isKept: false }), false);
    without.writer.removeAcl('k', 3);
    assert.deepEqual(without.told, []);
    // Where nobody knows, it may inherit.
    assert.equal(
      writerOf({}, { names: 'EACCES' }).writer.enterDirectory('/d', { isNew: true, isKept: false }),
      true,
    );
  });
});
