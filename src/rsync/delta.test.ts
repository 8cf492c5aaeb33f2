import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TundraError } from '../base/errors.js';
import { DeltaBuilder } from './delta-builder.js';
import { heldEntries, someEntries } from './entry-room.fixture.js';
import { loadKernel } from './kernel.js';
import { applyDelta } from './patcher.js';
import { below, cutAtRandom, editedPair, randomBytes, seededRandom } from './samples.fixture.js';
import { SignatureBuilder } from './signature-builder.js';

const kernel = loadKernel();
const deltas = new DeltaBuilder(kernel, heldEntries);
/** One that holds few entries. */
const room = someEntries(16);
const sparing = new DeltaBuilder(kernel, room);

function sign(bytes: Uint8Array, blockSizeBytes: number): Uint8Array {
  const builder = new SignatureBuilder(kernel, blockSizeBytes);
  builder.update(bytes);
  return builder.finish();
}

function delta(signature: Uint8Array, after: Uint8Array, builder = deltas): Buffer {
  builder.begin();
  builder.addSignature(signature);
  return Buffer.concat([Buffer.from(builder.update(after)), builder.finish()]);
}

/** The delta between two files, after checking that it makes the second from the first. */
function checkedDelta(
  before: Uint8Array,
  after: Uint8Array,
  blockSizeBytes: number,
  builder = deltas,
): Buffer {
  const made = delta(sign(before, blockSizeBytes), after, builder);
  const patched = applyDelta(before, made, after.length);
  assert.ok(
    Buffer.from(patched).equals(after),
    `${before.length} to ${after.length} bytes by ${blockSizeBytes}`,
  );
  return made;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('an unchanged file is one copy', () => {
  const random = seededRandom(1);
  const magic = '72730236';
  assert.equal(hex(checkedDelta(new Uint8Array(0), new Uint8Array(0), 512)), `${magic}00`);
  const small = randomBytes(random, 200);
  assert.equal(hex(checkedDelta(small, small, 512)), `${magic}4500c800`);
  const whole = randomBytes(random, 2048);
  assert.equal(hex(checkedDelta(whole, whole, 2048)), `${magic}4600080000`);
  const large = randomBytes(random, 1_000_000);
  assert.equal(
    hex(checkedDelta(large, large, 512)),
    `${magic}47000${(1_000_000).toString(16).padStart(7, '0')}00`,
  );
});

test('new bytes are literals of bounded size', () => {
  const after = randomBytes(seededRandom(2), 200_000);
  const made = checkedDelta(new Uint8Array(0), after, 512);
  assert.equal(made.length, 4 + 4 * 3 + after.length + 1);
  assert.equal(hex(made.subarray(4, 7)), '42ffff');
  assert.equal(hex(checkedDelta(new Uint8Array(0), Buffer.from('abc'), 512)), '727302360361626300');
});

test('an insertion and a changed byte cost no more than the blocks they touch', () => {
  const random = seededRandom(3);
  const before = randomBytes(random, 300_000);
  const inserted = Buffer.concat([before.subarray(0, 100_001), Buffer.from('new'), before.subarray(100_001)]);
  assert.ok(checkedDelta(before, inserted, 1024).length < 1024 + 40);
  const changed = Uint8Array.from(before);
  for (let at = 5000; at < 300_000; at += 30_000) changed[at]! ^= 1;
  assert.ok(checkedDelta(before, changed, 1024).length < 10 * (1024 + 20));
});

test('the short last block is found at the end of the new file', () => {
  const random = seededRandom(4);
  const before = randomBytes(random, 5 * 512 + 99);
  const prefixed = Buffer.concat([randomBytes(random, 1000), before]);
  assert.equal(checkedDelta(before, prefixed, 512).length, 4 + 3 + 1000 + 4 + 1);
  const onlyTail = before.subarray(5 * 512);
  assert.equal(hex(checkedDelta(before, onlyTail, 512)), '72730236490a006300');
  const extended = Buffer.concat([before, Buffer.from('!')]);
  assert.equal(checkedDelta(before, extended, 512).length, 4 + 4 + 2 + 100 + 1);
});

test('files of every kind come back, whatever the block size', () => {
  const random = seededRandom(5);
  const blockSizes = [1, 2, 7, 16, 100, 512, 700, 2048, 16_384, 16_385, 70_000];
  for (let round = 0; round < 400; round++) {
    const { before, after } = editedPair(random, 100_000);
    checkedDelta(before, after, blockSizes[round % blockSizes.length]!);
  }
});

test('files of sizes around the block size come back', () => {
  const random = seededRandom(6);
  const pool = randomBytes(random, 6 * 64 + 2);
  for (const size of [0, 1, 63, 64, 65, 127, 128, 129, 4 * 64 - 1, 4 * 64, 4 * 64 + 1, 5 * 64 + 1]) {
    for (let cut = 0; cut <= size; cut++) {
      const before = pool.subarray(0, size);
      checkedDelta(before, Buffer.concat([before.subarray(cut), before.subarray(0, cut)]), 64);
      checkedDelta(before, before.subarray(cut), 64);
      checkedDelta(before.subarray(cut), before, 64);
    }
  }
});

test('the cut of neither file nor signature shows in the delta', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 60; round++) {
    const { before, after } = editedPair(random, 600_000);
    const signature = sign(before, [1000, 512, 2048, 20_000][round % 4]!);
    const expected = delta(signature, after);
    const mostBytes = [500, 5000, 200_000][round % 3]!;
    deltas.begin();
    for (const piece of cutAtRandom(random, signature, mostBytes >> 4)) deltas.addSignature(piece);
    const pieces: Uint8Array[] = [];
    for (const piece of cutAtRandom(random, after, mostBytes)) pieces.push(deltas.update(piece).slice());
    pieces.push(deltas.finish());
    assert.ok(Buffer.concat(pieces).equals(expected));
  }
});

