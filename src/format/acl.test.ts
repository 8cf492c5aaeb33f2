import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { aclBytes, aclText } from './acl.js';

const names = {
  userName: (uid: number) => (uid === 1000 ? 'm\xfcller' : ''),
  groupName: (gid: number) => (gid === 100 ? 'us' : ''),
};
const ids = {
  userId: (name: string) => new Map([['m\xfcller', 1000]]).get(name),
  groupId: (name: string) => new Map([['us', 200]]).get(name),
};

function bytesOf(entries: [tag: number, rights: number, number: number][]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2);
  entries.forEach(([tag, rights, number], index) => {
    bytes.writeUInt16LE(tag, 4 + 8 * index);
    bytes.writeUInt16LE(rights, 6 + 8 * index);
    bytes.writeUInt32LE(number, 8 + 8 * index);
  });
  return bytes;
}

const none = 0xffff_ffff;
const sample = bytesOf([
  [1, 6, none],
  [2, 7, 1000],
  [2, 0, 4711],
  [4, 4, none],
  [8, 1, 100],
  [16, 7, none],
  [32, 0, none],
]);

test('the text has names where there are some, and numbers', () => {
  assert.equal(
    aclText(sample, names),
    'user::rw-\nuser:m\xfcller:rwx:1000\nuser:4711:---:4711\ngroup::r--\ngroup:us:--x:100\nmask::rwx\nother::---\n',
  );
});

test('names count for the numbers that they have here, unless numbers are asked for', () => {
  const text = aclText(sample, names) as string;
  assert.deepEqual(aclBytes(text, undefined), sample);
  const here = aclBytes(text, ids) as Buffer;
  assert.equal(here.readUInt32LE(4 + 8 * 4 + 4), 200);
  assert.equal(aclBytes('user:nobody here:rwx\n', ids), 'user nobody here is not known here');
});

test('texts of other programs are read: short, in any order, with remarks', () => {
  const text =
    'other::---,mask::rwx, user::rw-\ngroup::r--\t#effective:r--\ngroup:100:x\nuser:4711:,user:1000:rwx\n\n';
  assert.deepEqual(aclBytes(text, undefined), sample);
});

test('what is no ACL is refused', () => {
  for (const text of ['user', 'nobody::rwx', 'user::rwz', 'mask:name:rwx', 'user:x:rwx:99999999999']) {
    assert.equal(typeof aclBytes(text, undefined), 'string', text);
  }
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(4), sample.subarray(0, 10), bytesOf([[64, 7, none]])]) {
    assert.equal(aclText(bytes, names), undefined);
  }
});

test('any ACL comes back from its text, and any text gives an ACL or what is wrong', () => {
  const entry = fc.tuple(fc.constantFrom(2, 8), fc.nat(7), fc.nat(2 ** 32 - 2));
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ([tag, , number]) => `${tag}.${number}` }), (entries) => {
      const bytes = bytesOf(entries.sort((one, other) => one[0] - other[0] || one[2] - other[2]));
      const nameless = { userName: () => '', groupName: () => '' };
      assert.deepEqual(aclBytes(aclText(bytes, nameless) as string, undefined), bytes);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'user:grop,\n#0rwx-\xff') }), (text) => {
      const bytes = aclBytes(text, ids);
      assert.ok(typeof bytes === 'string' || bytes.length % 8 === 4);
    }),
  );
});

test('the system takes what a text gives', (t) => {
  const script = `
import os, sys, tempfile
with tempfile.NamedTemporaryFile() as file:
    try:
        os.setxattr(file.name, 'system.posix_acl_access', bytes.fromhex(sys.argv[1]))
    except OSError as error:
        sys.exit(77 if error.errno == 95 else str(error))
    sys.stdout.write(os.getxattr(file.name, 'system.posix_acl_access').hex())`;
  const run = spawnSync('python3', ['-c', script, sample.toString('hex')], { encoding: 'utf8' });
  if (run.error !== undefined || run.status === 77)
    return t.skip('no Python, or temporary files have no ACLs');
  assert.equal(run.stdout, sample.toString('hex'), run.stderr);
});
