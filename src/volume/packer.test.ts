import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatDifftarName, parseDifftarName } from '../format/difftar.js';
import { TarReader } from '../format/tar/read.js';
import { formatRecords, mostRecordsBytes } from '../format/tar/records.js';
import {
  attributes,
  type Block,
  blocksOf,
  blocksOfEntries,
  dataReader,
  entriesInOrder,
  fileEntry,
  lentPieces,
  packEntry,
  type TestEntry,
} from './blocks.fixture.js';
import { BlockPacker, largestBlockBytes, PiecesMissing } from './packer.js';

const blockSizeBytes = 65_536;

interface ReadBlock {
  name: string;
  data: Buffer;
  type: string;
  records?: string;
}

async function readBlocks(blocks: readonly Block[]): Promise<ReadBlock[]> {
  const tar = new TarReader(lentPieces(Buffer.concat(blocks.map(({ bytes }) => bytes))), 'test');
  const read: ReadBlock[] = [];
  for (let header = await tar.next(); header !== undefined; header = await tar.next()) {
    read.push({
      name: header.name,
      data: Buffer.from(await tar.readBody(header.sizeBytes)),
      type: header.type,
      ...(header.records !== undefined && { records: header.records }),
    });
  }
  return read;
}

/** The entries that the format asks for, made the slow and simple way. */
function expectedBlocks(entry: TestEntry): ReadBlock[] {
  const { key, kind, data } = entry;
  const { type } = entry.attributes;
  const whole = (isDirectory: boolean) => formatDifftarName(kind, key, isDirectory);
  if (kind === 'deleted') return [{ name: whole(false), data, type: 'file' }];
  if (type !== 'file') return [{ name: whole(type === 'directory'), data, type }];
  if (data.length < blockSizeBytes) return [{ name: whole(false), data, type }];
  return Array.from({ length: Math.floor(data.length / blockSizeBytes) + 1 }, (_, i) => ({
    name: formatDifftarName(kind, key, false, i + 1),
    data: data.subarray(i * blockSizeBytes, (i + 1) * blockSizeBytes),
    type,
  }));
}

