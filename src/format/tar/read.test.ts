import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { goldenBytes, goldenEntries, sha1Of } from '../../../test/golden/golden.js';
import { headerOf, inPieces, readTar, tarEntry, tarOf } from '../../../test/golden/tar-sample.js';
import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { field } from './header.js';
import { TarReader } from './read.js';
import { parseRecords } from './records.js';

const goldens = [
  'full.difftar',
  'full.sigtar',
  'inc.difftar',
  'inc.sigtar',
  'pax.tar',
  'gnu.tar',
  'ustar.tar',
];

for (const name of goldens) {
  test(`${name} is read as Python reads it`, async () => {
    const bytes = goldenBytes(`${name}.gz`);
    const expected = goldenEntries(`${name}.gz`);
    for (const pieceBytes of [bytes.length, 700, 17]) {
      const entries = await readTar(bytes, pieceBytes);
      assert.deepEqual(
        entries.map(({ header: { records, ...header }, body }) => ({
          ...header,
          ...(records !== undefined && { records: Object.fromEntries(parseRecords(records)) }),
          sha1: sha1Of(body),
        })),
        expected,
      );
    }
  });
}

const formatError = (part: string) => (error: unknown) =>
  error instanceof TundraError && error.code === 'format' && error.message.includes(part);

/** Sets a header's checksum right after a change. */
function mend(bytes: Buffer, signed = false): Buffer {
  bytes.fill(0x20, field.checksum, field.type);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += signed ? bytes.readInt8(i) : bytes[i]!;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, field.checksum, 'latin1');
  return bytes;
}

function oneHeader(values: Parameters<typeof headerOf>[0] = {}): Buffer {
  return tarOf([{ header: headerOf(values), body: Buffer.alloc(0) }]);
}

/** A record of the type before a header. */
function record(type: string, text: string): Buffer {
  const header = oneHeader({ name: 'record', sizeBytes: text.length });
  header[field.type] = type.charCodeAt(0);
  const data = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  data.write(text, 'latin1');
  return Buffer.concat([mend(header), data]);
}

function pax(...pairs: [string, string][]): string {
  return pairs
    .map(([key, value]) => {
      const bare = key.length + value.length + 3;
      const length = [1, 2, 3, 4, 5, 6]
        .map((digits) => bare + digits)
        .find((sum) => String(sum).length === sum - bare)!;
      return `${length} ${key}=${value}\n`;
    })
    .join('');
}

async function readOne(...parts: Buffer[]) {
  const [entry] = await readTar(Buffer.concat(parts));
  return entry!.header;
}

test('entries come out as they went in, however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(tarEntry, { maxLength: 6 }),
      fc.integer({ min: 1, max: 3000 }),
      async (entries, size) => {
        assert.deepEqual(await readTar(tarOf(entries), size), entries);
      },
    ),
    { numRuns: 150 },
  );
});

test('bodies that nobody reads are skipped, and half-read ones too', async () => {
  const entries = [5000, 0, 512, 1].map((size, i) => ({
    header: headerOf({ name: `file${i}`, sizeBytes: size }),
    body: Buffer.alloc(size, 0x61 + i),
  }));
  for (const pieceBytes of [64, 700, 100000]) {
    const reader = new TarReader(inPieces(tarOf(entries), pieceBytes), 'x');
    const names: string[] = [];
    for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
      names.push(header.name);
      if (header.name === 'file0') {
        let part = reader.pollBody();
        while (part === 'more') {
          await reader.fill();
          part = reader.pollBody();
        }
        assert.equal(part?.[0], 0x61);
      }
    }
    assert.deepEqual(names, ['file0', 'file1', 'file2', 'file3']);
  }
});

