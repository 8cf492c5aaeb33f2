import type { Random } from './random.js';

/** Makes other bytes of some; `other` is a second sample to take parts from. The arguments stay as they are. */
export type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

const oddBytes = [
  0, 1, 2, 0x0a, 0x0d, 0x20, 0x22, 0x25, 0x2a, 0x2e, 0x2f, 0x30, 0x37, 0x39, 0x3d, 0x5c, 0x7f,
];
const highBytes = [0x80, 0x81, 0xbf, 0xc0, 0xdf, 0xe0, 0xe9, 0xf0, 0xfe, 0xff];
const oddNumbers = [
  0,
  1,
  2,
  7,
  8,
  127,
  128,
  255,
  256,
  511,
  512,
  513,
  32_767,
  32_768,
  65_535,
  65_536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
];
const oddDigits = [
  ...oddNumbers.map(String),
  '-1',
  '-0',
  '00',
  '999999999',
  '1e999',
  '0x10',
  '9'.repeat(20),
  '9'.repeat(400),
];

const flipBit: Mutation = (bytes, random) => changed(bytes, random, (at) => at ^ (1 << random.below(8)));
const oddByte: Mutation = (bytes, random) =>
  changed(bytes, random, () => random.pick(random.oneIn(2) ? oddBytes : highBytes));
const anyByte: Mutation = (bytes, random) => changed(bytes, random, () => random.below(256));
const nearByte: Mutation = (bytes, random) => changed(bytes, random, (at) => at + random.below(17) - 8);

function changed(bytes: Buffer, random: Random, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  if (copy.length > 0) copy[at] = change(copy[at]!);
  return copy;
}

/** An odd number of 2, 4 or 8 bytes in place of what is there. */
const oddNumber: Mutation = (bytes, random) => {
  const size = random.pick([2, 4, 8]);
  if (bytes.length < size) return bytes;
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt.asUintN(64, BigInt(random.pick(oddNumbers)) - BigInt(random.below(3))));
  const part = number.subarray(8 - size);
  const copy = Buffer.from(bytes);
  copy.set(random.oneIn(2) ? part : part.reverse(), random.below(copy.length - size + 1));
  return copy;
};

/** Another number in place of one in decimal digits. */
const oddDecimal: Mutation = (bytes, random) => {
  const start = random.below(bytes.length);
  const isDigit = (at: number) => bytes[at]! >= 0x30 && bytes[at]! <= 0x39;
  let at = start;
  while (at < bytes.length && !isDigit(at)) at++;
  if (at >= bytes.length) return bytes;
  let end = at;
  while (end < bytes.length && isDigit(end)) end++;
  return replaced(bytes, at, end, Buffer.from(random.pick(oddDigits)));
};

const cut: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1));

const removeBlock: Mutation = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  return replaced(bytes, from, to, Buffer.alloc(0));
};

const repeatBlock: Mutation = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  const times = random.oneIn(4) ? random.size(64) : 1;
  return replaced(bytes, to, to, Buffer.concat(Array<Buffer>(times).fill(bytes.subarray(from, to))));
};

const moveBlock: Mutation = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  const block = bytes.subarray(from, to);
  const rest = replaced(bytes, from, to, Buffer.alloc(0));
  const at = random.below(rest.length + 1);
  return replaced(rest, at, at, block);
};

const copyBlock: Mutation = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  const copy = Buffer.from(bytes);
  copy.set(bytes.subarray(from, to), random.below(copy.length - (to - from) + 1));
  return copy;
};

const insertRun: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const run = Buffer.alloc(random.size(1024), random.pick(random.oneIn(2) ? oddBytes : highBytes));
  return replaced(bytes, at, at, run);
};

const insertNoise: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const noise = Buffer.from(Array.from({ length: random.size(64) }, () => random.below(256)));
  return replaced(bytes, at, at, noise);
};

/** The beginning of one sample and the end of another. */
const splice: Mutation = (bytes, random, other) =>
  Buffer.concat([
    bytes.subarray(0, random.below(bytes.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);

const insertOther: Mutation = (bytes, random, other) => {
  const [from, to] = stretch(other, random);
  const at = random.below(bytes.length + 1);
  return replaced(
    bytes,
    at,
    random.oneIn(2) ? at : Math.min(bytes.length, at + to - from),
    other.subarray(from, to),
  );
};

/** A stretch of the bytes, most often a short one. */
export function stretch(bytes: Buffer, random: Random): [from: number, to: number] {
  const size = Math.min(bytes.length, random.size(Math.max(1, bytes.length)));
  const from = random.below(bytes.length - size + 1);
  return [from, from + size];
}

/** The bytes with others in the place of a stretch. */
export function replaced(bytes: Buffer, from: number, to: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)]);
}

const bytewise = [flipBit, oddByte, anyByte, nearByte, oddNumber, oddDecimal];
const blockwise = [
  removeBlock,
  repeatBlock,
  moveBlock,
  copyBlock,
  insertRun,
  insertNoise,
  splice,
  insertOther,
  cut,
];

/** Puts words of the format in, or one in the place of another. */
export function wordMutation(words: readonly string[]): Mutation {
  const all = words.map((word) => Buffer.from(word, 'latin1'));
  return (bytes, random) => {
    const at = random.below(bytes.length + 1);
    const word = random.pick(all);
    const old = random.pick(all);
    const found = random.oneIn(2) ? bytes.indexOf(old, at) : -1;
    if (found >= 0) return replaced(bytes, found, found + old.length, word);
    return replaced(bytes, at, random.oneIn(2) ? at : Math.min(bytes.length, at + word.length), word);
  };
}

/** One to about a dozen mutations in a row, those of the format as often as the general ones. */
export function mutate(
  sample: Buffer,
  random: Random,
  other: Buffer,
  own: readonly Mutation[],
  mostBytes: number,
): Buffer {
  let bytes = sample;
  do {
    const choices = own.length > 0 && random.oneIn(2) ? own : random.oneIn(2) ? bytewise : blockwise;
    bytes = random.pick(choices)(bytes, random, other);
    if (bytes.length > mostBytes) bytes = bytes.subarray(0, mostBytes);
  } while (!random.oneIn(3));
  return bytes;
}
