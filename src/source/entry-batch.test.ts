import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EntryType } from '../base/attributes.js';
import { baseName, parentKey } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import { type EntryBatch, EntryBatchReader, EntryBatchWriter } from './entry-batch.js';
import { columns, writeRow } from './entry-rows.js';
import { Owners } from './owners.js';

/** Names for some ids; no program is asked for others. */
function testOwners(): Owners {
  const lists = { passwd: 'me:x:1000:1000::/:/bin/sh\n', group: 'us:x:100:\n' };
  return new Owners({ read: (database) => lists[database], ask: () => undefined });
}

const types: EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'char-device', 'block-device'];
const wide = fc.maxSafeNat();

function entriesIn(root: string) {
  const owners = testOwners();
  const entry = fc
    .record({
      key: fc.constantFrom('', 'a', 'a\0b', 'a\0\xff', '\n'),
      type: fc.constantFrom(...types),
      mode: fc.nat(0o7777),
      uid: fc.constantFrom(0, 1000, 2 ** 32 - 2),
      gid: fc.constantFrom(0, 100, 2 ** 32 - 2),
      mtimeSeconds: fc.maxSafeInteger().map((seconds) => seconds + 0),
      linkTarget: fc.constantFrom('to', '\xff/..', ''),
      deviceMajor: fc.nat(0xffffffff),
      deviceMinor: fc.nat(0xffffffff),
      sizeBytes: wide,
      device: wide,
      inode: fc.constantFrom(7, 2 ** 60),
      linkCount: fc.integer({ min: 1, max: 65000 }),
      changeTimeMs: fc.constantFrom(0, -5.25, 1_600_000_000_123.25),
    })
    .map(
      ({
        key,
        sizeBytes,
        device,
        inode,
        linkCount,
        changeTimeMs,
        linkTarget,
        type,
        ...rest
      }): SourceEntry => {
        const below = key.replaceAll('\0', '/');
        return {
          key,
          path: key === '' ? root : root === '/' ? `/${below}` : `${root}/${below}`,
          attributes: {
            ...rest,
            type,
            linkTarget: type === 'symlink' ? linkTarget : '',
            uname: owners.userName(rest.uid),
            gname: owners.groupName(rest.gid),
          },
          sizeBytes,
          device,
          inode,
          linkCount,
          changeTimeMs,
        };
      },
    );
  return fc.array(entry, { maxLength: 20 });
}

function packEntries(entries: readonly SourceEntry[], writer: EntryBatchWriter): EntryBatch {
  const rows = new Float64Array(2 * columns);
  for (const { key, ...entry } of entries) {
    writeRow(rows, columns, { key, ...entry });
    const { linkTarget } = entry.attributes;
    writer.add({ folderKey: parentKey(key), name: baseName(key), rows, rowAt: columns, linkTarget });
  }
  return writer.take();
}

describe('an EntryBatch', () => {
  it('holds all that its entries say, also when it went to another thread, and goes on where one ended', () => {
    for (const root of ['/', '/home/\xff', 'relative', '.']) {
      fc.assert(
        fc.property(entriesIn(root), fc.nat(20), (entries, cut) => {
          const writer = new EntryBatchWriter(20);
          const reader = new EntryBatchReader(root, testOwners());
          const read: SourceEntry[] = [];
          for (const part of [entries.slice(0, cut), entries.slice(cut)]) {
            const batch = packEntries(part, writer);
            const buffers = [batch.numbers.buffer, batch.keyLengths.buffer, batch.keyRests.buffer];
            reader.begin(structuredClone(batch, { transfer: buffers as ArrayBuffer[] }));
            while (reader.next()) read.push(reader.entry());
          }
          assert.deepEqual(read, entries);
        }),
        { numRuns: 50 },
      );
    }
  });

  it('holds keys longer than any usual one', () => {
    const writer = new EntryBatchWriter(2);
    const reader = new EntryBatchReader('/', testOwners());
    const keys = ['a', 'b'].map((letter) => Array(300).fill(letter.repeat(250)).join('\0'));
    const entries = keys.map((key) => ({ ...someEntry, key, path: `/${key.replaceAll('\0', '/')}` }));
    reader.begin(packEntries(entries, writer));
    assert.ok(reader.next());
    assert.deepEqual(reader.entry(), entries[0]);
    assert.ok(reader.next());
    assert.deepEqual(reader.entry(), entries[1]);
    assert.ok(!reader.next());
  });
});

const someEntry: SourceEntry = {
  key: '',
  path: '',
  attributes: {
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 100,
    uname: 'me',
    gname: 'us',
    mtimeSeconds: 1,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
  },
  sizeBytes: 2,
  device: 3,
  inode: 4,
  linkCount: 1,
  changeTimeMs: 5,
};
