import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EntryType } from '../base/attributes.js';
import type { SourceEntry } from './entry.js';
import { type EntryBatch, EntryBatchWriter, unpackEntries } from './entry-batch.js';
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

function packEntries(entries: readonly SourceEntry[]): EntryBatch {
  const writer = new EntryBatchWriter(20);
  const rows = new Float64Array(2 * columns);
  for (const entry of entries) {
    writeRow(rows, columns, entry);
    writer.add({ key: entry.key, rows, rowAt: columns, linkTarget: entry.attributes.linkTarget });
  }
  return writer.take();
}

describe('an EntryBatch', () => {
  it('holds all that its entries say, also when it went to another thread', () => {
    for (const root of ['/', '/home/\xff', 'relative', '.']) {
      fc.assert(
        fc.property(entriesIn(root), (entries) => {
          const batch = packEntries(entries);
          const received = structuredClone(batch, { transfer: [batch.numbers.buffer as ArrayBuffer] });
          assert.deepEqual([...unpackEntries(received, root, testOwners())], entries);
        }),
        { numRuns: 50 },
      );
    }
  });
});