test('a signature can be made while a delta is', () => {
  const { before, after } = editedPair(seededRandom(12), 300_000);
  const signature = sign(before, 512);
  const expected = delta(signature, after);
  const builder = new SignatureBuilder(kernel, 512);
  const pieces: Uint8Array[] = [];
  deltas.begin();
  deltas.addSignature(signature);
  for (let at = 0; at < after.length; at += 1000) {
    const chunk = after.subarray(at, at + 1000);
    pieces.push(deltas.update(chunk).slice());
    builder.update(chunk);
  }
  pieces.push(deltas.finish());
  assert.deepEqual(Buffer.concat(pieces), expected);
  assert.deepEqual(builder.finish(), sign(after, 512));
});

/** The delta made beside the new signature, in pieces of so many blocks. */
function deltaWithEntries(
  signature: Uint8Array,
  after: Uint8Array,
  blockSize: number,
  blocks: number,
  builder = deltas,
): Buffer {
  const signatures = new SignatureBuilder(kernel, blockSize);
  const made: Uint8Array[] = [];
  builder.begin();
  builder.addSignature(signature);
  assert.ok(builder.takesEntries(blockSize));
  for (let at = 0; at < after.length; at += blocks * blockSize) {
    const chunk = after.subarray(at, at + blocks * blockSize);
    made.push(builder.update(chunk, signatures.update(chunk)).slice());
  }
  made.push(builder.finish());
  return Buffer.concat(made);
}

test('entries of the new signature do not show in the delta', () => {
  const random = seededRandom(13);
  for (let round = 0; round < 150; round++) {
    const { before, after } = editedPair(random, 400_000);
    const blockSize = [512, 64, 700, 2048, 16_384, 1][round % 6]!;
    const signature = sign(before, blockSize);
    const blocks = 1 + below(random, round % 2 === 0 ? 9 : 10_000);
    const expected = delta(signature, after);
    assert.ok(
      deltaWithEntries(signature, after, blockSize, blocks).equals(expected),
      `round ${round}: ${before.length} to ${after.length} bytes by ${blockSize}, ${blocks} blocks each`,
    );
  }
});

test('entries tell of blocks changed in place, wherever they are', () => {
  const random = seededRandom(14);
  const pool = randomBytes(random, 40 * 64);
  for (let round = 0; round < 1500; round++) {
    const before = pool.subarray(0, below(random, pool.length + 1));
    const after = Uint8Array.from(pool.subarray(0, below(random, pool.length + 1)));
    for (let changes = below(random, 4); changes > 0; changes--) {
      const at = below(random, pool.length);
      after.fill(changes, at, at + below(random, 200));
    }
    const made = deltaWithEntries(sign(before, 64), after, 64, 1 + below(random, 12));
    assert.ok(made.equals(delta(sign(before, 64), after)));
    assert.ok(Buffer.from(applyDelta(before, made, after.length)).equals(after));
  }
});