test('a small body is there at once when it is buffered', async () => {
  const body = Buffer.from('body');
  const bytes = tarOf([{ header: headerOf({ sizeBytes: 4 }), body }]);
  const whole = new TarReader(inPieces(bytes, bytes.length), 'x');
  await whole.next();
  assert.deepEqual(Buffer.from(whole.bodyIfBuffered()!), body);
  assert.equal(whole.bodyIfBuffered()?.length, 0);
  assert.equal(whole.pollBody(), undefined);

  const cut = new TarReader(inPieces(bytes, 514), 'x');
  await cut.next();
  assert.equal(cut.bodyIfBuffered(), undefined);
  assert.deepEqual(Buffer.from(await cut.readBody(4)), body);
});

test('a body larger than the caller allows is an error before it is read', async () => {
  const reader = new TarReader(inPieces(oneHeader({ sizeBytes: 2 ** 50 }), 512), 'volume');
  assert.equal((await reader.next())?.sizeBytes, 2 ** 50);
  await assert.rejects(reader.readBody(1 << 20), formatError('volume: '));
});

test('the end is a zero block, and what follows it is not looked at', async () => {
  const entry = { header: headerOf({}), body: Buffer.alloc(0) };
  const zeros = Buffer.alloc(512);
  const filler = Buffer.alloc(5000, 0x55);
  for (const tail of [[], [zeros], [zeros, zeros], [zeros, zeros, filler], [zeros, zeros, tarOf([entry])]]) {
    assert.equal((await readTar(Buffer.concat([tarOf([entry]), ...tail]))).length, 1);
  }
  assert.deepEqual(await readTar(Buffer.alloc(0)), []);
  assert.deepEqual(await readTar(Buffer.alloc(10240)), []);
});

/** A source that tells how far it was read and whether it was let go. */
function watched(bytes: Uint8Array) {
  const seen = { pieces: 0, ended: false };
  async function* source(): ByteStream {
    try {
      for await (const piece of inPieces(bytes, 512)) {
        seen.pieces++;
        yield piece;
      }
    } finally {
      seen.ended = true;
    }
  }
  return { seen, source: source() };
}

test('drain reads the source to its end; close lets it go where it stands', async () => {
  const bytes = Buffer.concat([oneHeader(), Buffer.alloc(1024), Buffer.alloc(5120, 1)]);
  const drained = watched(bytes);
  const first = new TarReader(drained.source, 'x');
  while ((await first.next()) !== undefined);
  assert.deepEqual(drained.seen, { pieces: 2, ended: false });
  await first.drain();
  assert.deepEqual(drained.seen, { pieces: 13, ended: true });
  assert.equal(await first.next(), undefined);

  const closed = watched(bytes);
  const second = new TarReader(closed.source, 'x');
  await second.next();
  await second.close();
  assert.deepEqual(closed.seen, { pieces: 1, ended: true });
  assert.equal(await second.next(), undefined);
});

test('a tar that ends in the middle is an error that names it', async () => {
  const bytes = Buffer.concat([
    record('x', pax(['path', 'long'])),
    tarOf([{ header: headerOf({ name: 'n'.repeat(200), sizeBytes: 600 }), body: Buffer.alloc(600, 1) }]),
  ]);
  for (let size = 1; size < bytes.length; size += 37) {
    await assert.rejects(
      readTar(bytes.subarray(0, size), 300),
      formatError('sample: it ends in the middle'),
      `${size}`,
    );
  }
});

test('the first tars: no magic, directories by their slash, signed checksums', async () => {
  const old = oneHeader({ name: 'd\xff\xfe/', mtimeSeconds: 5 });
  old.fill(0, field.magic);
  old[field.type] = 0;
  for (const signed of [false, true]) {
    const [entry] = await readTar(mend(old, signed));
    assert.equal(entry!.header.type, 'directory');
    assert.equal(entry!.header.name, 'd\xff\xfe/');
    assert.equal(entry!.header.mtimeSeconds, 5);
  }
});

test('a prefix counts in POSIX headers and not in GNU ones', async () => {
  const header = oneHeader({ name: 'file' });
  header.write('folder', field.prefix, 'latin1');
  assert.equal((await readOne(mend(header))).name, 'file');
  header.write('ustar\x0000', field.magic, 'latin1');
  assert.equal((await readOne(mend(header))).name, 'folder/file');
});

