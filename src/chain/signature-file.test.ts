import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { EntryType } from '../base/attributes.js';
import type { TarHeader } from '../format/tar/header.js';
import { TarReader } from '../format/tar/read.js';
import { formatRecords } from '../format/tar/records.js';
import { SignatureFileWriter } from './signature-file.js';
import { lentPieces, temporaryFolder } from './stores.fixture.js';

function header(values: Partial<TarHeader> = {}): TarHeader {
  return {
    name: '',
    type: 'file',
    mode: 0o600,
    uid: 1000,
    gid: 100,
    uname: 'me',
    gname: 'us',
    mtimeSeconds: 1_600_000_000,
    sizeBytes: 0,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...values,
  };
}

/** Writes a file and returns the bytes of it. */
function written(t: TestContext, write: (writer: SignatureFileWriter) => void): Buffer {
  const path = join(temporaryFolder(t), 'sigtar');
  const writer = new SignatureFileWriter(path);
  write(writer);
  writer.finish();
  return readFileSync(path);
}

interface ReadEntry {
  name: string;
  type: EntryType;
  mtimeSeconds: number;
  data: Buffer;
}

async function entriesOf(bytes: Buffer): Promise<ReadEntry[]> {
  const tar = new TarReader(lentPieces(bytes, 30_000), 'sigtar');
  const entries: ReadEntry[] = [];
  for (let next = await tar.next(); next !== undefined; next = await tar.next()) {
    const { name, type, mtimeSeconds, sizeBytes } = next;
    entries.push({ name, type, mtimeSeconds, data: Buffer.from(await tar.readBody(sizeBytes)) });
  }
  return entries;
}

const noise = randomBytes(700_000);