test('entries that stop coming, or come late, are made up for', () => {
  const random = seededRandom(15);
  const before = randomBytes(random, 100_000);
  const after = Uint8Array.from(before);
  for (let at = 700; at < after.length; at += 9000) after[at]! ^= 1;
  const signature = sign(before, 512);
  const expected = delta(signature, after);
  for (const known of [(at: number) => at < 50 * 512, (at: number) => at > 50 * 512]) {
    const builder = new SignatureBuilder(kernel, 512);
    const made: Uint8Array[] = [];
    deltas.begin();
    deltas.addSignature(signature);
    for (let at = 0; at < after.length; at += 10 * 512) {
      const chunk = after.subarray(at, at + 10 * 512);
      const entries = builder.update(chunk);
      made.push(deltas.update(chunk, known(at) ? entries : undefined).slice());
    }
    made.push(deltas.finish());
    assert.ok(Buffer.concat(made).equals(expected));
  }
});

test('entries are of use only where they are those of the old signature', () => {
  const takes = (magic: number, blockSize: number, strongSize: number) => {
    const header = Buffer.alloc(12);
    for (const [at, value] of [magic, blockSize, strongSize].entries()) header.writeUInt32BE(value, 4 * at);
    deltas.begin();
    deltas.addSignature(header);
    return deltas.takesEntries(2048);
  };
  assert.ok(takes(0x72730136, 2048, 8));
  assert.ok(!takes(0x72730136, 1024, 8));
  assert.ok(!takes(0x72730136, 2048, 16));
  assert.ok(!takes(0x72730137, 2048, 8));
  assert.ok(!takes(0x72730146, 2048, 8));
});

test('a file of equal blocks is searched in linear time', () => {
  const before = new Uint8Array(24 << 20);
  const after = new Uint8Array((25 << 20) + 17).fill(0);
  after[12 << 20] = 1;
  assert.ok(checkedDelta(before, after, 512).length < 2000);
  // A single block of zeros, and many in the new file.
  checkedDelta(before.subarray(0, 512), after.subarray(0, 1 << 20), 512);
});

test('rolling sums made to collide cost a bounded number of strong sums', () => {
  // Adding 1, -2, 1 to three neighbours changes neither of the two sums.
  const blocks = 1 << 13;
  const before = new Uint8Array(blocks * 512).fill(100);
  for (let block = 0; block < blocks; block++) {
    for (const at of [3 * (block % 170), 3 * Math.floor(block / 170)]) {
      before[block * 512 + at]! += 1;
      before[block * 512 + at + 1]! -= 2;
      before[block * 512 + at + 2]! += 1;
    }
  }
  // Every window of this has the rolling sum of every block, and none is equal.
  checkedDelta(before, new Uint8Array(16 << 20).fill(100), 512);
});

test('memory of a large file is given back', () => {
  const signature = new Uint8Array(12 + 12 * 1_000_000);
  signature.set(sign(new Uint8Array(0), 2048));
  const random = seededRandom(8);
  for (let at = 12; at < signature.length; at++) signature[at] = random() * 256;
  deltas.begin();
  for (let at = 0; at < signature.length; at += 100_000)
    deltas.addSignature(signature.subarray(at, at + 100_000));
  deltas.update(randomBytes(random, 100_000));
  // 22 bytes a block and the fixed part.
  assert.ok(kernel.memory.length > 16 << 20);
  assert.ok(kernel.memory.length < 28 << 20);
  deltas.finish();
  assert.ok(kernel.memory.length <= 8 << 20);
  const before = randomBytes(random, 10_000);
  assert.ok(checkedDelta(before, before, 512).length < 20);
});

test('files of which few blocks are held come back, whatever they are', () => {
  const random = seededRandom(16);
  const blockSizes = [1, 2, 7, 16, 100, 512, 700, 2048, 16_384, 16_385];
  for (let round = 0; round < 400; round++) {
    const { before, after } = editedPair(random, 100_000);
    checkedDelta(before, after, blockSizes[round % blockSizes.length]!, sparing);
  }
  assert.ok(room.made > 200);
  assert.equal(room.open, 0);
});

