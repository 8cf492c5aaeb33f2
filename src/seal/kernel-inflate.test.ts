import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  constants,
  crc32,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib';
import fc from 'fast-check';
import { compileDeflateKernel, DeflateKernel, deflateEfforts } from './kernel-deflate.js';
import { InflateError, InflateKernel, InflateStream } from './kernel-inflate.js';

type Wrapping = 'raw' | 'zlib' | 'gzip';

const kernel = new InflateKernel();
const deflate = new DeflateKernel(compileDeflateKernel());
const unwrap = { raw: inflateRawSync, zlib: inflateSync, gzip: gunzipSync };

/** Sizes of the next pieces of input; the list begins again at its end. */
type Cuts = readonly number[];

const whole: Cuts = [1 << 30];

/** All that comes out, the error behind it, and what was not used. */
function outcome(bytes: Uint8Array, wrapping: Wrapping, cuts = whole) {
  const stream = new InflateStream(kernel, wrapping);
  const pieces: Buffer[] = [];
  let at = 0;
  let error: unknown;
  try {
    for (let inputs = 0; !stream.ended; ) {
      if (stream.wantsInput) {
        const size = cuts[inputs++ % cuts.length]!;
        const piece = bytes.subarray(at, at + size);
        at += piece.length;
        stream.push(Buffer.from(piece), at === bytes.length);
      }
      pieces.push(Buffer.from(stream.next()));
    }
  } catch (thrown) {
    assert.ok(thrown instanceof InflateError, String(thrown));
    error = thrown;
    assert.throws(() => stream.next(), thrown);
  }
  const unusedBytes = stream.unusedBytes + bytes.length - at;
  stream.close();
  return { plain: Buffer.concat(pieces), error: error as InflateError | undefined, unusedBytes };
}

/** What zlib says to the same bytes. */
function reference(bytes: Uint8Array, wrapping: Wrapping) {
  try {
    return { plain: unwrap[wrapping](bytes, { maxOutputLength: 1 << 28, windowBits: 15 }) };
  } catch (error) {
    const { code, message } = error as InflateError;
    return { code, message };
  }
}

function assertAsZlib(bytes: Uint8Array, wrapping: Wrapping, cuts = whole): void {
  const expected = reference(bytes, wrapping);
  const { plain, error } = outcome(bytes, wrapping, cuts);
  if (expected.plain === undefined) {
    assert.deepEqual([error?.code, error?.message], [expected.code, expected.message], hex(bytes));
  } else {
    assert.equal(error, undefined, hex(bytes));
    assert.ok(plain.equals(expected.plain), hex(bytes));
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 4000)).toString('hex');

function noise(sizeBytes: number, seed: number, values = 256): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0, state = seed + 1; i < sizeBytes; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    bytes[i] = ((state ^ (state >>> 13)) >>> 24) % values;
  }
  return bytes;
}

/** Words of a small language, now and then one that is new. */
function prose(sizeBytes: number, seed: number): Buffer {
  const choice = noise(sizeBytes, seed);
  let text = '';
  for (let i = 0; text.length < sizeBytes; i++) {
    const word = choice[i]! * (1 + (choice[(i * 7) % sizeBytes]! & 3));
    text += `${(word * 2654435761).toString(36).slice(0, 2 + (word % 7))} `;
  }
  return Buffer.from(text.slice(0, sizeBytes));
}

/** Data made of parts: noise, runs, text, and copies of what came before, from distances of all kinds. */
const partsOfText = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('noise' as const), size: fc.nat(3000), seed: fc.nat(99) }),
    fc.record({ kind: fc.constant('few' as const), size: fc.nat(9000), seed: fc.nat(99) }),
    fc.record({ kind: fc.constant('run' as const), size: fc.nat(3000), seed: fc.nat(255) }),
    fc.record({ kind: fc.constant('text' as const), size: fc.nat(30_000), seed: fc.nat(5) }),
    fc.record({
      kind: fc.constant('copy' as const),
      size: fc.oneof(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 250, max: 530 }), fc.nat(60_000)),
      seed: fc.oneof(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 32_760, max: 32_776 }),
        fc.nat(60_000),
      ),
    }),
  ),
  { maxLength: 14 },
);