describe('BlockPacker', () => {
  it('packs a set as a tar that reads back the same, whatever the slots and the sizes expected', async () => {
    const slotBytes = fc.integer({ min: largestBlockBytes, max: 4 * largestBlockBytes });
    const hints = fc.array(fc.constantFrom(0, 65_535, 65_536, 1_000_000), { minLength: 8, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(entriesInOrder, slotBytes, hints, async (entries, slot, sizeHints) => {
        const blocks = blocksOf((packer) => {
          for (const [i, entry] of entries.entries()) packEntry(packer, entry, sizeHints[i]);
        }, slot);
        assert.deepEqual(await readBlocks(blocks), entries.flatMap(expectedBlocks));
        for (const { key, piece, bytes } of blocks) {
          const [only, ...more] = await readBlocks([{ key, piece, bytes }]);
          assert.deepEqual(more, []);
          const name = parseDifftarName(only!.name);
          assert.equal(name.key, key);
          const isLast = only!.data.length < blockSizeBytes;
          assert.equal(piece, isLast ? 0 : name.piece);
          const paddingBytes = (512 - (only!.data.length % 512)) % 512;
          assert.ok(bytes.subarray(bytes.length - paddingBytes).every((byte) => byte === 0));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('names pieces for data that fills a block, and ends with an empty one', async () => {
    const names = async (size: number) =>
      (await readBlocks(blocksOfEntries([fileEntry('f', Buffer.alloc(size))]))).map(
        ({ name, data }) => `${name} ${data.length}`,
      );
    assert.deepEqual(await names(0), ['snapshot/f 0']);
    assert.deepEqual(await names(65_535), ['snapshot/f 65535']);
    assert.deepEqual(await names(65_536), ['multivol_snapshot/f/1 65536', 'multivol_snapshot/f/2 0']);
    assert.deepEqual(await names(65_537), ['multivol_snapshot/f/1 65536', 'multivol_snapshot/f/2 1']);
  });

  it('moves the data where a file shrank or grew to another kind of name, and the header with it', async () => {
    // `snapshot/` and 89 more fit a header block, `multivol_snapshot/` and as many do not.
    const key = 'k'.repeat(89);
    for (const [expectedSize, size] of [
      [10, 65_536],
      [70_000, 10],
      [65_535, 65_536],
      [65_536, 65_535],
    ] as const) {
      const entry = fileEntry(key, Buffer.alloc(size, 'x'));
      const blocks = blocksOf((packer) => packEntry(packer, entry, expectedSize));
      assert.deepEqual(await readBlocks(blocks), expectedBlocks(entry));
    }
  });

  it('gives records to the first piece alone, also the longest ones', async () => {
    const records = formatRecords([['SCHILY.xattr.user.a', 'v'.repeat(mostRecordsBytes - 40)]]);
    const files = ['a', 'b', 'c'].map((key) => ({ ...fileEntry(key, Buffer.alloc(70_000)) }));
    for (const file of files) file.attributes = { ...file.attributes, records };
    const blocks = blocksOfEntries([...files, fileEntry('d', 'without')], 1024 * 1024);
    assert.deepEqual(
      (await readBlocks(blocks)).map((block) => `${block.name} ${block.records === records}`),
      [
        ...['a', 'b', 'c'].flatMap((key) => [
          `multivol_snapshot/${key}/1 true`,
          `multivol_snapshot/${key}/2 false`,
        ]),
        'snapshot/d false',
      ],
    );
    assert.equal((await readBlocks(blocks)).filter((block) => block.records !== undefined).length, 3);
  });

  it('packs nothing of a file that cannot be read at all', async () => {
    const blocks = blocksOf((packer) => {
      packEntry(packer, fileEntry('a', 'first'));
      const unreadable = () => {
        throw new Error('no permission');
      };
      assert.throws(() => packer.addFile('snapshot', 'b', attributes(), 10, unreadable), {
        message: 'no permission',
      });
      packEntry(packer, fileEntry('c', 'third'));
      assert.equal(packer.dataBytes, 10);
    });
    assert.deepEqual(
      (await readBlocks(blocks)).map(({ name }) => name),
      ['snapshot/a', 'snapshot/c'],
    );
  });

  it('counts data without headers and padding', () => {
    blocksOf((packer) => {
      packer.addEntry('', attributes({ type: 'directory' }));
      packer.addDeleted('a');
      packer.addFile('diff', 'b', attributes(), 0, dataReader(Buffer.alloc(100_001)));
      assert.equal(packer.dataBytes, 100_001);
    });
  });

  it('hands over a batch when the slot has no room for the largest block, and when asked to', () => {
    const batches: string[][] = [];
    let taken = 0;
    const take = () => ({ index: taken++, bytes: Buffer.alloc(largestBlockBytes + 1024) });
    const packer = new BlockPacker({ take }, ({ slot, keys }) => batches.push([`${slot}`, ...keys]));
    packer.flush();
    assert.deepEqual([taken, batches], [0, []]);
    for (const key of ['a', 'b', 'c', 'd', 'e']) packer.addDeleted(key);
    packer.flush();
    packer.flush();
    packer.addDeleted('f');
    packer.flush();
    assert.deepEqual(batches, [
      ['0', 'a', 'b', 'c'],
      ['1', 'd', 'e'],
      ['2', 'f'],
    ]);
  });

  it('gives the format what it cannot hold in the nearest form', async () => {
    const [block] = blocksOfEntries([
      { ...fileEntry('f', ''), attributes: attributes({ mtimeSeconds: -5, uid: 2 ** 32 - 1 }) },
    ]);
    const header = await new TarReader(lentPieces(block!.bytes), 'test').next();
    assert.equal(header?.mtimeSeconds, 0);
    assert.equal(header?.uid, 2 ** 32 - 1);
  });

  it('goes on with a file behind pieces that are stored: together they are all of its blocks', () => {
    const sizes = fc.constantFrom(65_536, 65_537, 131_071, 131_072, 200_000, 262_144);
    fc.assert(
      fc.property(
        sizes,
        fc.nat(4),
        fc.constantFrom('snapshot' as const, 'diff' as const),
        (size, done, kind) => {
          const data = Buffer.alloc(size, 'some data ');
          const whole = blocksOf((packer) => packer.addFile(kind, 'f', attributes(), size, dataReader(data)));
          const goOn = () =>
            blocksOf((packer) => packer.continueFile(kind, 'f', attributes(), done, dataReader(data)));
          // The last piece is never one behind which there is more to come.
          if (done >= whole.length) assert.throws(goOn, PiecesMissing);
          else assert.deepEqual(goOn(), whole.slice(done));
        },
      ),
    );
  });
});
