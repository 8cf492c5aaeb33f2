import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import { compileKernel, loadKernel } from './kernel.js';
import { cutAtRandom, dullBytes, randomBytes, seededRandom } from './samples.fixture.js';
import { SignatureBuilder } from './signature-builder.js';
import { parseSignatureHeader, signatureBlockSize, signatureSizeBytes } from './signature-format.js';

const kernel = loadKernel();

function sign(bytes: Uint8Array, blockSizeBytes: number): Uint8Array {
  const builder = new SignatureBuilder(kernel, blockSizeBytes);
  builder.update(bytes);
  return builder.finish();
}

function rdiffSignature(bytes: Uint8Array, blockSizeBytes: number): Buffer {
  const options = ['-R', 'rollsum', '-H', 'md4', '-S', '8', '-b', String(blockSizeBytes)];
  const { status, stdout, stderr } = spawnSync('rdiff', [...options, 'signature', '-', '-'], {
    input: bytes,
    maxBuffer: 64 << 20,
  });
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

/** The rolling sum by its definition. */
function rollsumByDefinition(bytes: Uint8Array): number {
  let s1 = 0;
  let s2 = 0;
  for (const byte of bytes) {
    s1 = (s1 + byte + 31) & 0xffff;
    s2 = (s2 + s1) & 0xffff;
  }
  return s2 * 0x10000 + s1;
}

test('an empty file has a signature of a header only', () => {
  assert.equal(Buffer.from(sign(new Uint8Array(0), 512)).toString('hex'), '727301360000020000000008');
});

test('strong sums are the MD4 of RFC 1320', () => {
  const vectors: [string, string][] = [
    ['a', 'bde52cb31de33e46'],
    ['abc', 'a448017aaf21d852'],
    ['message digest', 'd9130a8164549fe8'],
    ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcd'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db35'],
    ['1234567890'.repeat(8), 'e33b4ddc9c38f219'],
  ];
  for (const [text, digest] of vectors) {
    const bytes = Buffer.from(text, 'latin1');
    // As a short last block, as the only whole block, and as the last of six, which go through the SIMD lanes.
    const short = Buffer.from(sign(bytes, 512));
    assert.equal(short.subarray(16).toString('hex'), digest);
    const six = Buffer.from(sign(Buffer.from(text.repeat(6), 'latin1'), bytes.length));
    for (let block = 0; block < 6; block++) {
      assert.equal(six.subarray(16 + 12 * block, 24 + 12 * block).toString('hex'), digest);
    }
  }
});

test('rolling sums are two sums of bytes plus 31', () => {
  const random = seededRandom(1);
  assert.equal(Buffer.from(sign(Buffer.from('a'), 512)).readUInt32BE(12), 0x00800080);
  for (const size of [1, 15, 16, 17, 63, 64, 65, 130, 512, 1000, 4096, 65_536]) {
    const bytes = Buffer.concat([randomBytes(random, size), new Uint8Array(size).fill(255)]);
    const signature = Buffer.from(sign(bytes, size));
    assert.equal(signature.readUInt32BE(12), rollsumByDefinition(bytes.subarray(0, size)));
    assert.equal(signature.readUInt32BE(24), rollsumByDefinition(bytes.subarray(size)));
  }
});

test('signatures equal those of rdiff byte for byte', (t) => {
  if (!needs(t, 'rdiff')) return;
  const random = seededRandom(2);
  for (const blockSize of [
    1, 7, 55, 56, 63, 64, 100, 512, 1000, 2048, 65_535, 65_536, 65_537, 70_001, 131_136,
  ]) {
    const whole = Math.min(3 * blockSize, 300_000);
    for (const size of [0, 1, blockSize - 1, blockSize, blockSize + 1, whole, whole + 77]) {
      const bytes = (random() < 0.7 ? randomBytes : dullBytes)(random, size);
      const ours = Buffer.from(sign(bytes, blockSize));
      assert.ok(ours.equals(rdiffSignature(bytes, blockSize)), `${size} bytes in blocks of ${blockSize}`);
    }
  }
});