test('where few blocks are held the delta is the same but for short pieces that moved', () => {
  const random = seededRandom(17);
  const blockSize = 64;
  // Held are 9 to 16 blocks of these 250 to 8000: every 16th to every 512th.
  for (let round = 0; round < 200; round++) {
    const before = randomBytes(random, 16_000 + below(random, round % 2 === 0 ? 16_000 : 500_000));
    const blocks = Math.ceil(before.length / blockSize);
    const step = 2 ** Math.ceil(Math.log2(blocks / 16));
    let after = Uint8Array.from(before);
    for (let changes = below(random, 5); changes > 0; changes--) {
      const at = below(random, after.length - 3000);
      after.set(randomBytes(random, below(random, 3000)), at);
    }
    // What is moved holds a block that can be found; from the bytes before that no more than 64 KiB can be held back.
    const reach = Math.min(step * blockSize + blockSize, 60_000);
    if (step * blockSize < reach && before.length > 4 * reach) {
      const from = below(random, after.length - 2 * reach);
      const to = below(random, from);
      const moved = after.subarray(from, from + 2 * reach);
      const [head, middle, rest] = [
        after.subarray(0, to),
        after.subarray(to, from),
        after.subarray(from + 2 * reach),
      ];
      after = Buffer.concat([head, moved, middle, rest]);
    }
    const signature = sign(before, blockSize);
    const expected = delta(signature, after);
    const made = checkedDelta(before, after, blockSize, sparing);
    assert.ok(
      made.length <= expected.length + 2 * step * blockSize + 100,
      `round ${round}: ${made.length} instead of ${expected.length} bytes, step ${step}`,
    );
  }
});

test('where few blocks are held, what was changed in place and what was put between are found as ever', () => {
  const random = seededRandom(18);
  for (let round = 0; round < 100; round++) {
    const before = randomBytes(random, 30_000 + below(random, 100_000));
    const changed = Uint8Array.from(before);
    for (let changes = below(random, 6); changes > 0; changes--) {
      const at = below(random, before.length - 1000);
      changed.set(randomBytes(random, below(random, 1000)), at);
    }
    // A block that is held, of which there is one in 8 KiB, follows.
    const at = below(random, before.length - 9000);
    const after =
      round % 2 === 0
        ? changed
        : Buffer.concat([before.subarray(0, at), Buffer.from('between'), before.subarray(at)]);
    const signature = sign(before, 128);
    const expected = delta(signature, after);
    assert.ok(delta(signature, after, sparing).equals(expected), `round ${round}`);
    const blocks = 1 + below(random, 300);
    const beside = deltaWithEntries(signature, after, 128, blocks, sparing);
    assert.ok(beside.equals(expected), `round ${round}, with entries of ${blocks} blocks each`);
  }
});

test('where few blocks are held, neither cuts nor entries show in the delta', () => {
  const random = seededRandom(19);
  for (let round = 0; round < 100; round++) {
    const { before, after } = editedPair(random, 300_000);
    const blockSize = [512, 64, 700, 2048][round % 4]!;
    const signature = sign(before, blockSize);
    const expected = delta(signature, after, sparing);
    assert.ok(
      deltaWithEntries(signature, after, blockSize, 1 + below(random, 500), sparing).equals(expected),
      `round ${round}: entries`,
    );
    sparing.begin();
    for (const piece of cutAtRandom(random, signature, 500)) sparing.addSignature(piece);
    const pieces: Uint8Array[] = [];
    for (const piece of cutAtRandom(random, after, 20_000)) pieces.push(sparing.update(piece).slice());
    pieces.push(sparing.finish());
    assert.ok(Buffer.concat(pieces).equals(expected), `round ${round}: cuts`);
  }
});

test('where few blocks are held, a cut anywhere does not show in the delta', () => {
  const before = randomBytes(seededRandom(21), 64 * 256);
  // Two insertions between two blocks that are held, the 32nd and the 48th.
  const [first, second] = [64 * 33 + 10, 64 * 40 + 5];
  const after = Buffer.concat([
    before.subarray(0, first),
    Buffer.from('0123456789'),
    before.subarray(first, second),
    Buffer.from('abc'),
    before.subarray(second),
  ]);
  const signature = sign(before, 64);
  const expected = checkedDelta(before, after, 64, sparing);
  for (let cut = 1; cut < after.length; cut++) {
    sparing.begin();
    sparing.addSignature(signature);
    const pieces = [after.subarray(0, cut), after.subarray(cut)].map((piece) =>
      sparing.update(piece).slice(),
    );
    assert.ok(Buffer.concat([...pieces, sparing.finish()]).equals(expected), `cut at ${cut}`);
  }
});

