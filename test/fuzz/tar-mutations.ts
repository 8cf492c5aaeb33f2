import { blockBytes, field } from '../../src/format/tar/header.js';
import { type Mutation, replaced } from './mutate.js';
import type { Random } from './random.js';

/*
 * Mutations of a tar that keep it one: odd values in the fields of its headers, and checksums that fit.
 */

const numbers = [
  { at: field.mode, size: 8 },
  { at: field.uid, size: 8 },
  { at: field.gid, size: 8 },
  { at: field.size, size: 12 },
  { at: field.size, size: 12 },
  { at: field.mtime, size: 12 },
  { at: field.deviceMajor, size: 8 },
  { at: field.deviceMinor, size: 8 },
];
const texts = [
  { at: field.name, size: 100 },
  { at: field.linkTarget, size: 100 },
  { at: field.magic, size: 8 },
  { at: field.uname, size: 32 },
  { at: field.prefix, size: 155 },
];
const values = [
  0,
  1,
  511,
  512,
  513,
  1 << 20,
  (1 << 20) + 1,
  2 ** 31,
  2 ** 32,
  2 ** 33 - 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
];
const typeFlags = Array.from('\x001234567LKxgDMNSVA');
const odd = [
  '',
  '/',
  '..',
  '../..',
  'a/../b',
  './',
  '//',
  'a\nb',
  '\xff',
  '%s',
  'snapshot/',
  'deleted/',
  'diff/',
];
const records = [
  '18 path=diff/abcd\n',
  '12 size=100\n',
  '30 size=9007199254740993000000\n',
  '11 size=-1\n',
  '20 mtime=1e308\n',
  '22 mtime=99999999999\n',
  '27 GNU.sparse.size=1000000\n',
  '0 path=a\n',
  '99999 path=a\n',
  '9 path=\n',
  '15 __proto__=a\n',
];

/** Where the headers are, as far as the tar can be followed; then every block that looks like one. */
function headersOf(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + blockBytes <= bytes.length; at += blockBytes) {
    if (bytes.toString('latin1', at + field.magic, at + field.magic + 5) === 'ustar') found.push(at);
  }
  return found;
}

const numberField: Mutation = (bytes, random) =>
  inHeader(bytes, random, (copy, header) => {
    const { at, size } = random.pick(numbers);
    const value = BigInt(random.pick(values)) - BigInt(random.below(2));
    if (random.oneIn(3)) {
      copy.fill(0, header + at, header + at + size);
      copy.writeBigUInt64BE(BigInt.asUintN(64, value), header + at + size - 8);
      copy[header + at] = random.pick([0x80, 0xff, 0x81, 0xc0]);
    } else {
      const digits = BigInt.asUintN(63, value)
        .toString(8)
        .padStart(size - 1, '0');
      copy.write(digits.slice(-size), header + at, size, 'latin1');
      if (digits.length < size) copy[header + at + size - 1] = random.pick([0, 0x20]);
    }
  });

const textField: Mutation = (bytes, random) =>
  inHeader(bytes, random, (copy, header) => {
    const { at, size } = random.pick(texts);
    const text = random.pick(odd);
    if (random.oneIn(2)) copy.fill(0, header + at, header + at + size);
    copy.write(text.repeat(random.oneIn(3) ? size : 1), header + at, size, 'latin1');
  });

const typeField: Mutation = (bytes, random) =>
  inHeader(bytes, random, (copy, header) => {
    copy.write(random.pick(typeFlags), header + field.type, 1, 'latin1');
  });

/** A record before a header: a long name, or PAX values. */
const extension: Mutation = (bytes, random) => {
  const header = random.pick(headersOf(bytes));
  if (header === undefined) return bytes;
  const flag = random.pick(['L', 'K', 'x', 'g']);
  const isPax = flag === 'x' || flag === 'g';
  const body = isPax
    ? Array.from({ length: random.size(6) }, () => random.pick(records)).join('')
    : `${random.pick(odd)}/${random.pick(odd)}`.repeat(random.size(300));
  const record = Buffer.from(bytes.subarray(header, header + blockBytes));
  record.write(flag, field.type, 1, 'latin1');
  const stated = body.length + (random.oneIn(6) ? random.below(1000) : 0);
  record.write(`${stated.toString(8).padStart(11, '0')}\0`, field.size, 12, 'latin1');
  const data = Buffer.alloc(Math.ceil(body.length / blockBytes) * blockBytes);
  data.write(body, 'latin1');
  return replaced(bytes, header, header, Buffer.concat([record, data]));
};

/** Blocks in another order, twice or gone: the tar itself stays whole. */
const wholeBlocks: Mutation = (bytes, random) => {
  const blocks = bytes.length / blockBytes;
  const from = random.below(blocks) * blockBytes;
  const to = from + random.size(8) * blockBytes;
  const at = random.below(blocks) * blockBytes;
  const part = bytes.subarray(from, to);
  return random.oneIn(2) ? replaced(bytes, at, at, part) : replaced(bytes, from, to, Buffer.alloc(0));
};

function inHeader(bytes: Buffer, random: Random, change: (copy: Buffer, header: number) => void): Buffer {
  const headers = headersOf(bytes);
  if (headers.length === 0) return bytes;
  const copy = Buffer.from(bytes);
  change(copy, random.pick(headers));
  return copy;
}

export const tarMutations: readonly Mutation[] = [
  numberField,
  numberField,
  textField,
  typeField,
  extension,
  wholeBlocks,
];

/** The tar with checksums that fit. */
export function withChecksums(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (const at of headersOf(copy)) {
    copy.fill(0x20, at + field.checksum, at + field.type);
    const sum = copy.subarray(at, at + blockBytes).reduce((sum, byte) => sum + byte, 0);
    copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + field.checksum, 8, 'latin1');
  }
  return copy;
}
