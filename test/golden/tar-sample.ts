import fc from 'fast-check';
import type { EntryType } from '../../src/base/attributes.js';
import type { ByteStream } from '../../src/base/bytes.js';
import type { Latin1 } from '../../src/base/path-key.js';
import { paddedBytes, type TarHeader } from '../../src/format/tar/header.js';
import { TarReader } from '../../src/format/tar/read.js';
import { accessAclKey, formatRecords, hardLinkKey, xattrKey } from '../../src/format/tar/records.js';
import { tarHeaderBytes, writeTarHeader } from '../../src/format/tar/write.js';

export interface TarEntry {
  header: TarHeader;
  body: Buffer;
}

/** A header of a plain file, with what is given in place of the usual. */
export function headerOf(values: Partial<TarHeader>): TarHeader {
  return {
    name: 'file',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    mtimeSeconds: 1000000000,
    sizeBytes: 0,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...values,
  };
}

/** A tar of the entries, without blocks of zeros at its end. */
export function tarOf(entries: TarEntry[]): Buffer {
  return Buffer.concat(
    entries.flatMap(({ header, body }) => {
      const block = Buffer.alloc(tarHeaderBytes(header), 0xee);
      const written = writeTarHeader(header, block, 0);
      if (written !== block.length) throw new Error(`${written} bytes written, ${block.length} expected`);
      return [block, body, Buffer.alloc(paddedBytes(body.length) - body.length)];
    }),
  );
}

/** The bytes in pieces of at most `size`; each piece is spoilt when the next one is asked for. */
export async function* inPieces(bytes: Uint8Array, size: number): ByteStream {
  for (let at = 0; at < bytes.length; at += size) {
    const piece = Buffer.from(bytes.subarray(at, at + size));
    yield piece;
    piece.fill(0xaa);
  }
}

/** Every entry of a tar. */
export async function readTar(bytes: Uint8Array, pieceBytes = 65536): Promise<TarEntry[]> {
  const reader = new TarReader(inPieces(bytes, pieceBytes), 'sample');
  const entries: TarEntry[] = [];
  for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
    entries.push({ header, body: Buffer.from(await reader.readBody(1 << 24)) });
  }
  return entries;
}

const byteString = (minLength: number, maxLength: number, least: number): fc.Arbitrary<Latin1> =>
  fc
    .array(fc.integer({ min: least, max: 255 }), { minLength, maxLength })
    .map((bytes) => Buffer.from(bytes).toString('latin1'));

/** Lengths at which a name, or its record, just fits a field or a block. */
const longText: fc.Arbitrary<Latin1> = fc
  .tuple(
    fc.constantFrom(99, 100, 101, 155, 255, 256, 511, 512, 513, 1000),
    fc.constantFrom('n', '\xff', ' ', '\\'),
  )
  .map(([length, byte]) => byte.repeat(length));

const text: fc.Arbitrary<Latin1> = fc.oneof(byteString(1, 40, 1), longText);
const id = fc.oneof(fc.nat(70000), fc.constantFrom(2097151, 2097152, 2 ** 31, 2 ** 32 - 1));
const ownerName: fc.Arbitrary<Latin1> = fc.oneof(
  fc.constantFrom('', 'root', 'u'.repeat(31), 'u'.repeat(32), 'é\xff'.repeat(30)),
  byteString(0, 12, 1),
);

const recordKey = fc.oneof(
  byteString(1, 40, 1).map((name) => xattrKey(`user.${name}`)),
  fc.constantFrom(accessAclKey, hardLinkKey, xattrKey('user.%=25%3D'), xattrKey(`user.${'n'.repeat(250)}`)),
);
const records: fc.Arbitrary<Latin1> = fc
  .uniqueArray(fc.tuple(recordKey, fc.oneof(byteString(0, 120, 0), fc.constantFrom('', 'v'.repeat(65536)))), {
    minLength: 1,
    maxLength: 3,
    selector: ([key]) => key,
  })
  .map(formatRecords);

/** Entries of every type, with all that is odd; a file's name does not end in `/`, a directory's does. */
export const tarEntry: fc.Arbitrary<TarEntry> = fc
  .record({
    name: text,
    type: fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'fifo', 'char-device', 'block-device'),
    mode: fc.nat(0o7777),
    uid: id,
    gid: id,
    uname: ownerName,
    gname: ownerName,
    mtimeSeconds: fc.oneof(fc.nat(2 ** 31), fc.constantFrom(0, 2 ** 31, 8 ** 11 - 1, 8 ** 11, 2 ** 40)),
    linkTarget: text,
    deviceMajor: fc.oneof(fc.nat(255), fc.constantFrom(2097152, 2 ** 32 - 1)),
    deviceMinor: fc.nat(2 ** 20),
    body: fc.uint8Array({ maxLength: 1100 }),
    records: fc.option(records, { nil: undefined, freq: 2 }),
  })
  .map(({ body, records, ...values }) => {
    const { type } = values;
    const device = type === 'char-device' || type === 'block-device';
    const bare = values.name.replace(/\/+$/, '') || 'x';
    const data = type === 'file' ? Buffer.from(body) : Buffer.alloc(0);
    return {
      header: {
        ...values,
        name: type === 'directory' ? `${bare}/` : bare,
        sizeBytes: data.length,
        linkTarget: type === 'symlink' ? values.linkTarget : '',
        deviceMajor: device ? values.deviceMajor : 0,
        deviceMinor: device ? values.deviceMinor : 0,
        ...(records !== undefined && { records }),
      },
      body: data,
    };
  });