test('a block before one that was found is the same, and has not the same rolling sum only', () => {
  const random = seededRandom(22);
  const before = randomBytes(random, 64 * 64);
  before.fill(100, 64 * 15, 64 * 15 + 3);
  const other = Uint8Array.from(before.subarray(64 * 15, 64 * 16));
  // This changes neither of its two sums.
  other[0]! += 1;
  other[1]! -= 2;
  other[2]! += 1;
  const after = Buffer.concat([randomBytes(random, 1000), other, before.subarray(64 * 16, 64 * 40)]);
  checkedDelta(before, after, 64, sparing);
});

test('blocks that are not searched for take no memory', () => {
  const header = Buffer.alloc(12);
  header.writeUInt32BE(0x72730136);
  header.writeUInt32BE(32 << 20, 4);
  header.writeUInt32BE(8, 8);
  const room = someEntries(16);
  const builder = new DeltaBuilder(kernel, room);
  builder.begin();
  builder.addSignature(header);
  builder.addSignature(new Uint8Array(12 * 100_000));
  const after = randomBytes(seededRandom(23), 1000);
  const made = Buffer.concat([Buffer.from(builder.update(after)), builder.finish()]);
  assert.ok(Buffer.from(applyDelta(new Uint8Array(0), made, 1000)).equals(after));
  assert.equal(room.made, 0);
});

test('memory does not grow with a file of very many blocks', () => {
  const entries = new Uint8Array(12 * 500_000);
  const random = seededRandom(20);
  for (let at = 0; at < entries.length; at++) entries[at] = random() * 256;
  const held = someEntries(2 ** 16);
  const builder = new DeltaBuilder(kernel, held);
  builder.begin();
  builder.addSignature(sign(new Uint8Array(0), 2048));
  for (let round = 0; round < 10; round++) builder.addSignature(entries);
  builder.update(randomBytes(random, 100_000));
  assert.ok(kernel.memory.length < 6 << 20, `${kernel.memory.length} bytes`);
  assert.equal(held.open, 1);
  builder.release();
  assert.equal(held.open, 0);
});

test('very long blocks are not searched for, but the delta is right', () => {
  const before = randomBytes(seededRandom(9), 1000);
  assert.ok(checkedDelta(before, before, 0xffffffff).length > 1000);
});

test('broken signatures are refused', () => {
  const signature = sign(randomBytes(seededRandom(10), 3000), 512);
  const refused = (bytes: Uint8Array) =>
    assert.throws(
      () => delta(bytes, new Uint8Array(10)),
      (error) => error instanceof TundraError && error.code === 'format',
    );
  for (let size = 0; size < signature.length; size++) {
    if (size < 12 || size % 12 !== 0) refused(signature.subarray(0, size));
  }
  refused(Buffer.from('this is not a signature'));
});

test('random entries under a valid header do no harm', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 300; round++) {
    const signature = Buffer.concat([new Uint8Array(12), randomBytes(random, (4 + 8) * below(random, 40))]);
    signature.writeUInt32BE([0x72730136, 0x72730137, 0x72730146, 0x72730147][round % 4]!, 0);
    signature.writeUInt32BE(1 + below(random, round % 3 === 0 ? 10 : 3000), 4);
    signature.writeUInt32BE(8, 8);
    const after = randomBytes(random, below(random, 20_000));
    assert.ok(Buffer.from(applyDelta(new Uint8Array(0), delta(signature, after), 1 << 20)).equals(after));
  }
});

test('a builder whose kernel was taken says so', () => {
  const other = new DeltaBuilder(kernel, heldEntries);
  deltas.begin();
  deltas.addSignature(sign(new Uint8Array(5), 512));
  other.begin();
  assert.throws(() => deltas.update(new Uint8Array(5)), /another took its kernel/);
  assert.throws(() => new DeltaBuilder(kernel, heldEntries).finish(), /not begun/);
});