describe('SignatureFileWriter', () => {
  it('writes a tar of what it was given, gathered or growing, whatever the sizes', async (t) => {
    const path = join(temporaryFolder(t), 'sigtar');
    const size = fc.oneof(fc.nat(600), fc.constantFrom(0, 512, 262_144, 261_632, 261_633), fc.nat(600_000));
    const data = fc.tuple(size, fc.nat(1000)).map(([length, from]) => noise.subarray(from, from + length));
    const entry = fc.record({
      data,
      key: fc.constantFrom('a', 'dir\0\xff', 'n'.repeat(120)),
      grows: fc.boolean(),
      expectedBytes: fc.nat(600_000),
      mtimeSeconds: fc.option(fc.constantFrom(0, 1_600_000_000, 5), { nil: undefined }),
      pieceBytes: fc.integer({ min: 1000, max: 300_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        const writer = new SignatureFileWriter(path);
        for (const { data, key, grows, expectedBytes, mtimeSeconds, pieceBytes } of entries) {
          if (!grows) {
            writer.add('signature', key, header(), data);
            continue;
          }
          const growing = writer.begin(key, header(), expectedBytes);
          for (let at = 0; at < data.length; at += pieceBytes)
            growing.write(data.subarray(at, at + pieceBytes));
          growing.end(mtimeSeconds);
        }
        writer.finish();
        const bytes = readFileSync(path);
        assert.equal(bytes.length % 10_240, 0);
        const found = await entriesOf(bytes);
        assert.deepEqual(
          found.map(({ name, mtimeSeconds }) => [name, mtimeSeconds]),
          entries.map(({ key, grows, mtimeSeconds }) => [
            `signature/${key.replaceAll('\0', '/')}`,
            (grows ? mtimeSeconds : undefined) ?? 1_600_000_000,
          ]),
        );
        assert.ok(found.every(({ data }, i) => data.equals(entries[i]!.data)));
      }),
      { numRuns: 40 },
    );
  });

  it('names entries by kind, type and path', async (t) => {
    const bytes = written(t, (writer) => {
      writer.add('snapshot', '', header({ type: 'directory' }));
      writer.add('snapshot', 'd', header({ type: 'directory' }));
      writer.add('signature', 'd\0f', header(), Buffer.from('sig'));
      writer.add('snapshot', 'd\0l', header({ type: 'symlink', linkTarget: 'to' }));
      writer.add('deleted', 'e', header());
    });
    const found = await entriesOf(bytes);
    assert.deepEqual(
      found.map(({ name, type, data }) => `${name} ${type} ${data.length}`),
      [
        'snapshot/ directory 0',
        'snapshot/d/ directory 0',
        'signature/d/f file 3',
        'snapshot/d/l symlink 0',
        'deleted/e file 0',
      ],
    );
  });

  it('ends as a tar does, also where there is nothing', (t) => {
    assert.deepEqual(
      written(t, () => {}),
      Buffer.alloc(10_240),
    );
    // The end needs 1024 bytes, which do not fit behind 9728.
    const full = written(t, (writer) => writer.add('signature', 'a', header(), Buffer.alloc(9216)));
    assert.equal(full.length, 20_480);
    const fits = written(t, (writer) => writer.add('signature', 'a', header(), Buffer.alloc(8704)));
    assert.equal(fits.length, 10_240);
  });

  it('holds records that are longer than its buffer', async (t) => {
    const records = formatRecords([['SCHILY.xattr.user.a', 'v'.repeat(500_000)]]);
    const bytes = written(t, (writer) => {
      writer.add('signature', 'a', header({ records }), Buffer.from('sig'));
      const growing = writer.begin('b', header({ records }), 10);
      growing.write(Buffer.from('grown'));
      growing.end();
      writer.add('snapshot', 'c', header({ type: 'fifo' }));
    });
    const tar = new TarReader(lentPieces(bytes, 30_000), 'sigtar');
    const found: [string, boolean, string][] = [];
    for (let next = await tar.next(); next !== undefined; next = await tar.next()) {
      const data = Buffer.from(await tar.readBody(next.sizeBytes)).toString();
      found.push([next.name, next.records === records, data]);
    }
    assert.deepEqual(found, [
      ['signature/a', true, 'sig'],
      ['signature/b', true, 'grown'],
      ['snapshot/c', false, ''],
    ]);
  });

  it('mends the header of a signature that grew to another size, long after it went out', async (t) => {
    const entries = await entriesOf(
      written(t, (writer) => {
        writer.add('signature', 'a', header(), Buffer.from('before'));
        const growing = writer.begin('n'.repeat(200), header(), 10);
        for (let i = 0; i < 20; i++) growing.write(noise.subarray(0, 50_001));
        growing.end(7);
        writer.add('signature', 'z', header(), Buffer.from('after'));
      }),
    );
    assert.deepEqual(
      entries.map(({ data, mtimeSeconds }) => [data.length, mtimeSeconds]),
      [
        [6, 1_600_000_000],
        [20 * 50_001, 7],
        [5, 1_600_000_000],
      ],
    );
    assert.equal(entries[2]!.data.toString(), 'after');
  });

  it('takes back a signature that was begun, however long it is, and nothing before it', async (t) => {
    for (const pieces of [0, 1, 20]) {
      const entries = await entriesOf(
        written(t, (writer) => {
          writer.add('signature', 'a', header(), Buffer.from('before'));
          const growing = writer.begin('b', header(), 2_000_000);
          for (let i = 0; i < pieces; i++) growing.write(noise.subarray(0, 50_001));
          growing.discard();
          writer.addUnknown('b', header({ type: 'symlink', linkTarget: 'to' }));
          writer.add('signature', 'c', header(), Buffer.from('after'));
        }),
      );
      assert.deepEqual(
        entries.map(({ name, type, data, mtimeSeconds }) => [name, type, data.length, mtimeSeconds]),
        [
          ['signature/a', 'file', 6, 1_600_000_000],
          ['signature/b', 'file', 12, 1_599_999_999],
          ['signature/c', 'file', 5, 1_600_000_000],
        ],
      );
    }
  });

  it('is readable by its owner only, and open no longer than needed', (t) => {
    const folder = temporaryFolder(t);
    const before = readdirSync('/proc/self/fd').length;
    new SignatureFileWriter(join(folder, 'one')).abandon();
    new SignatureFileWriter(join(folder, 'two')).finish();
    for (const name of ['one', 'two']) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});