test('numbers in odd writings', async () => {
  const header = oneHeader();
  header.write('   644 \0', field.mode, 'latin1');
  header.write('\0\0\0\0\0\0\0\0', field.uid, 'latin1');
  header.fill(0xff, field.gid, field.gid + 8);
  header.fill(0xff, field.mtime, field.mtime + 12);
  const { mode, uid, gid, mtimeSeconds } = await readOne(mend(header));
  assert.deepEqual(
    { mode, uid, gid, mtimeSeconds },
    { mode: 0o644, uid: 0, gid: 2 ** 32 - 1, mtimeSeconds: 0 },
  );
  for (const text of ['9', '1 1', '-1', '0x1f']) {
    const bad = oneHeader();
    bad.write(`${text}\0`, field.uid, 'latin1');
    await assert.rejects(readTar(mend(bad)), formatError('number'), text);
  }
});

test('PAX records: bytes as they are, numbers, taking back, and what others put there', async () => {
  const header = await readOne(
    record('g', pax(['uname', 'everyone'], ['gname', 'all'], ['comment', 'x'])),
    record(
      'x',
      pax(
        ['hdrcharset', 'BINARY'],
        ['path', 'a\xff\n=b'],
        ['linkpath', 'unused'],
        ['size', '0'],
        ['uid', '4000000'],
        ['gid', '7'],
        ['gname', ''],
        ['mtime', '-3.75'],
        ['SCHILY.xattr.user.x', '\0\n=\xff'],
        ['LIBARCHIVE.xattr.y', ''],
      ),
    ),
    oneHeader({ gname: 'own', mtimeSeconds: 9 }),
  );
  assert.deepEqual(
    header,
    headerOf({
      ...{ name: 'a\xff\n=b', uid: 4000000, gid: 7, uname: 'everyone', gname: 'own', mtimeSeconds: 0 },
      records: pax(['SCHILY.xattr.user.x', '\0\n=\xff']),
    }),
  );
  const next = await readOne(record('x', pax(['mtime', '12.999'])), oneHeader());
  assert.equal(next.mtimeSeconds, 12);
});

test('PAX records hold for one entry, global ones for all', async () => {
  const entries = await readTar(
    Buffer.concat([
      record('g', pax(['uname', 'all'])),
      record('x', pax(['path', 'one'])),
      oneHeader(),
      oneHeader(),
    ]),
  );
  assert.deepEqual(
    entries.map(({ header }) => [header.name, header.uname]),
    [
      ['one', 'all'],
      ['file', 'all'],
    ],
  );
});

test("vendors' records are an entry's own, ordered, the last of a key", async () => {
  const entries = await readTar(
    Buffer.concat([
      record('g', pax(['TUNDRA.hardlink', 'everywhere'])),
      record('x', pax(['TUNDRA.hardlink', '1'], ['SCHILY.xattr.user.b', 'B'])),
      record('x', pax(['SCHILY.acl.access', 'acl'], ['TUNDRA.hardlink', '2'])),
      oneHeader(),
      oneHeader(),
    ]),
  );
  assert.deepEqual(
    entries.map(({ header }) => header.records),
    [pax(['SCHILY.acl.access', 'acl'], ['SCHILY.xattr.user.b', 'B'], ['TUNDRA.hardlink', '2']), undefined],
  );
});

test('more than 1 MiB of extended headers before one header is refused', async () => {
  const half = (key: string) => record('x', pax([`SCHILY.xattr.user.${key}`, 'v'.repeat(600_000)]));
  assert.equal((await readOne(half('a'), oneHeader())).records?.length, 600_028);
  await assert.rejects(readOne(half('a'), half('b'), oneHeader()), formatError('too long'));
  const apart = await readTar(Buffer.concat([half('a'), oneHeader(), half('b'), oneHeader()]));
  assert.equal(apart.length, 2);
});

