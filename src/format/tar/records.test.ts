import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRecord, formatRecords, isVendorKey, parseRecords, xattrKey, xattrName } from './records.js';

const bytes = (least: number) =>
  fc.string({ unit: fc.integer({ min: least, max: 255 }).map((byte) => String.fromCharCode(byte)) });

test('records are parsed as they were formatted, ordered by key', () => {
  const records = fc.dictionary(bytes(1).map(xattrKey), bytes(0));
  fc.assert(
    fc.property(records, (given) => {
      const pairs = Object.entries(given);
      const text = formatRecords(pairs);
      assert.equal(text, formatRecords(pairs.reverse()));
      assert.deepEqual(
        [...parseRecords(text)],
        pairs.sort(([one], [other]) => (one < other ? -1 : 1)),
      );
    }),
  );
});

test("a record's length counts its own digits", () => {
  for (const size of [0, 1, 4, 5, 6, 93, 94, 95, 96, 991, 992, 993, 9988, 9989, 9990]) {
    const record = formatRecord('k', 'v'.repeat(size));
    assert.equal(record.slice(0, record.indexOf(' ')), String(record.length));
  }
});

test('any name of an attribute makes a key, and is found in it', () => {
  assert.equal(xattrKey('user.50%=half'), 'SCHILY.xattr.user.50%25%3Dhalf');
  fc.assert(
    fc.property(bytes(1), (name) => {
      const key = xattrKey(name);
      assert.ok(isVendorKey(key) && !key.includes('='));
      assert.equal(xattrName(key), name);
    }),
  );
  assert.equal(xattrName('SCHILY.acl.access'), undefined);
});
