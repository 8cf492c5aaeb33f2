import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { Scratch } from './scratch.js';

const limitBytes = 4 * 1024 * 1024;

function scratchIn(t: TestContext): { scratch: Scratch; folder: string; made: () => number } {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-scratch-'));
  let made = 0;
  const scratch = new Scratch(() => join(folder, `scratch.${made++}`));
  t.after(() => {
    scratch.discard();
    rmSync(folder, { recursive: true });
  });
  return { scratch, folder, made: () => made };
}

describe('Scratch', () => {
  for (const [where, sizeBytes] of [
    ['memory', limitBytes - 300_000],
    ['a file', limitBytes + 300_000],
  ] as const) {
    it(`gives back what was written, from ${where}`, (t) => {
      const { scratch, folder, made } = scratchIn(t);
      const bytes = randomBytes(sizeBytes);
      for (let at = 0; at < bytes.length; at += 77_777) scratch.write(bytes.subarray(at, at + 77_777));
      assert.equal(scratch.sizeBytes, bytes.length);
      assert.equal(made(), where === 'memory' ? 0 : 1);
      assert.deepEqual(readdirSync(folder), []);
      assert.ok(bytes.equals(scratch.read(0, bytes.length)));
      fc.assert(
        fc.property(fc.nat(bytes.length + 10), fc.nat(700_000), (position, length) => {
          const expected = bytes.subarray(position, position + length);
          assert.ok(expected.equals(scratch.read(position, length)));
        }),
      );
    });
  }

  it('shares no memory with another one, and none with one that was discarded', (t) => {
    const [one, other] = [scratchIn(t).scratch, scratchIn(t).scratch];
    one.write(Buffer.alloc(500_000, 1));
    other.write(Buffer.alloc(500_000, 2));
    one.discard();
    one.write(Buffer.alloc(300_000, 3));
    assert.ok(Buffer.alloc(500_000, 2).equals(other.read(0, 500_000)));
    assert.ok(Buffer.alloc(300_000, 3).equals(one.read(0, 500_000)));
  });

  it('stays in memory up to its limit, and reads nothing behind its end', (t) => {
    const { scratch, made } = scratchIn(t);
    assert.equal(scratch.read(0, 5).length, 0);
    scratch.write(new Uint8Array(0));
    scratch.write(Buffer.alloc(limitBytes - 1, 1));
    scratch.write(Buffer.from([2]));
    assert.equal(made(), 0);
    assert.deepEqual([...scratch.read(limitBytes - 2, 100)], [1, 2]);
    assert.equal(scratch.read(limitBytes, 1).length, 0);
    assert.equal(scratch.read(Number.MAX_SAFE_INTEGER, 1).length, 0);
    scratch.write(Buffer.from([3]));
    assert.equal(made(), 1);
    assert.deepEqual([...scratch.read(limitBytes - 1, 100)], [2, 3]);
  });

  it('can be discarded more than once, and is empty then', (t) => {
    const { scratch } = scratchIn(t);
    scratch.write(Buffer.alloc(limitBytes + 1));
    scratch.discard();
    scratch.discard();
    assert.equal(scratch.sizeBytes, 0);
    assert.equal(scratch.read(0, 1).length, 0);
  });

  it('takes no room for what is zeros, in the middle and at the end', (t) => {
    const { scratch, folder } = scratchIn(t);
    const data = randomBytes(5000);
    scratch.write(data);
    for (let i = 0; i < 300; i++) scratch.write(Buffer.alloc(100_000));
    scratch.write(data);
    scratch.write(Buffer.alloc(10_000_000));
    assert.ok(data.equals(scratch.read(0, data.length)));
    assert.ok(data.equals(scratch.read(30_005_000, data.length)));
    assert.ok(Buffer.alloc(70_000).equals(scratch.read(scratch.sizeBytes - 70_000, 100_000)));
    const open = readdirSync('/proc/self/fd').map((fd) => `/proc/self/fd/${fd}`);
    const own = open.filter((path) => {
      try {
        return readlinkSync(path).startsWith(folder);
      } catch {
        return false; // the handle of the listing
      }
    });
    assert.equal(own.length, 1);
    assert.ok(statSync(own[0] as string).blocks * 512 < 5_000_000);
  });

  it('never writes into a file that is there', (t) => {
    const { scratch, folder } = scratchIn(t);
    writeFileSync(join(folder, 'scratch.0'), 'mine');
    assert.throws(() => scratch.write(Buffer.alloc(limitBytes + 1)), { code: 'generic', message: /EEXIST/ });
  });
});
