import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { isWithin, type KeyRange, type PathKey } from '../base/path-key.js';
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
  endKey: PathKey;
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
    const startKey = part[0]!.key;
    const endKey = part.at(-1)!.key;
    volumes.push({ number, name: `vol${number}`, startKey, lowestKey: startKey, endKey, bytes });
    from = to;
  }
  return volumes;
}

/** Whether a volume may hold something of a range. */
function mayHold(
  { startKey, endKey }: Pick<TestVolume, 'startKey' | 'endKey'>,
  { after, upTo }: KeyRange,
): boolean {
  return (after === undefined || endKey > after) && (upTo === undefined || startKey <= upTo);
}

/** A reader that notes what was opened and closed, and which files were cut short. */
function readerOf(
  volumes: readonly TestVolume[],
  wanted: PathKey = '',
  stream: (volume: TestVolume) => ByteStream = ({ bytes }) => lentPieces(bytes),
  onDamage?: (error: TundraError) => void,
  range?: KeyRange,
) {
  const opened: number[] = [];
  const closed: number[] = [];
  const cutShort: PathKey[] = [];
  const reader = new SetReader(0, volumes, wanted, {
    open: async (volume) => {
      opened.push(volume.number);
      return { bytes: stream(volume), close: async () => void closed.push(volume.number) };
    },
    onDamage,
    onCutShort: (key) => cutShort.push(key),
    ...(range === undefined ? {} : { range }),
  });
  return { reader, opened, closed, cutShort };
}

