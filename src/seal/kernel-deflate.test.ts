import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { compileDeflateKernel, compressedBound, DeflateKernel, deflateEfforts } from './kernel-deflate.js';

const WINDOW_BYTES = 32 * 1024;
const NOTHING = new Uint8Array(0);
const kernel = new DeflateKernel(compileDeflateKernel());

/** The same bytes for the same seed, none of them more likely than another. */
function noise(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0, state = seed + 1; i < sizeBytes; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    bytes[i] = (state ^ (state >>> 13)) >>> 24;
  }
  return bytes;
}

function prose(sizeBytes: number, seed: number): Buffer {
  const words = Array.from({ length: 300 }, (_, i) =>
    noise(2 + (i % 9), seed + i)
      .toString('hex')
      .slice(0, 2 + (i % 9)),
  );
  const choice = noise(sizeBytes, seed);
  const text = Array.from(
    choice,
    (byte, i) => words[(byte * (1 + (choice[(i * 7) % sizeBytes]! & 3))) % 300],
  );
  return Buffer.from(text.join(' ').slice(0, sizeBytes), 'latin1');
}

/** Inflates whole blocks of which none is the last. */
function inflated(compressed: Uint8Array, dictionary: Uint8Array, sizeBytes: number): Buffer {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: sizeBytes + 1 };
  return inflateRawSync(compressed, dictionary.length > 0 ? { ...options, dictionary } : options);
}

/** Compresses in every way and checks that all is there again; returns the sizes. */
function roundTrip(chunk: Uint8Array, dictionary: Uint8Array = NOTHING): number[] {
  return deflateEfforts.map((effort) => {
    const compressed = kernel.compress(chunk, dictionary, effort);
    assert.ok(compressed.length <= compressedBound(chunk.length), `${effort}: ${compressed.length}`);
    assert.ok(inflated(compressed, dictionary, chunk.length).equals(chunk), effort);
    return compressed.length;
  });
}

/** Data made of parts: noise, runs, text, and copies of what came before from any distance. */
const parts = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('noise' as const), size: fc.nat(3000), seed: fc.nat(99) }),
    fc.record({ kind: fc.constant('run' as const), size: fc.nat(3000), seed: fc.nat(255) }),
    fc.record({ kind: fc.constant('text' as const), size: fc.nat(20_000), seed: fc.nat(5) }),
    fc.record({ kind: fc.constant('few' as const), size: fc.nat(9000), seed: fc.nat(99) }),
    fc.record({
      kind: fc.constant('copy' as const),
      size: fc.oneof(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 250, max: 530 }), fc.nat(40_000)),
      seed: fc.oneof(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 32_760, max: 32_776 }),
        fc.nat(60_000),
      ),
    }),
  ),
  { maxLength: 14 },
);

function assemble(list: { kind: string; size: number; seed: number }[]): Buffer {
  const sizeBytes = list.reduce((sum, { size }) => sum + size, 0);
  const bytes = Buffer.alloc(sizeBytes);
  let at = 0;
  for (const { kind, size, seed } of list) {
    if (kind === 'noise') noise(size, seed).copy(bytes, at);
    else if (kind === 'run') bytes.fill(seed, at, at + size);
    else if (kind === 'text') prose(size, seed).copy(bytes, at);
    else if (kind === 'few') for (const byte of noise(size, seed)) bytes[at++] = 97 + (byte & 3);
    else for (let i = 0; i < size; i++) bytes[at + i] = bytes[Math.max(0, at + i - seed)]!;
    if (kind !== 'few') at += size;
  }
  return bytes;
}