test('broken PAX records are refused', async () => {
  const broken = [
    '5',
    'x path=a\n',
    '99 path=a\n',
    '8 path=a\n',
    '9 path=ab\n',
    '7 patha\n',
    '99999999999 path=a\n',
    '0 a=b\n',
    // It has no space, and the record before it an equals sign.
    '6 a=b\nx',
  ];
  for (const text of [
    ...broken,
    pax(['uid', 'x']),
    pax(['mtime', '1e9']),
    pax(['path', 'a\0b']),
    pax(['size', '-1']),
  ]) {
    await assert.rejects(
      readTar(Buffer.concat([record('x', text), oneHeader()])),
      formatError('sample: '),
      text,
    );
  }
});

test('an entry can be read from where it begins', async () => {
  for (const name of goldens) {
    const bytes = goldenBytes(`${name}.gz`);
    for (const pieceBytes of [bytes.length, 700]) {
      const reader = new TarReader(inPieces(bytes, pieceBytes), 'sample');
      const starts: number[] = [];
      const names: string[] = [];
      for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
        starts.push(reader.entryAt);
        names.push(header.name);
        if (names.length % 3 === 0) await reader.readBody(header.sizeBytes);
      }
      assert.ok(starts.length > 3 && new Set(starts).size === starts.length);
      for (const step of [1, 2, 5]) {
        const leaping = new TarReader(inPieces(bytes, pieceBytes), 'sample');
        for (let i = step - 1; i < starts.length; i += step) {
          leaping.skipTo(starts[i]!);
          assert.ok(leaping.position <= starts[i]!);
          assert.equal((await leaping.next())?.name, names[i]);
        }
        leaping.skipTo(2 * bytes.length);
        await assert.rejects(leaping.next(), formatError('ends in the middle'));
      }
    }
  }
});

test('what the format does not hold is refused by its name', async () => {
  const types: [string, string][] = [
    ['1', 'hard links'],
    ['S', 'sparse files'],
    ['D', 'directory dumps'],
    ['M', 'split over archives'],
    ['\x05', 'type "\\u0005"'],
  ];
  for (const [type, text] of types) {
    const header = oneHeader();
    header[field.type] = type.charCodeAt(0);
    await assert.rejects(readTar(mend(header)), formatError(`${text}`), type);
  }
  const sparse = record('x', pax(['GNU.sparse.major', '1']));
  await assert.rejects(readTar(Buffer.concat([sparse, oneHeader()])), formatError('sparse'));
});

test('an extended header of more than 1 MiB is refused before it is read', async () => {
  const long = oneHeader({ name: 'record', sizeBytes: 2 ** 40 });
  for (const type of ['L', 'K', 'x', 'g']) {
    long[field.type] = type.charCodeAt(0);
    await assert.rejects(readTar(mend(long)), formatError('too long'), type);
  }
  const fits = record('L', 'n'.repeat((1 << 20) - 1));
  assert.equal(
    (await readTar(Buffer.concat([fits, oneHeader()]), 1000))[0]!.header.name.length,
    (1 << 20) - 1,
  );
});

test('a damaged archive gives its entries or a format error, nothing else', async () => {
  const bytes = Buffer.concat([goldenBytes('pax.tar.gz').subarray(0, 30000), goldenBytes('gnu.tar.gz')]);
  const change = fc.record({ at: fc.nat(bytes.length - 1), byte: fc.nat(255), mended: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), fc.boolean(), async (changes, cut) => {
      const spoilt = Buffer.from(bytes);
      for (const { at, byte, mended } of changes) {
        spoilt[at] = byte;
        // A wrong sum ends most archives at once: with it mended, the fields behind it are tried.
        const block = at - (at % 512);
        if (mended) mend(spoilt.subarray(block, block + 512));
      }
      try {
        await readTar(cut ? spoilt.subarray(0, changes[0]!.at) : spoilt, 4000);
      } catch (error) {
        assert.ok(error instanceof TundraError && error.code === 'format', String(error));
      }
    }),
    { numRuns: 400 },
  );
});
