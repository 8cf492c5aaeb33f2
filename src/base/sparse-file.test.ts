import assert from 'node:assert/strict';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { SparseFile } from './sparse-file.js';

describe('SparseFile', () => {
  let folder: string;
  let count = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tundra-sparse-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function written(pieces: Iterable<Uint8Array>): { bytes: Buffer; allocatedBytes: number } {
    const path = join(folder, String(count++));
    const fd = openSync(path, 'wx');
    try {
      const file = new SparseFile(fd);
      for (const piece of pieces) file.write(piece);
      file.finish();
      return { bytes: readFileSync(path), allocatedBytes: fstatSync(fd).blocks * 512 };
    } finally {
      closeSync(fd);
      rmSync(path);
    }
  }

  it('keeps every byte, however it comes', () => {
    const run = fc.record({ size: fc.nat(20_000), value: fc.constantFrom(0, 0, 7) });
    fc.assert(
      fc.property(
        fc.array(run, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 9000 })),
        (runs, cuts) => {
          const whole = Buffer.concat(runs.map(({ size, value }) => Buffer.alloc(size, value)));
          const pieces: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            pieces.push(whole.subarray(at, at + cut));
            at += cut;
          }
          pieces.push(whole.subarray(at));
          assert.ok(written(pieces).bytes.equals(whole));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes bytes that threads share', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(20_000));
    shared[9000] = 1;
    assert.ok(written([shared]).bytes.equals(Buffer.from(shared)));
  });

  it('sees a single byte in a block of zeros', () => {
    for (const at of [0, 1, 2047, 2048, 2049, 4095]) {
      const block = Buffer.alloc(4096);
      block[at] = 1;
      assert.ok(
        written([block, Buffer.alloc(4096), block]).bytes.equals(
          Buffer.concat([block, Buffer.alloc(4096), block]),
        ),
      );
    }
  });

  it('leaves holes in the midst and at the end, whole and in pieces', (t) => {
    const hole = Buffer.alloc(1 << 20);
    const data = Buffer.alloc(4096, 1);
    const cases = {
      whole: [Buffer.concat([hole, data, hole])],
      'in pieces': [hole, data, hole],
      'in small pieces': [...piecesOf(hole, 1000), data, ...piecesOf(hole, 1000)],
    };
    for (const [name, pieces] of Object.entries(cases)) {
      const { bytes, allocatedBytes } = written(pieces);
      assert.ok(bytes.equals(Buffer.concat(pieces)), name);
      if (allocatedBytes >= bytes.length) return t.skip('the file system of temporary files has no holes');
      assert.ok(allocatedBytes <= 64 << 10, `${name}: ${allocatedBytes}`);
    }
  });
});

function piecesOf(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}