suite('DeflateKernel', () => {
  test('what it compresses inflates again, behind any dictionary', () =>
    fc.assert(
      fc.property(parts, fc.nat(40_000), (list, dictionaryBytes) => {
        const bytes = assemble(list);
        const cut = Math.min(dictionaryBytes, bytes.length);
        const dictionary = bytes.subarray(Math.max(0, cut - WINDOW_BYTES), cut);
        roundTrip(bytes.subarray(cut), dictionary);
      }),
      { numRuns: 120 },
    ));

  test('every small size, of noise, text and equal bytes', () => {
    const samples = [noise(700, 1), prose(700, 2), Buffer.alloc(700, 7), Buffer.from('ab'.repeat(350))];
    for (const sample of samples) for (let size = 0; size <= 700; size++) roundTrip(sample.subarray(0, size));
  });

  test('sizes around those of segments, stored blocks, calls and chunks', () => {
    const text = prose(2_200_000, 3);
    const random = noise(2_200_000, 4);
    for (const base of [8192, 65_535, 131_070, 196_608, 524_288, 1_048_576, 2_097_152]) {
      for (const size of [base - 1, base, base + 1]) {
        roundTrip(text.subarray(0, size));
        roundTrip(random.subarray(0, size));
      }
    }
  });

  test('nothing comes out for nothing', () => {
    assert.deepEqual(roundTrip(NOTHING, prose(1000, 1)), [0, 0, 0]);
  });

  test('a repetition of any length, right at the limits of length and distance', () => {
    const random = noise(WINDOW_BYTES + 1200, 5);
    for (const length of [3, 4, 5, 15, 16, 17, 257, 258, 259, 260, 262, 515, 516, 517, 1032]) {
      for (const distance of [length, 32_767, 32_768, 32_769]) {
        const first = random.subarray(0, distance);
        roundTrip(Buffer.concat([first, first.subarray(0, length), random.subarray(-40)]));
        const dictionary = first.subarray(-WINDOW_BYTES);
        roundTrip(Buffer.concat([first.subarray(0, length), random.subarray(-40)]), dictionary);
      }
    }
  });

  test('it finds what stands in the dictionary, to its very first byte, and nothing farther away', () => {
    const random = noise(WINDOW_BYTES + 300, 6);
    const dictionary = random.subarray(0, WINDOW_BYTES);
    for (const size of roundTrip(dictionary.subarray(0, 258), dictionary)) assert.ok(size < 40, `${size}`);
    for (const size of roundTrip(dictionary.subarray(0, 258), random.subarray(1, WINDOW_BYTES + 1))) {
      assert.ok(size > 258, `${size}`);
    }
  });

  test('counts like the Fibonacci numbers, for which the best codes are too long', () => {
    const counts = [1, 1];
    while (counts.length < 25) counts.push(counts.at(-1)! + counts.at(-2)!);
    const bytes = Buffer.from(counts.flatMap((count, i) => Array<number>(count).fill((i * 7) & 255)));
    const random = noise(bytes.length * 4, 7);
    for (let i = bytes.length - 1; i > 0; i--) {
      const j = random.readUInt32LE(i * 4) % (i + 1);
      [bytes[i], bytes[j]] = [bytes[j]!, bytes[i]!];
    }
    roundTrip(bytes);
  });

  test('bytes made to have equal hashes', () => {
    // Inverse of the multiplier in the hash of four bytes: the products agree in their high 13, or 21, bits.
    const inverse = 0xe8b2f51;
    assert.equal(Math.imul(inverse, 0x9e3779b1), 1);
    for (const lowBits of [19, 11]) {
      const words = new Uint32Array(60_000).map((_, i) =>
        Math.imul((0x5a5a << 19) | (Math.imul(i, 2654435761) >>> (32 - lowBits)), inverse),
      );
      roundTrip(new Uint8Array(words.buffer));
    }
  });

  test('bytes made to have equal hashes of five bytes', () => {
    const multiplier = 0x9e3779b185ebca87n;
    const hashOf = (word: bigint) => ((word << 24n) * multiplier) & 0xffff_ffff_ffff_ffffn;
    const alike: Buffer[] = [];
    const slot = hashOf(0x0102030405n) >> 49n;
    for (let word = 0n; alike.length < 20; word += 0x10001n) {
      if (hashOf(word) >> 49n !== slot) continue;
      const five = Buffer.alloc(5);
      five.writeUIntLE(Number(word & 0xff_ffff_ffffn), 0, 5);
      alike.push(five);
    }
    assert.equal(new Set(alike.map((five) => five.toString('hex'))).size, alike.length);
    roundTrip(Buffer.concat(Array.from(noise(40_000, 12), (byte) => alike[byte % alike.length]!)));
  });

  test('matches of any length behind any number of literals, at every place of a group', () => {
    const random = noise(4000, 13);
    const before = random.subarray(0, 600);
    for (let literals = 0; literals <= 9; literals++) {
      for (let length = 3; length <= 40; length++) {
        const parts: Uint8Array[] = [before];
        for (let i = 0; i < 12; i++) {
          const from = 17 + 43 * i;
          parts.push(
            random.subarray(700 + i * 10, 700 + i * 10 + literals),
            random.subarray(from, from + length),
          );
        }
        const repeated = Buffer.concat(parts);
        roundTrip(repeated);
        roundTrip(repeated.subarray(before.length), before);
      }
    }
  });

  test('text behind noise compresses, and so does what repeats the noise', () => {
    const text = prose(64 * 1024, 14);
    for (const random of [noise(64 * 1024, 15), noise(640 * 1024, 15)]) {
      const alone = roundTrip(text);
      for (const [i, size] of roundTrip(Buffer.concat([random, text])).entries()) {
        assert.ok(size < random.length * 1.001 + alone[i]! * 1.25 + 1000, `${size} ${alone[i]}`);
      }
      const twice = Buffer.concat([random, random.subarray(-20_000)]);
      const [fast] = roundTrip(twice);
      assert.ok(fast! < random.length * 1.001 + 12_000, `${fast}`);
    }
  });

  test('noise of any length between anything else', () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(parts, fc.nat(120_000), fc.nat(99)), { maxLength: 5 }),
        fc.nat(WINDOW_BYTES),
        (list, dictionaryBytes) => {
          const pieces = list.flatMap(([others, size, seed]) => [noise(size, seed), assemble(others)]);
          const bytes = Buffer.concat(pieces);
          const cut = Math.min(dictionaryBytes, bytes.length);
          roundTrip(bytes.subarray(cut), bytes.subarray(0, cut));
        },
      ),
      { numRuns: 60 },
    ));

  test('what little stands in noise costs no more than its size, what is more compresses', () => {
    const others = [prose(1000, 19), Buffer.alloc(1000), prose(50_000, 19), Buffer.alloc(50_000)];
    for (const other of others) {
      for (const before of [0, 1000, 16_384, 40_000, 120_000]) {
        const bytes = Buffer.concat([noise(before, 20), other, noise(160_000 - before, 21)]);
        const [fast] = roundTrip(bytes);
        const least = other.length > 1000 ? other.length * 0.4 : 0;
        assert.ok(fast! < bytes.length * 1.001 - least, `${before} ${other.length}: ${fast}`);
      }
    }
  });

  test('bytes that are nearly even still compress, also behind noise', () => {
    // 160 values: 7.2 bits each.
    const bytes = noise(200_000, 22).map((byte) => (byte < 96 ? 128 + byte : byte));
    const best = deflateRawSync(bytes, { level: 1, memLevel: 9 }).length;
    for (const before of [0, 50_000]) {
      const [fast] = roundTrip(Buffer.concat([noise(before, 40), bytes]));
      assert.ok(fast! < before + best + 4000, `${before}: ${fast} ${best}`);
    }
  });

  test('what begins with bytes above 127 is not taken for noise', () => {
    const steps = noise(240_000, 9).map((byte, i) => 200 + (Math.floor(i / 3000) % 30) + (byte & 7));
    for (const bytes of [prose(300_000, 23).map((byte) => byte | 0x80), steps]) {
      const [fast] = roundTrip(bytes);
      const zlib = deflateRawSync(bytes, { level: 1, memLevel: 9 }).length;
      assert.ok(fast! < zlib * 0.95, `${fast} ${zlib}`);
    }
  });

  test('noise that repeats at a distance is found to do so', () => {
    const random = noise(32_000, 15);
    const bytes = Buffer.concat(Array<Buffer>(9).fill(random)).subarray(0, 262_144);
    const [fast] = roundTrip(bytes);
    assert.ok(fast! < 100_000, `${fast}`);
    const files = Array.from({ length: 12 }, (_, i) => noise(16_384, 30 + i));
    const pairs = Buffer.concat(files.flatMap((file) => [file, file]));
    const [ofPairs] = roundTrip(pairs);
    assert.ok(ofPairs! < pairs.length * 0.617, `${ofPairs} of ${pairs.length}`);
  });

  test('a chunk goes on where the one before it ended', () => {
    const bytes = Buffer.concat([prose(200_000, 16), noise(50_000, 17), prose(150_000, 16)]);
    for (const effort of deflateEfforts) {
      for (const chunkBytes of [1000, 32_768, 65_537, 262_144]) {
        const compressed: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          const dictionary = bytes.subarray(Math.max(0, at - WINDOW_BYTES), at);
          compressed.push(kernel.compress(bytes.subarray(at, at + chunkBytes), dictionary, effort));
        }
        assert.ok(inflated(Buffer.concat(compressed), NOTHING, bytes.length).equals(bytes));
      }
    }
  });

  test('the same chunk gives the same bytes, whatever came before', () => {
    const chunk = prose(100_000, 8);
    for (const effort of deflateEfforts) {
      const first = kernel.compress(chunk, NOTHING, effort);
      kernel.compress(noise(300_000, 9), prose(WINDOW_BYTES, 1), effort);
      assert.deepEqual(kernel.compress(chunk, NOTHING, effort), first);
    }
  });

  test('more effort gives less, and all is near to what zlib gives', () => {
    const chunk = prose(400_000, 10);
    const [fast, balanced, small] = roundTrip(chunk);
    const zlib = (level: number) => deflateRawSync(chunk, { level, memLevel: 9 }).length;
    assert.ok(small! <= balanced! && balanced! < fast!);
    assert.ok(fast! < zlib(1) * 1.02);
    assert.ok(balanced! < zlib(6) * 1.05);
    assert.ok(small! < zlib(9) * 1.01);
  });

  test('what does not compress costs next to nothing', () => {
    for (const size of roundTrip(noise(1_000_000, 11))) assert.ok(size < 1_000_400, `${size}`);
    const packed = deflateRawSync(prose(3_000_000, 18));
    for (const size of roundTrip(packed)) assert.ok(size < packed.length * 1.001, `${size}`);
    for (const size of roundTrip(Buffer.alloc(1_000_000))) assert.ok(size < 1200, `${size}`);
  });
});