/** Reads a set to its end: the path and size of each entry, or why its data cannot be read. */
async function readAll(reader: SetReader<TestVolume>): Promise<string[]> {
  const found: string[] = [];
  for (let entry = await nextEntry(reader); entry !== undefined; entry = await nextEntry(reader)) {
    const data = await collect(reader.data()).catch((error: TundraError) => error.message);
    found.push(`${entry.key} ${typeof data === 'string' ? data : data.length}`);
  }
  return found;
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

  it('gives the entries of all shares one after another as without shares, whole files among them', async () => {
    const bounds = fc.uniqueArray(fc.oneof(fc.nat(7), fc.constantFrom('a\0', 'a!', 'b\0a', 'c')), {
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(
        entriesInOrder,
        fc.array(fc.nat(20), { maxLength: 5 }),
        bounds,
        fc.constantFrom<Reading>('all', 'some', 'none'),
        fc.nat(),
        async (entries, ends, chosen, how, choice) => {
          const wanted = entries.length === 0 || choice % 2 ? '' : entries[choice % entries.length]!.key;
          const volumes = inVolumes(blocksOfEntries(entries), ends);
          const keys = chosen.map((key) => (typeof key === 'number' ? entries[key]?.key : key));
          const upTo = [...new Set(keys)].filter((key) => key !== undefined).sort();
          const found: [PathKey, string, string][] = [];
          const data: (Buffer | undefined)[] = [];
          for (const [index, bound] of [...upTo, undefined].entries()) {
            const range = { after: upTo[index - 1], upTo: bound };
            // As the shares of a plan are made, and as it must be with any volumes more.
            const held = choice % 3 ? volumes : volumes.filter((volume) => mayHold(volume, range));
            const { reader, opened, closed } = readerOf(held, wanted, undefined, undefined, range);
            for (let entry = await nextEntry(reader); entry !== undefined; entry = await nextEntry(reader)) {
              assert.ok(mayHold({ startKey: entry.key, endKey: entry.key }, range));
              found.push([entry.key, entry.kind, entry.header.type]);
              data.push(await read(reader, how));
            }
            assert.equal(reader.key, undefined);
            assert.deepEqual(closed, opened);
          }
          const expected = entries.filter(({ key }) => isWithin(key, wanted));
          assert.deepEqual(found, expected.map(isPresent));
          for (const [i, entry] of expected.entries())
            assert.ok(data[i]?.equals(entry.data) ?? how !== 'all');
        },
      ),
      { numRuns: 100 },
    );
  });

  it('gives a file over several volumes to the share that it is the bound of, and to no other', async () => {
    const data = Buffer.alloc(4 * pieceBytes + 9, 'abc');
    const blocks = blocksOfEntries([fileEntry('a', 'x'), fileEntry('big', data), fileEntry('big\0z', 'y')]);
    const volumes = inVolumes(blocks, [2, 3, 5]);
    const before = readerOf(volumes, '', undefined, undefined, { after: undefined, upTo: 'big' });
    assert.equal((await nextEntry(before.reader))?.key, 'a');
    assert.equal((await nextEntry(before.reader))?.key, 'big');
    assert.ok((await collect(before.reader.data())).equals(data));
    assert.equal(await nextEntry(before.reader), undefined);
    const behind = readerOf(volumes.slice(1), '', undefined, undefined, { after: 'big', upTo: undefined });
    assert.equal(behind.reader.key, 'big\0');
    assert.equal((await nextEntry(behind.reader))?.key, 'big\0z');
    assert.equal((await collect(behind.reader.data())).toString(), 'y');
    assert.equal(await nextEntry(behind.reader), undefined);
  });

  it('opens no volume behind the paths of its share', async () => {
    const volumes = inVolumes(
      blocksOfEntries(['a', 'b', 'c', 'd'].map((key) => fileEntry(key, key))),
      [1, 2, 3],
    );
    const { reader, opened, closed } = readerOf(volumes, '', undefined, undefined, { after: 'a', upTo: 'b' });
    assert.equal((await nextEntry(reader))?.key, 'b');
    assert.equal(await nextEntry(reader), undefined);
    assert.deepEqual(
      [opened, closed],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    );
  });

  it('knows which paths of its share may be lacking, where a volume over the bound is left out', async () => {
    const blocks = blocksOfEntries(['a', 'c', 'e', 'g'].map((key) => fileEntry(key, key)));
    // The second one, with c and e, is left out.
    const volumes = inVolumes(blocks, [1, 3]);
    volumes[1]!.lowestKey = 'a';
    const lacking = async (range: KeyRange) => {
      const reader = new SetReader(
        0,
        volumes.filter((volume) => mayHold(volume, range)),
        '',
        {
          range,
          open: async ({ number, bytes }) =>
            number === 2 ? undefined : { bytes: lentPieces(bytes), close: async () => {} },
        },
      );
      const found: string[] = [];
      for (const path of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
        // As the merge does: a set that may have the path, or what is before it, is read on.
        while (reader.key !== undefined && (reader.key < path || (reader.key === path && !reader.entry)))
          await reader.advance();
        if (mayHold({ startKey: path, endKey: path }, range) && reader.mayLack(path)) found.push(path);
      }
      return found;
    };
    assert.deepEqual(await lacking({ after: undefined, upTo: undefined }), ['b', 'c', 'd', 'e', 'f']);
    assert.deepEqual(await lacking({ after: undefined, upTo: 'd' }), ['b', 'c', 'd']);
    assert.deepEqual(await lacking({ after: 'd', upTo: undefined }), ['e', 'f']);
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
      if (how === 'none') await read(reader, how);
      else await assert.rejects(read(reader, how), { code: 'format', message: /end of the file is missing/ });
      await assert.rejects(nextEntry(reader), { code: 'format', message: /not in path order/ });
    }
  });

  it('refuses a file whose beginning or middle is missing', async () => {
    const blocks = blocksOfEntries([fileEntry('a', Buffer.alloc(3 * pieceBytes, 'x'))]);
    const headless = readerOf(inVolumes(blocks.slice(1), []));
    await assert.rejects(nextEntry(headless.reader), { code: 'format', message: /beginning of the file/ });
    const empty = {
      number: 1,
      name: 'vol1',
      startKey: '',
      lowestKey: '',
      endKey: '',
      bytes: Buffer.alloc(0),
    };
    const [late] = inVolumes([...blocksOfEntries([fileEntry('0', '')]), ...blocks.slice(1)], []);
    const inside = readerOf([empty, { ...late!, number: 2 }]);
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
      const volumes = inVolumes(blocks, [1, 2, 3, 4, 5, 6]);
      const reader = new SetReader(0, volumes, '', {
        open: async ({ number, bytes }) =>
          leftOut.includes(number) ? undefined : { bytes: lentPieces(bytes), close: async () => {} },
      });
      return readAll(reader);
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

  it('refuses a file whose end is missing, though all of its pieces that there are follow each other', async () => {
    const whole = [fileEntry('a', Buffer.alloc(2 * pieceBytes, 'x')), fileEntry('b', 'next')];
    const [one, two, , next] = blocksOfEntries(whole);
    const message = /a: the end of the file is missing/;
    for (const ends of [[], [1], [2], [1, 2]]) {
      const volumes = inVolumes([one!, two!, next!], ends);
      // What follows in another volume must begin there as its manifest says that the file does.
      if (ends.includes(2)) volumes.at(-1)!.startKey = volumes.at(-1)!.lowestKey = 'a';
      const { reader, cutShort } = readerOf(volumes);
      await nextEntry(reader);
      await assert.rejects(collect(reader.data()), { code: 'format', message }, `${ends}`);
      assert.equal((await nextEntry(reader))?.key, 'b');
      assert.deepEqual(cutShort, []);
    }
    const { reader, cutShort } = readerOf(inVolumes(blocksOfEntries(whole), [1, 2, 3]));
    assert.deepEqual(await readAll(reader), [`a ${2 * pieceBytes}`, 'b 4']);
    assert.deepEqual(cutShort, []);
  });

  it('tells of a file that stops with its volume, as in a set that the peer took up again', async () => {
    const [one, two, , next] = blocksOfEntries([
      fileEntry('a', Buffer.alloc(2 * pieceBytes, 'x')),
      fileEntry('b', 'next'),
    ]);
    const size = `a ${2 * pieceBytes}`;
    const followed = readerOf(inVolumes([one!, two!, next!], [1, 2]));
    assert.deepEqual(await readAll(followed.reader), [size, 'b 4']);
    assert.deepEqual(followed.cutShort, ['a']);
    const last = readerOf(inVolumes([one!, two!], [1]));
    assert.deepEqual(await readAll(last.reader), [size]);
    assert.deepEqual(last.cutShort, ['a']);
    // The peer's last volume can be empty, and then begin anywhere.
    const empty = {
      number: 3,
      name: 'vol3',
      startKey: '',
      lowestKey: 'a',
      endKey: '',
      bytes: Buffer.alloc(0),
    };
    const emptied = readerOf([...inVolumes([one!, two!], [1]), empty]);
    assert.deepEqual(await readAll(emptied.reader), [size]);
    assert.deepEqual(emptied.cutShort, ['a']);
    assert.deepEqual(emptied.opened, [1, 2, 3]);
  });

  it('counts on the lowest path of a volume, not on the one that the manifest says it begins with', async () => {
    const volumes = inVolumes(blocksOfEntries(['a', 'b', 'c'].map((key) => fileEntry(key, key))), [1]);
    volumes[1]!.startKey = 'c';
    volumes[1]!.lowestKey = 'a';
    const { reader } = readerOf(volumes);
    await nextEntry(reader);
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry], ['a', undefined]);
    assert.equal((await nextEntry(reader))?.key, 'b');
    volumes[1]!.lowestKey = 'bb';
    const early = readerOf(volumes).reader;
    await nextEntry(early);
    await assert.rejects(nextEntry(early), { code: 'format', message: /vol2: b: .*manifest says/ });
  });

  it('leaves out the rest of a damaged volume if told to, and goes on with the next one', async () => {
    const big = fileEntry('big', Buffer.alloc(3 * pieceBytes + 9, 'x'));
    const blocks = blocksOfEntries([
      fileEntry('a', '1'),
      big,
      fileEntry('c', '3'),
      fileEntry('d', '4'),
      fileEntry('e', '5'),
    ]);
    const [first] = inVolumes(blocks.slice(0, 3), []);
    /** What comes of it when the second volume, which goes on with `big` up to `d`, is changed like this. */
    const readWith = async (change: (bytes: Buffer) => Uint8Array) => {
      const volumes = inVolumes(blocks, [3, 7]);
      volumes[1]!.bytes = Buffer.from(change(volumes[1]!.bytes));
      const told: string[] = [];
      const { reader, opened, closed } = readerOf(volumes, '', undefined, ({ message }) =>
        told.push(message),
      );
      const gaps: boolean[] = [];
      const found: string[] = [];
      for (let entry = await nextEntry(reader); entry !== undefined; entry = await nextEntry(reader)) {
        gaps.push(reader.mayLack(entry.key));
        const data = await collect(reader.data()).catch((error: TundraError) => error.message);
        found.push(`${entry.key} ${typeof data === 'string' ? data : data.length}`);
      }
      assert.deepEqual(
        [opened, closed],
        [
          [1, 2, 3],
          [1, 2, 3],
        ],
      );
      assert.ok(!gaps.includes(true));
      return { found, told };
    };
    assert.ok(first!.bytes.length > pieceBytes);
    const whole = `big ${3 * pieceBytes + 9}`;
    const cutAt = (bytes: number) => (all: Buffer) => all.subarray(0, all.length - bytes);
    assert.deepEqual(await readWith((all) => all), { found: ['a 1', whole, 'c 1', 'd 1', 'e 1'], told: [] });
    // In the header of d.
    assert.deepEqual(await readWith(cutAt(1000)), {
      found: ['a 1', whole, 'c 1', 'e 1'],
      told: ['vol2: it ends in the middle'],
    });
    // In the data of d.
    assert.deepEqual(await readWith(cutAt(512)), {
      found: ['a 1', whole, 'c 1', 'd vol2: d: the rest of the file is damaged', 'e 1'],
      told: ['vol2: it ends in the middle'],
    });
    // In the header of the second piece that it goes on with, and in the data before.
    const header = (at: number) => (all: Buffer) => Buffer.from(all).fill(0xff, at, at + 200);
    assert.deepEqual(await readWith(header(512 + pieceBytes)), {
      found: ['a 1', 'big vol2: big: the end of the file is missing', 'e 1'],
      told: ['vol2: a header is damaged or this is not a tar'],
    });
    assert.deepEqual(await readWith((all) => all.subarray(0, 5000)), {
      found: ['a 1', 'big vol2: big: the rest of the file is damaged', 'e 1'],
      told: ['vol2: it ends in the middle'],
    });
    // A name that leads out, and entries out of order.
    const [odd] = blocksOfEntries([fileEntry('c\0..\0x', '3')]);
    const [late] = blocksOfEntries([fileEntry('b', '3')]);
    const place = 512 + pieceBytes + 1024;
    for (const [block, text] of [
      [odd!, /refused/],
      [late!, /not in path order/],
    ] as const) {
      const { found, told } = await readWith((all) =>
        Buffer.concat([all.subarray(0, place), block.bytes, all.subarray(place + block.bytes.length)]),
      );
      assert.deepEqual(found, ['a 1', whole, 'e 1']);
      assert.match(told.join('\n'), text);
    }
  });

  it('knows which paths may be lacking, from the damage to the next entry', async () => {
    const blocks = blocksOfEntries(['a', 'b', 'd', 'e'].map((key) => fileEntry(key, key)));
    const volumes = inVolumes(blocks, [2]);
    volumes[0]!.bytes.fill(0xff, 1024, 1200);
    volumes[1]!.lowestKey = 'b';
    const { reader } = readerOf(volumes, '', undefined, () => {});
    const lacking = () =>
      ['a', 'b', 'c', 'd', 'e'].filter((path) => path >= reader.key! && reader.mayLack(path));
    await nextEntry(reader);
    assert.deepEqual([reader.key, lacking()], ['a', []]);
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry], ['b', undefined]);
    assert.ok(reader.mayLack('b'));
    await reader.advance();
    assert.deepEqual([reader.key, reader.entry?.key, lacking()], ['d', 'd', []]);
    assert.ok(reader.mayLack('b') && reader.mayLack('c'));
    await reader.advance();
    assert.deepEqual([reader.key, reader.mayLack('dd')], ['e', false]);
    await reader.close();
  });

  it('does not take a failure of this machine for damage', async () => {
    const volumes = inVolumes(blocksOfEntries([fileEntry('a', 'x'), fileEntry('b', 'x')]), []);
    const stream = async function* ({ bytes }: TestVolume): ByteStream {
      yield bytes.subarray(0, 1024);
      throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    };
    const { reader } = readerOf(volumes, '', stream, () => assert.fail('told as damage'));
    await nextEntry(reader);
    await assert.rejects(nextEntry(reader), { code: 'EIO' });
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
      const volume = {
        number: 1,
        name: 'vol1',
        startKey: '',
        lowestKey: '',
        endKey: '',
        bytes: resummed(block!.bytes),
      };
      const { reader } = readerOf([volume]);
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
    const reader = new SetReader(0, volumes, '', {
      open: async (volume) => {
        if (volume.number === 1) throw new TundraError('hash-mismatch', 'vol1 is damaged');
        return { bytes: lentPieces(volume.bytes), close: async () => {} };
      },
    });
    await assert.rejects(async () => reader.advance(), { code: 'hash-mismatch' });
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