function assemble(parts: { kind: string; size: number; seed: number }[]): Buffer {
  const bytes = Buffer.alloc(parts.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const { kind, size, seed } of parts) {
    if (kind === 'noise') noise(size, seed).copy(bytes, at);
    else if (kind === 'few') noise(size, seed, 3 + (seed % 30)).copy(bytes, at);
    else if (kind === 'run') bytes.fill(seed, at, at + size);
    else if (kind === 'text') prose(size, seed).copy(bytes, at);
    else for (let i = 0; i < size; i++) bytes[at + i] = bytes[Math.max(0, at + i - seed)]!;
    at += size;
  }
  return bytes;
}

const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
const settings = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  strategy: fc.constantFrom(Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE),
  memLevel: fc.integer({ min: 1, max: 9 }),
  windowBits: fc.integer({ min: 9, max: 15 }),
});
const someCuts: fc.Arbitrary<Cuts> = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 100_000 })),
  {
    minLength: 1,
    maxLength: 8,
  },
);
const wrappings = fc.constantFrom('raw' as const, 'zlib' as const, 'gzip' as const);

function pack(bytes: Uint8Array, wrapping: Wrapping, options: object = {}): Buffer {
  return { raw: deflateRawSync, zlib: deflateSync, gzip: gzipSync }[wrapping](bytes, options);
}

/** Writes bits, lowest first, for streams that no encoder makes. */
function bitsToBytes(bits: string): Buffer {
  const digits = bits.replaceAll(' ', '');
  const bytes = Buffer.alloc(Math.ceil(digits.length / 8));
  for (let i = 0; i < digits.length; i++) bytes[i >> 3]! |= Number(digits[i]) << (i & 7);
  return bytes;
}

/** A number, lowest bit first. */
function bits(value: number, count: number): string {
  return [...value.toString(2).padStart(count, '0')].reverse().join('');
}

/** The head of a last block with codes of these lengths, each written as it is with a code of equal lengths of 5 bits. */
function dynamicHead(litlens: number[], distances: number[]): string {
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  // 16 codes of 4 bits for the lengths 0 to 15 and none for repetitions.
  const lengths = order.map((symbol) => bits(symbol < 16 ? 4 : 0, 3)).join('');
  const reversed = (length: number) => length.toString(2).padStart(4, '0');
  return [
    '1 01',
    bits(litlens.length - 257, 5),
    bits(distances.length - 1, 5),
    bits(15, 4),
    lengths,
    [...litlens, ...distances].map(reversed).join(''),
  ].join(' ');
}

/** Code lengths by symbol; the others have none. */
function lengthsOf(count: number, given: Record<number, number>): number[] {
  return Array.from({ length: count }, (_, symbol) => given[symbol] ?? 0);
}