test('neither the cut of the input nor taking pieces changes a signature', () => {
  const random = seededRandom(3);
  const builder = new SignatureBuilder(kernel, 1);
  for (const blockSize of [1, 64, 513, 2048, 65_536, 65_600, 150_000]) {
    const bytes = randomBytes(random, blockSize === 1 ? 20_000 : 400_000);
    const expected = sign(bytes, blockSize);
    for (const mostBytes of [900, 70_000, 500_000]) {
      builder.reset(blockSize);
      const pieces: Uint8Array[] = [];
      for (const chunk of cutAtRandom(random, bytes, mostBytes)) {
        builder.update(chunk);
        if (random() < 0.3) pieces.push(builder.take());
      }
      pieces.push(builder.finish());
      assert.deepEqual(Buffer.concat(pieces), Buffer.from(expected));
    }
  }
});

test('builders that share a kernel do not disturb one another', () => {
  const random = seededRandom(4);
  const files = [1000, 70_000, 70_000, 512].map((blockSize) => ({
    bytes: randomBytes(random, 300_000),
    blockSize,
    builder: new SignatureBuilder(kernel, blockSize),
  }));
  for (let at = 0; at < 300_000; at += 33_333) {
    for (const { bytes, builder } of files) builder.update(bytes.subarray(at, at + 33_333));
  }
  for (const { bytes, blockSize, builder } of files)
    assert.deepEqual(builder.finish(), sign(bytes, blockSize));
});

test('a kernel can be made from a module that was compiled before', () => {
  const other = new SignatureBuilder(loadKernel(compileKernel()), 512);
  other.update(Buffer.from('abc'));
  assert.deepEqual(other.finish(), sign(Buffer.from('abc'), 512));
});

test('block sizes are chosen as duplicity does', () => {
  assert.equal(signatureBlockSize(0), 512);
  assert.equal(signatureBlockSize(1_023_999), 512);
  assert.equal(signatureBlockSize(1_024_000), 512);
  assert.equal(signatureBlockSize(2_047_999), 512);
  assert.equal(signatureBlockSize(2_048_000), 1024);
  assert.equal(signatureBlockSize(4_096_000), 2048);
  assert.equal(signatureBlockSize(5e9), 2048);
  assert.equal(signatureBlockSize(5e9, 1 << 20), 1 << 20);
  assert.equal(signatureBlockSize(5e9, 1000), 1000);
  assert.equal(signatureBlockSize(1000, 100), 512);
});

test('the size of a signature is known before', () => {
  for (const size of [0, 1, 511, 512, 513, 100_000]) {
    assert.equal(signatureSizeBytes(size, 512), sign(new Uint8Array(size), 512).length);
  }
});

test('impossible block sizes are refused', () => {
  for (const blockSize of [0, -1, 1.5, 2 ** 32, Number.NaN]) {
    assert.throws(() => new SignatureBuilder(kernel, blockSize), RangeError);
  }
});

test('headers of every kind are read, broken ones refused', () => {
  const header = (magic: number, blockSize: number, strong: number) => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(magic, 0);
    bytes.writeUInt32BE(blockSize, 4);
    bytes.writeUInt32BE(strong, 8);
    return bytes;
  };
  assert.deepEqual(parseSignatureHeader(sign(new Uint8Array(9), 2048)), {
    rollingSum: 'rollsum',
    strongSum: 'md4',
    blockSizeBytes: 2048,
    strongSizeBytes: 8,
  });
  assert.deepEqual(parseSignatureHeader(header(0x72730147, 1, 32)), {
    rollingSum: 'rabinkarp',
    strongSum: 'blake2',
    blockSizeBytes: 1,
    strongSizeBytes: 32,
  });
  const broken = [
    header(0x72730236, 512, 8),
    header(0x72730136, 0, 8),
    header(0x72730136, 512, 0),
    header(0x72730136, 512, 17),
    header(0x72730137, 512, 33),
    header(0x72730136, 512, 8).subarray(0, 11),
  ];
  for (const bytes of broken) {
    assert.throws(
      () => parseSignatureHeader(bytes),
      (error) => error instanceof TundraError && error.code === 'format',
    );
  }
});
