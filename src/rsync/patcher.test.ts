import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TundraError } from '../base/errors.js';
import { applyDelta, Patcher } from './patcher.js';
import { below, cutAtRandom, randomBytes, seededRandom } from './samples.fixture.js';

const MAGIC = [0x72, 0x73, 0x02, 0x36];
const base = randomBytes(seededRandom(1), 200_000);

function apply(...bytes: number[]): Buffer {
  return Buffer.from(applyDelta(base, Uint8Array.from([...MAGIC, ...bytes]), 1 << 20));
}

function refuses(pattern: RegExp, action: () => unknown): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof TundraError, String(error));
    assert.equal(error.code, 'format');
    assert.match(error.message, pattern);
    return true;
  });
}

test('an empty delta makes an empty file', () => {
  assert.equal(apply(0).length, 0);
});

test('literals of every operand size', () => {
  assert.equal(apply(3, 97, 98, 99, 0).toString(), 'abc');
  assert.equal(apply(65, 1, 97, 66, 0, 1, 98, 67, 0, 0, 0, 1, 99, 0).toString(), 'abc');
  assert.equal(apply(68, 0, 0, 0, 0, 0, 0, 0, 2, 97, 98, 0).toString(), 'ab');
  const long = new Array<number>(64).fill(120);
  assert.equal(apply(64, ...long, 0).toString(), 'x'.repeat(64));
});

test('copies of every pair of operand sizes', () => {
  const number = (value: number, size: number) =>
    Array.from({ length: size }, (_, at) => Math.floor(value / 256 ** (size - 1 - at)) % 256);
  for (let at = 0; at < 4; at++) {
    for (let size = 0; size < 4; size++) {
      const position = at === 0 ? 200 : 513;
      const length = size === 0 ? 255 : 700;
      const command = [69 + 4 * at + size, ...number(position, 1 << at), ...number(length, 1 << size)];
      assert.deepEqual(apply(...command, 0), Buffer.from(base.subarray(position, position + length)));
    }
  }
});

test('a copy is read in pieces, and a base may answer in smaller ones', () => {
  const asked: number[] = [];
  const written: Uint8Array[] = [];
  const patcher = new Patcher(
    {
      read(position, lengthBytes) {
        asked.push(lengthBytes);
        return base.subarray(position, position + Math.min(lengthBytes, 50_000));
      },
    },
    (bytes) => written.push(bytes.slice()),
  );
  patcher.update(Uint8Array.from([...MAGIC, 71, 0, 0, 3, 0x0d, 0x40, 0]));
  patcher.finish();
  assert.deepEqual(Buffer.concat(written), Buffer.from(base));
  assert.ok(Math.max(...asked) <= 256 << 10);
});

test('what is broken is refused', () => {
  refuses(/not a librsync delta/, () => applyDelta(base, Uint8Array.from([0x72, 0x73, 0x01, 0x36, 0]), 100));
  refuses(/cut short/, () => applyDelta(base, new Uint8Array(0), 100));
  refuses(/cut short/, () => applyDelta(base, Uint8Array.from(MAGIC), 100));
  refuses(/cut short/, () => apply(3, 97));
  refuses(/cut short/, () => apply(3, 97, 98, 99));
  refuses(/cut short/, () => apply(70, 1));
  refuses(/unknown command 85/, () => apply(85, 0));
  refuses(/unknown command 255/, () => apply(255));
  refuses(/after its end/, () => apply(0, 0));
  refuses(/literal of 0 bytes/, () => apply(65, 0, 0));
  refuses(/copy of 0 bytes/, () => apply(69, 0, 0, 0));
  refuses(/no more bytes/, () => apply(77, 0, 3, 0x0d, 0x3f, 2, 0));
  refuses(/no more bytes/, () => apply(81, 0, 31, 255, 255, 255, 255, 255, 255, 1, 0));
  refuses(/2\^53/, () => apply(81, 0, 32, 0, 0, 0, 0, 0, 0, 1, 0));
  refuses(/2\^53/, () => apply(68, 255, 255, 255, 255, 255, 255, 255, 255));
  refuses(/more than 1048576/, () => apply(...new Array(6).fill([71, 0, 0, 3, 0x0d, 0x40]).flat(), 0));
});

test('the cut of the delta does not matter', () => {
  const random = seededRandom(2);
  const commands: number[] = [...MAGIC];
  for (let count = 0; count < 300; count++) {
    if (random() < 0.5) commands.push(70, below(random, 256), 0, 1 + below(random, 255));
    else commands.push(65, 70, ...randomBytes(random, 70));
  }
  const delta = Uint8Array.from([...commands, 0]);
  const expected = applyDelta(base, delta, 1 << 20);
  for (const mostBytes of [1, 3, 100]) {
    const written: Uint8Array[] = [];
    const read = (position: number, lengthBytes: number) => base.subarray(position, position + lengthBytes);
    const patcher = new Patcher({ read }, (bytes) => written.push(bytes.slice()));
    for (const piece of cutAtRandom(random, delta, mostBytes)) patcher.update(piece);
    patcher.finish();
    assert.deepEqual(Buffer.concat(written), expected);
  }
});

test('random bytes after the magic are applied or refused, never worse', () => {
  const random = seededRandom(3);
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const delta = Uint8Array.from([...MAGIC, ...randomBytes(random, below(random, 40)), 0]);
    for (let at = MAGIC.length; at < delta.length; at++) if (random() < 0.7) delta[at] = below(random, 86);
    try {
      assert.ok(applyDelta(base, delta, 1 << 20).length <= 1 << 20);
    } catch (error) {
      assert.ok(error instanceof TundraError && error.code === 'format', String(error));
      refused++;
    }
  }
  assert.ok(refused > 0 && refused < 3000);
});