suite('InflateStream', () => {
  test('what zlib compresses, at all levels and strategies, however it is cut', () =>
    fc.assert(
      fc.property(partsOfText, settings, wrappings, someCuts, (parts, options, wrapping, cuts) => {
        const bytes = assemble(parts);
        const { plain, error, unusedBytes } = outcome(pack(bytes, wrapping, options), wrapping, cuts);
        assert.equal(error, undefined);
        assert.ok(plain.equals(bytes));
        assert.equal(unusedBytes, 0);
      }),
      { numRuns: 150 },
    ));

  test('what our own encoder compresses', () =>
    fc.assert(
      fc.property(partsOfText, fc.constantFrom(...deflateEfforts), someCuts, (parts, effort, cuts) => {
        const bytes = assemble(parts);
        const packed = Buffer.concat([deflate.compress(bytes, new Uint8Array(0), effort), Buffer.of(3, 0)]);
        const { plain, error } = outcome(packed, 'raw', cuts);
        assert.equal(error, undefined);
        assert.ok(plain.equals(bytes));
      }),
      { numRuns: 60 },
    ));

  test('megabytes: the window moves on many times', () => {
    const text = prose(150_000, 1);
    const parts = Array.from({ length: 8 }, (_, i) => [
      text.subarray(i * 10_000, i * 4000 + 33_000),
      noise(70_000, i),
      Buffer.alloc(130_000, i),
      noise(40_000, i, 7),
    ]).flat();
    const bytes = Buffer.concat(parts);
    for (const options of [
      {},
      { level: 1 },
      { level: 0 },
      { strategy: Z_FIXED },
      { strategy: Z_HUFFMAN_ONLY },
    ]) {
      const { plain, error } = outcome(deflateRawSync(bytes, options), 'raw', [50_001]);
      assert.equal(error, undefined);
      assert.ok(plain.equals(bytes));
    }
  });

  test('matches of every short distance and many lengths', () => {
    for (let distance = 1; distance <= 40; distance++) {
      const unit = noise(distance, distance);
      const parts = [3, 4, 15, 16, 17, 31, 32, 33, 34, 64, 257, 258, 259, 1000].map((length) =>
        Buffer.concat([noise(5, length), unit, Buffer.alloc(length, unit), noise(3, length + 1)]),
      );
      const bytes = Buffer.concat(parts);
      assert.ok(outcome(deflateRawSync(bytes, { level: 9 }), 'raw').plain.equals(bytes));
    }
  });

  test('all that whole symbols say comes out before more input is given', () => {
    const packed = deflateRawSync(prose(20_000, 4), { flush: constants.Z_SYNC_FLUSH });
    const stream = new InflateStream(kernel);
    let size = 0;
    for (let at = 0; at < packed.length; at++) {
      assert.ok(stream.wantsInput);
      stream.push(packed.subarray(at, at + 1), false);
      size += stream.next().length;
      const known = inflateRawSync(packed.subarray(0, at + 1), { finishFlush: constants.Z_SYNC_FLUSH });
      // zlib gives the bytes of a match out only when it needs no more bits either.
      assert.equal(size, known.length);
    }
    assert.ok(stream.ended);
    stream.close();
  });

  test('many streams at once, in turns, and engines that are used again', () => {
    const texts = Array.from({ length: 40 }, (_, i) => prose(20_000 + i * 5000, i));
    for (let round = 0; round < 2; round++) {
      const streams = texts.map(() => new InflateStream(kernel));
      const plain = texts.map(() => [] as Buffer[]);
      const packed = texts.map((text) => deflateRawSync(text));
      const places = texts.map(() => 0);
      while (streams.some((stream) => !stream.ended)) {
        for (const [i, stream] of streams.entries()) {
          if (stream.wantsInput) {
            stream.push(packed[i]!.subarray(places[i], places[i]! + 777), false);
            places[i]! += 777;
          }
          plain[i]!.push(Buffer.from(stream.next()));
        }
      }
      for (const [i, stream] of streams.entries()) {
        assert.ok(Buffer.concat(plain[i]!).equals(texts[i]!));
        stream.close();
        stream.close();
        assert.throws(() => stream.next(), RangeError);
      }
    }
  });

  test('an engine that met damage serves the next stream as if new', () => {
    const packed = deflateRawSync(prose(9000, 1));
    for (const bad of [
      bitsToBytes(dynamicHead(lengthsOf(257, { 256: 1, 0: 2 }), [0])),
      packed.subarray(0, 99),
    ]) {
      assert.ok(outcome(bad, 'raw').error !== undefined);
      assertAsZlib(deflateRawSync(prose(9000, 2), { strategy: Z_FIXED }), 'raw');
      assertAsZlib(packed, 'raw');
    }
  });

  test('what follows the end is not used', () =>
    fc.assert(
      fc.property(
        fc.nat(3000),
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom('raw' as const, 'zlib' as const),
        someCuts,
        (size, rest, wrapping, cuts) => {
          const packed = pack(prose(size, 1), wrapping);
          const { error, unusedBytes } = outcome(Buffer.concat([packed, rest]), wrapping, cuts);
          assert.equal(error, undefined);
          assert.equal(unusedBytes, rest.length);
        },
      ),
    ));

  test('push is refused when nothing is wanted', () => {
    const stream = new InflateStream(kernel);
    stream.push(deflateRawSync('x'), true);
    assert.throws(() => stream.push(Buffer.of(1), true), RangeError);
    stream.close();
  });
});

