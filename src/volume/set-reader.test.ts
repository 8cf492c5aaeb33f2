import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { isWithin, type PathKey } from '../base/path-key.js';
import {
  type Block,
  blocksOfEntries,
  collect,
  deletedEntry,
  entriesInOrder,
  fileEntry,
  lentPieces,
  type TestEntry,
} from './blocks.fixture.js';
import { type NeededVolume, SetReader } from './set-reader.js';

interface TestVolume extends NeededVolume {
  bytes: Buffer;
}

const pieceBytes = 65_536;

/** Volumes that end behind these blocks. */
function inVolumes(blocks: readonly Block[], ends: readonly number[]): TestVolume[] {
  const bounds = [...new Set([...ends.map((end) => Math.min(end, blocks.length)), blocks.length])].sort(
    (a, b) => a - b,
  );
  let from = 0;
  const volumes: TestVolume[] = [];
  for (const to of bounds) {
    if (to === from) continue;
    const part = blocks.slice(from, to);
    const number = volumes.length + 1;
    const bytes = Buffer.concat(part.map(({ bytes }) => bytes));
    volumes.push({ number, name: `vol${number}`, startKey: part[0]!.key, bytes });
    from = to;
  }
  return volumes;
}

/** A reader that notes what was opened and closed. */
function readerOf(
  volumes: readonly TestVolume[],
  wanted: PathKey = '',
  stream: (volume: TestVolume) => ByteStream = ({ bytes }) => lentPieces(bytes),
) {
  const opened: number[] = [];
  const closed: number[] = [];
  const reader = new SetReader(0, volumes, wanted, async (volume) => {
    opened.push(volume.number);
    return { bytes: stream(volume), close: async () => void closed.push(volume.number) };
  });
  return { reader, opened, closed };
}

/** Goes on to the next entry, over the bounds of volumes. */
async function nextEntry(reader: SetReader<TestVolume>) {
  do await reader.advance();
  while (reader.entry === undefined && reader.key !== undefined);
  return reader.entry;
}

/** How an entry's data is read. */
type Reading = 'all' | 'buffered' | 'some' | 'none';

async function read(reader: SetReader<TestVolume>, how: Reading): Promise<Buffer | undefined> {
  if (how === 'none') return undefined;
  if (how === 'buffered') {
    const data = reader.bufferedData();
    return data === undefined ? undefined : Buffer.from(data);
  }
  if (how === 'all') return collect(reader.data());
  for await (const _ of reader.data()) break;
  return undefined;
}

const isPresent = ({ key, kind, attributes }: TestEntry) => [
  key,
  kind,
  kind === 'deleted' ? 'file' : attributes.type,
];