suite('InflateStream and damage', () => {
  test('every prefix is cut short', () => {
    const text = Buffer.concat([prose(700, 1), noise(100, 2), Buffer.alloc(700, 3)]);
    for (const wrapping of ['raw', 'zlib', 'gzip'] as const) {
      for (const options of [{}, { level: 0 }, { strategy: Z_FIXED }, { memLevel: 1 }]) {
        const packed = pack(text, wrapping, options);
        for (let size = 0; size < packed.length; size++) {
          const cut = packed.subarray(0, size);
          assertAsZlib(cut, wrapping);
          const { plain, error } = outcome(cut, wrapping, [1 + (size % 50)]);
          assert.equal(error?.code, 'Z_BUF_ERROR');
          assert.ok(plain.equals(text.subarray(0, plain.length)));
        }
      }
    }
  });

  test('altered streams come out as from zlib', () =>
    fc.assert(
      fc.property(
        partsOfText,
        settings,
        wrappings,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        someCuts,
        (parts, options, wrapping, changes, atStart, cuts) => {
          const packed = pack(assemble(parts).subarray(0, 20_000), wrapping, options);
          for (const [place, value] of changes) {
            packed[place % Math.min(packed.length, atStart ? 100 : packed.length)] = value;
          }
          assertAsZlib(packed, wrapping, cuts);
        },
      ),
      { numRuns: 600 },
    ));

  test('noise comes out as from zlib', () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: 7 }),
        someCuts,
        (bytes, head, cuts) => {
          if (bytes.length > 0) bytes[0] = (bytes[0]! & 0xf8) | head;
          assertAsZlib(bytes, 'raw', cuts);
        },
      ),
      { numRuns: 600 },
    ));

  test('codes of any lengths are taken or refused as by zlib', () => {
    const few = fc.dictionary(fc.nat(285).map(String), fc.integer({ min: 1, max: 5 }), { maxKeys: 6 });
    const distances = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 });
    const end = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(
        few,
        end,
        distances,
        fc.uint8Array({ maxLength: 12 }),
        (given, endBits, distanceLengths, data) => {
          const litlens = lengthsOf(286, { ...given, 256: endBits });
          const head = bitsToBytes(dynamicHead(litlens, distanceLengths));
          assertAsZlib(Buffer.concat([head, data]), 'raw');
        },
      ),
      { numRuns: 600 },
    );
  });

  test('codes that are too many, too few, alone, or none', () => {
    const end = { 256: 1, 65: 1 };
    const cases: [string, Record<number, number>, number[]][] = [
      ['too many', { 256: 1, 65: 1, 66: 1 }, [1, 1]],
      ['too few', { 256: 2, 65: 2 }, [1, 1]],
      ['the end of the block alone', { 256: 1 }, [0]],
      ['the end of the block alone, with more bits', { 256: 2 }, [0]],
      ['no end of the block', { 65: 1, 66: 1 }, [1, 1]],
      ['one distance', end, [1]],
      ['one distance of two bits', end, [2]],
      ['no distance', end, [0]],
      ['too many distances', end, [1, 1, 1]],
      ['too few distances', end, [1, 2]],
      ['a match', { 256: 2, 65: 1, 257: 2 }, [1]],
      [
        'codes of 15 bits',
        Object.fromEntries([...Array(15).keys()].map((i) => [i + 242, Math.min(i + 1, 15)])),
        [1, 1],
      ],
    ];
    for (const [, litlens, distances] of cases) {
      const head = dynamicHead(lengthsOf(286, litlens), distances);
      for (let data = 0; data < 256; data++) assertAsZlib(bitsToBytes(head + bits(data, 8)), 'raw');
      for (let data = 0; data < 8; data++)
        assertAsZlib(bitsToBytes(`${head}${bits(data, 3)}${'1'.repeat(60)}`), 'raw');
    }
  });

  test('counts of codes and symbols that there are not', () => {
    for (let litlens = 0; litlens < 32; litlens++) {
      for (let distances = 0; distances < 32; distances++) {
        assertAsZlib(
          bitsToBytes(`1 01 ${bits(litlens, 5)} ${bits(distances, 5)} ${'0'.repeat(2000)}`),
          'raw',
        );
      }
    }
    // With fixed codes: lengths 286 and 287, distances 30 and 31.
    for (const symbol of ['11000110', '11000111', '0000001 11110', '0000001 11111', '0000001 00000']) {
      assertAsZlib(bitsToBytes(`1 10 ${symbol} ${'0'.repeat(70)}`), 'raw');
      assertAsZlib(bitsToBytes(`1 10 00110000 ${symbol} 0000000`), 'raw');
    }
  });

  test('a distance may reach to the first byte and no farther', () => {
    for (const before of [1, 2, 5, 300, 32_767, 32_768, 32_769, 200_000]) {
      const start = noise(before, 1);
      const stored: Buffer[] = [];
      for (let at = 0; at < before; at += 65_535) {
        const part = start.subarray(at, at + 65_535);
        const head = Buffer.alloc(5);
        head.writeUInt16LE(part.length, 1);
        head.writeUInt16LE(part.length ^ 0xffff, 3);
        stored.push(head, part);
      }
      for (const distance of [before - 1, before, before + 1, 32_768]) {
        if (distance < 1 || distance > 32_768) continue;
        const code =
          distance <= 4
            ? distance - 1
            : 2 * Math.floor(Math.log2(distance - 1)) +
              (((distance - 1) >> (Math.floor(Math.log2(distance - 1)) - 1)) & 1);
        const extra = code < 4 ? 0 : (code >> 1) - 1;
        const base = code < 4 ? code + 1 : ((2 + (code & 1)) << extra) + 1;
        const match = `0000001 ${code.toString(2).padStart(5, '0')} ${extra > 0 ? bits(distance - base, extra) : ''}`;
        const packed = Buffer.concat([...stored, bitsToBytes(`1 10 ${match} 0000000`)]);
        assertAsZlib(packed, 'raw');
        assert.equal(outcome(packed, 'raw').error === undefined, distance <= before);
        // The fast loop, too, with much behind it.
        assertAsZlib(
          Buffer.concat([...stored, bitsToBytes(`1 10 ${match} ${'00110000'.repeat(200)} 0000000`)]),
          'raw',
        );
      }
    }
  });

  test('empty blocks without end are passed over', () => {
    const empty = Buffer.alloc(500_000).fill(Buffer.from('000000ffff', 'hex'));
    const { plain, error } = outcome(empty, 'raw');
    assert.deepEqual([plain.length, error?.code], [0, 'Z_BUF_ERROR']);
    assertAsZlib(Buffer.concat([empty, deflateRawSync('x')]), 'raw', [3]);
    assertAsZlib(Buffer.from(bitsToBytes(`${'0 10 0000000'.repeat(30_000)} 1 10 0000000`)), 'raw');
  });

  test('a bomb is let through piece by piece', () => {
    const stream = new InflateStream(kernel);
    stream.push(deflateRawSync(Buffer.alloc(50_000_000)), true);
    for (let size = 0; !stream.ended; ) {
      const piece = stream.next();
      size += piece.length;
      assert.ok(piece.length <= 128 * 1024 && piece.every((byte) => byte === 0));
      if (stream.ended) assert.equal(size, 50_000_000);
    }
    stream.close();
  });
});

suite('InflateStream and wrappings', () => {
  /** A member with the fields that these flags ask for. */
  function member(
    data: Uint8Array,
    set: number,
    change: (header: Buffer) => Buffer = (header) => header,
  ): Buffer {
    const parts = [Buffer.of(0x1f, 0x8b, 8, set, 1, 2, 3, 4, 0, 3)];
    if (set & 4) parts.push(Buffer.of(3, 0, 0, 1, 0));
    if (set & 8) parts.push(Buffer.from('a name\0'));
    if (set & 16) parts.push(Buffer.from(`${'a comment '.repeat(9)}\0`));
    if (set & 2) {
      const crc = Buffer.alloc(2);
      crc.writeUInt16LE(crc32(Buffer.concat(parts)) & 0xffff);
      parts.push(crc);
    }
    const plain = gzipSync(data);
    return Buffer.concat([change(Buffer.concat(parts)), plain.subarray(10)]);
  }

  test('gzip: every set of flags, and any byte of the header another', () => {
    for (let set = 0; set < 256; set++) {
      assertAsZlib(member(Buffer.from('data'), set), 'gzip', [1 + (set % 9)]);
    }
    const headerBytes = 10 + 5 + 7 + 91 + 2;
    for (let at = 0; at < headerBytes; at++) {
      const altered = member(prose(500, 1), 30, (header) => {
        header[at]! ^= 1 << (at & 7);
        return header;
      });
      assertAsZlib(altered, 'gzip', [7]);
    }
  });

  test('gzip: members one behind the other, zeros and other things behind them', () => {
    const [first, second] = [member(prose(900, 1), 8), member(prose(7000, 2), 0)];
    const tails = ['', '00', '0000001f8b', '78', '1f', '1f8b08', '1f8b0800', '1f8c'].map((tail) =>
      Buffer.from(tail, 'hex'),
    );
    for (const tail of tails) {
      for (const input of [1, 1000, 1 << 20]) {
        const cuts = [input];
        assertAsZlib(Buffer.concat([first, tail]), 'gzip', cuts);
        assertAsZlib(Buffer.concat([first, second, first, tail]), 'gzip', cuts);
      }
    }
    assertAsZlib(Buffer.concat(Array(2000).fill(gzipSync(''))), 'gzip', [33]);
  });

  test('gzip: the member is whole, but checksum or size is another', () => {
    for (let back = 1; back <= 8; back++) {
      const altered = gzipSync(prose(3000, 1));
      altered[altered.length - back]! ^= 16;
      assertAsZlib(altered, 'gzip');
      const { plain, error } = outcome(altered, 'gzip');
      assert.equal(plain.length, 3000);
      assert.equal(error?.message, back > 4 ? 'incorrect data check' : 'incorrect length check');
    }
  });

  test('zlib: every header', () => {
    const body = deflateSync(prose(300, 1)).subarray(2);
    for (let first = 0; first < 256; first++) {
      for (let second = first % 3; second < 256; second += first % 16 === 8 ? 1 : 37) {
        assertAsZlib(Buffer.concat([Buffer.of(first, second), body]), 'zlib');
      }
    }
  });

  test('zlib: Adler-32 of runs that are long, short and full of high bytes', () => {
    for (const size of [0, 1, 15, 16, 17, 4095, 4096, 4097, 65_537, 300_000]) {
      for (const bytes of [Buffer.alloc(size, 255), noise(size, size)]) {
        assertAsZlib(deflateSync(bytes), 'zlib', [4000]);
        assertAsZlib(deflateSync(bytes), 'zlib');
        const altered = deflateSync(bytes);
        altered[altered.length - 1 - (size % 4)]! ^= 1;
        assert.equal(outcome(altered, 'zlib').error?.message, 'incorrect data check');
      }
    }
  });
});