describe('SetReader', () => {
  it('gives back the entries of a set, however it is cut and read', async () => {
    const readings = fc.array(fc.constantFrom<Reading>('all', 'buffered', 'some', 'none'), {
      minLength: 8,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(
        entriesInOrder,
        fc.array(fc.nat(20), { maxLength: 5 }),
        fc.integer({ min: 300, max: 200_000 }),
        readings,
        fc.nat(),
        async (entries, ends, chunk, how, choice) => {
          const wanted = entries.length === 0 || choice % 2 ? '' : entries[choice % entries.length]!.key;
          const expected = entries.filter(({ key }) => isWithin(key, wanted));
          const volumes = inVolumes(blocksOfEntries(entries), ends);
          const { reader, opened, closed } = readerOf(volumes, wanted, ({ bytes }) =>
            lentPieces(bytes, chunk),
          );
          for (const [i, entry] of expected.entries()) {
            const found = await nextEntry(reader);
            assert.equal(found?.key, reader.key);
            assert.deepEqual([found?.key, found?.kind, found?.header.type], isPresent(entry));
            const data = await read(reader, how[i]!);
            if (data !== undefined) assert.ok(data.equals(entry.data));
          }
          assert.equal(await nextEntry(reader), undefined);
          await reader.close();
          assert.deepEqual(closed, opened);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('knows only a bound until it is asked to go on, and at the end of each volume', async () => {
    const blocks = blocksOfEntries([fileEntry('b', '1'), fileEntry('c', '2'), deletedEntry('d')]);
    const { reader, opened } = readerOf(inVolumes(blocks, [1]));
    assert.deepEqual([reader.key, reader.entry, opened], ['b', undefined, []]);
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry?.kind, opened], ['b', 'snapshot', [1]]);
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry, opened], ['c', undefined, [1]]);
    await reader.advance();
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry?.kind, opened], ['d', 'deleted', [1, 2]]);
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry], [undefined, undefined]);
    await reader.advance();
    assert.equal(reader.key, undefined);
  });

  it('has the wanted path for a bound where a volume begins before it', () => {
    const volumes = inVolumes(blocksOfEntries([fileEntry('a', ''), fileEntry('c', '')]), [1]);
    assert.equal(readerOf(volumes, 'b').reader.key, 'b');
    assert.equal(readerOf(volumes.slice(1), 'b').reader.key, 'c');
    assert.equal(readerOf([], 'b').reader.key, undefined);
  });

  it('opens no volume behind the wanted path', async () => {
    const entries = ['a', 'b', 'b\0x', 'b-', 'c'].map((key) => fileEntry(key, key));
    const { reader, opened } = readerOf(inVolumes(blocksOfEntries(entries), [1, 2, 3, 4]), 'b');
    assert.equal((await nextEntry(reader))?.key, 'b');
    assert.equal((await nextEntry(reader))?.key, 'b\0x');
    assert.equal(await nextEntry(reader), undefined);
    assert.deepEqual(opened, [1, 2, 3, 4]);
  });

  it('reads a file over several volumes, and only those', async () => {
    const data = Buffer.alloc(5 * pieceBytes + 9, 'abc');
    const blocks = blocksOfEntries([fileEntry('a', 'x'), fileEntry('big', data), fileEntry('z', 'y')]);
    const { reader, opened, closed } = readerOf(inVolumes(blocks, [2, 4, 5, 7]));
    await nextEntry(reader);
    assert.equal((await nextEntry(reader))?.key, 'big');
    assert.equal(reader.bufferedData(), undefined);
    assert.ok((await collect(reader.data())).equals(data));
    assert.deepEqual(opened, [1, 2, 3, 4]);
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry], ['z', undefined]);
    assert.deepEqual(closed, [1, 2, 3, 4]);
    assert.equal((await nextEntry(reader))?.key, 'z');
    assert.equal((await collect(reader.data())).toString(), 'y');
  });

  it('passes over a file that began in a volume that is not needed', async () => {
    const blocks = blocksOfEntries([fileEntry('a', Buffer.alloc(3 * pieceBytes)), fileEntry('b', 'wanted')]);
    const [, ...later] = inVolumes(blocks, [1, 2]);
    const { reader } = readerOf(later, 'b');
    assert.equal((await nextEntry(reader))?.key, 'b');
    assert.equal(reader.bufferedData()?.toString(), 'wanted');
  });

  it('goes on behind the last piece of a file, also where only some of it was read', async () => {
    const entries = [fileEntry('a', Buffer.alloc(3 * pieceBytes + 5)), fileEntry('b', 'next')];
    for (const ends of [[], [1], [2], [1, 3]]) {
      for (const enough of [0, 1, pieceBytes, 2 * pieceBytes + 1, 3 * pieceBytes + 5]) {
        const { reader } = readerOf(inVolumes(blocksOfEntries(entries), ends));
        await nextEntry(reader);
        let size = 0;
        for await (const piece of reader.data()) {
          size += piece.length;
          if (size >= enough) break;
        }
        assert.equal((await nextEntry(reader))?.key, 'b', `${ends} ${enough}`);
        assert.equal((await collect(reader.data())).toString(), 'next');
      }
    }
  });

  it('gives the data of an entry once', async () => {
    const { reader } = readerOf(inVolumes(blocksOfEntries([fileEntry('a', 'x')]), []));
    await nextEntry(reader);
    assert.equal(reader.bufferedData()?.length, 1);
    assert.equal(reader.bufferedData(), undefined);
    await assert.rejects(collect(reader.data()), { message: 'no data to read' });
  });

  it('refuses what is not in path order', async () => {
    for (const keys of [
      ['b', 'a'],
      ['a', 'a'],
      ['a-', 'a\0b'],
    ]) {
      const volumes = inVolumes(blocksOfEntries(keys.map((key) => fileEntry(key, 'x'))), []);
      const { reader } = readerOf(volumes);
      await nextEntry(reader);
      await assert.rejects(nextEntry(reader), { code: 'format', message: /vol1: .*not in path order/ });
    }
  });

  it('takes pieces of another kind for another entry, which the same path cannot have', async () => {
    const data = Buffer.alloc(2 * pieceBytes, 'x');
    const [whole] = blocksOfEntries([fileEntry('a', data)]);
    const [, delta] = blocksOfEntries([fileEntry('a', data, 'diff')]);
    for (const how of ['none', 'all'] as const) {
      const { reader } = readerOf(inVolumes([whole!, delta!], []));
      await nextEntry(reader);
      const found = await read(reader, how);
      if (how === 'all') assert.equal(found?.length, pieceBytes);
      await assert.rejects(nextEntry(reader), { code: 'format', message: /not in path order/ });
    }
  });

  it('refuses a file whose beginning or middle is missing', async () => {
    const blocks = blocksOfEntries([fileEntry('a', Buffer.alloc(3 * pieceBytes, 'x'))]);
    const headless = readerOf(inVolumes(blocks.slice(1), []));
    await assert.rejects(nextEntry(headless.reader), { code: 'format', message: /beginning of the file/ });
    const leftOut = { number: 1, name: 'vol1', startKey: '', bytes: Buffer.alloc(0) };
    const [late] = inVolumes([...blocksOfEntries([fileEntry('0', '')]), ...blocks.slice(1)], []);
    const inside = readerOf([leftOut, { ...late!, number: 2 }]);
    assert.equal((await nextEntry(inside.reader))?.key, '0');
    await assert.rejects(nextEntry(inside.reader), { code: 'format', message: /beginning of the file/ });
    const gap = readerOf(inVolumes([blocks[0]!, ...blocks.slice(2)], [1]));
    await nextEntry(gap.reader);
    await assert.rejects(collect(gap.reader.data()), {
      code: 'format',
      message: /vol2: a: piece 2 is missing/,
    });
  });

  it('does without a volume that was left out, but never without saying that a file lacks a part', async () => {
    const big = fileEntry('big', Buffer.alloc(3 * pieceBytes, 'x'));
    const blocks = blocksOfEntries([fileEntry('a', '1'), big, fileEntry('c', '3'), fileEntry('d', '4')]);
    const read = async (leftOut: readonly number[]) => {
      // Each block is a volume: a, three full pieces and an empty one of big, c, d.
      const volumes = inVolumes(blocks, [1, 2, 3, 4, 5, 6]).map((volume) =>
        leftOut.includes(volume.number) ? { ...volume, bytes: Buffer.alloc(0) } : volume,
      );
      const { reader } = readerOf(volumes);
      const found: string[] = [];
      for (let entry = await nextEntry(reader); entry !== undefined; entry = await nextEntry(reader)) {
        const data = await collect(reader.data()).catch((error: TundraError) => error.message);
        found.push(`${entry.key} ${typeof data === 'string' ? data : data.length}`);
      }
      return found;
    };
    const whole = `big ${3 * pieceBytes}`;
    assert.deepEqual(await read([]), ['a 1', whole, 'c 1', 'd 1']);
    assert.deepEqual(await read([1, 7]), [whole, 'c 1']);
    assert.deepEqual(await read([2]), ['a 1', 'c 1', 'd 1']);
    assert.deepEqual(await read([2, 3, 4]), ['a 1', 'c 1', 'd 1']);
    assert.deepEqual(await read([3]), ['a 1', 'big vol4: big: piece 2 is missing', 'c 1', 'd 1']);
    assert.deepEqual(await read([5]), ['a 1', 'big vol5: big: the end of the file is missing', 'c 1', 'd 1']);
    assert.deepEqual(await read([3, 4, 5]), [
      'a 1',
      'big vol5: big: the end of the file is missing',
      'c 1',
      'd 1',
    ]);
    assert.deepEqual(await read([6]), ['a 1', whole, 'd 1']);
  });

  it('refuses a volume that is cut short or is none, and names it', async () => {
    const [volume] = inVolumes(blocksOfEntries([fileEntry('a', Buffer.alloc(2000, 'x'))]), []);
    const cut = readerOf([{ ...volume!, bytes: volume!.bytes.subarray(0, 1500) }]);
    await nextEntry(cut.reader);
    await assert.rejects(collect(cut.reader.data()), { code: 'format', message: /vol1/ });
    const other = readerOf([{ ...volume!, bytes: Buffer.alloc(2000, 'x') }]);
    await assert.rejects(nextEntry(other.reader), { code: 'format', message: /vol1/ });
    await Promise.all([cut.reader.close(), other.reader.close()]);
    assert.deepEqual([cut.closed, other.closed], [[1], [1]]);
  });

  it('refuses a path that leads out of the tree', async () => {
    for (const key of ['..', 'a\0..\0b', '.']) {
      const [block] = blocksOfEntries([fileEntry(key, 'x')]);
      // The root is written as a dot of its own.
      if (key === '.') block!.bytes.write('snapshot/./x', 0, 'latin1');
      const { reader } = readerOf([{ number: 1, name: 'vol1', startKey: '', bytes: resummed(block!.bytes) }]);
      await assert.rejects(nextEntry(reader), { code: 'format' });
    }
  });

  it('closes a volume in the middle, also when its stream fails then', async () => {
    let ended = 0;
    const stream = (volume: TestVolume): ByteStream => {
      const pieces = lentPieces(volume.bytes, 600)[Symbol.asyncIterator]();
      const end = async () => {
        ended++;
        if (volume.number === 2) throw new Error('cannot close');
        return { done: true as const, value: undefined };
      };
      return { [Symbol.asyncIterator]: () => ({ next: () => pieces.next(), return: end }) };
    };
    const entries = ['a', 'b', 'c', 'd'].map((key) => fileEntry(key, Buffer.alloc(3000)));
    const volumes = inVolumes(blocksOfEntries(entries), [2]);
    const first = readerOf(volumes, '', stream);
    await nextEntry(first.reader);
    await first.reader.close();
    assert.deepEqual([ended, first.closed], [1, [1]]);
    const second = readerOf(volumes.slice(1), '', stream);
    await nextEntry(second.reader);
    await assert.rejects(second.reader.close(), { message: 'cannot close' });
    assert.deepEqual([ended, second.closed], [2, [2]]);
    await second.reader.close();
  });

  it('hands on why a volume cannot be opened, and opens the rest if asked to', async () => {
    const volumes = inVolumes(blocksOfEntries([fileEntry('a', ''), fileEntry('b', '')]), [1]);
    const reader = new SetReader(0, volumes, '', async (volume) => {
      if (volume.number === 1) throw new TundraError('hash-mismatch', 'vol1 is damaged');
      return { bytes: lentPieces(volume.bytes), close: async () => {} };
    });
    await assert.rejects(reader.advance(), { code: 'hash-mismatch' });
    assert.equal((await nextEntry(reader))?.key, 'b');
    await reader.close();
  });
});

/** Mends the checksum of a header that was altered. */
function resummed(bytes: Buffer): Buffer {
  bytes.fill(' ', 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}
