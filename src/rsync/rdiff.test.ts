import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { needs } from '../../test/peers.js';
import { DeltaBuilder } from './delta-builder.js';
import { heldEntries } from './entry-room.fixture.js';
import { loadKernel } from './kernel.js';
import { applyDelta } from './patcher.js';
import { editedPair, randomBytes, seededRandom } from './samples.fixture.js';
import { SignatureBuilder } from './signature-builder.js';

const kernel = loadKernel();
const signatures = new SignatureBuilder(kernel, 512);
const deltas = new DeltaBuilder(kernel, heldEntries);

function sign(bytes: Uint8Array, blockSizeBytes: number): Buffer {
  signatures.reset(blockSizeBytes);
  signatures.update(bytes);
  return Buffer.from(signatures.finish());
}

function delta(signature: Uint8Array, after: Uint8Array): Buffer {
  deltas.begin();
  deltas.addSignature(signature);
  return Buffer.concat([Buffer.from(deltas.update(after)), deltas.finish()]);
}

/** A folder that is removed after the test, and a shell in it. */
function workshop(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-rdiff-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return {
    write: (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes),
    read: (name: string) => readFileSync(join(folder, name)),
    run: (script: string) => execFileSync('sh', ['-ec', script], { cwd: folder, stdio: 'pipe' }),
  };
}

test('a thousand edited files: signatures, deltas and patches agree with rdiff', (t) => {
  if (!needs(t, 'rdiff')) return;
  const { write, read, run } = workshop(t);
  const random = seededRandom(20);
  let ourBytes = 0;
  let theirBytes = 0;
  for (let round = 0; round < 10; round++) {
    const cases = Array.from({ length: 100 }, (_, number) => ({
      number,
      blockSize: number % 2 === 0 ? 512 : 512 + Math.floor(random() * 1537),
      ...editedPair(random, 300_000),
    }));
    for (const { number, blockSize, before, after } of cases) {
      write(`${number}.before`, before);
      write(`${number}.after`, after);
      write(`${number}.block`, Buffer.from(String(blockSize)));
      const signature = sign(before, blockSize);
      write(`${number}.our-signature`, signature);
      write(`${number}.our-delta`, delta(signature, after));
    }
    run(`for n in $(seq 0 99); do
      rdiff -R rollsum -H md4 -S 8 -b $(cat $n.block) -f signature $n.before $n.signature
      rdiff -f delta $n.our-signature $n.after $n.delta
      rdiff -f patch $n.before $n.our-delta $n.patched
    done`);
    for (const { number, blockSize, before, after } of cases) {
      const name = `file ${number} of round ${round}, blocks of ${blockSize}`;
      const theirDelta = read(`${number}.delta`);
      const ourDelta = read(`${number}.our-delta`);
      assert.ok(read(`${number}.signature`).equals(read(`${number}.our-signature`)), `signature of ${name}`);
      assert.ok(read(`${number}.patched`).equals(after), `our delta patched by rdiff: ${name}`);
      const patched = applyDelta(before, theirDelta, after.length);
      assert.ok(Buffer.from(patched).equals(after), `rdiff's delta patched by us: ${name}`);
      assert.ok(Buffer.from(applyDelta(before, ourDelta, after.length)).equals(after), name);
      ourBytes += ourDelta.length;
      theirBytes += theirDelta.length;
    }
  }
  // Ours find as much: not a byte in fifty more.
  assert.ok(ourBytes < theirBytes * 1.02, `our deltas have ${ourBytes} bytes, theirs ${theirBytes}`);
});

test('signatures of every kind that rdiff writes are searched', (t) => {
  if (!needs(t, 'rdiff')) return;
  const { write, read, run } = workshop(t);
  const random = seededRandom(21);
  const before = randomBytes(random, 40_100);
  const after = Buffer.concat([before.subarray(0, 9999), Buffer.from('insert'), before.subarray(9999)]);
  write('before', before);
  for (const rollingSum of ['rollsum', 'rabinkarp']) {
    for (const [strongSum, sizes] of [
      ['md4', [5, 8, 16]],
      ['blake2', [5, 8, 32]],
    ] as const) {
      for (const size of sizes) {
        for (const blockSize of [1000, 128, 16]) {
          run(
            `rdiff -f -R ${rollingSum} -H ${strongSum} -S ${size} -b ${blockSize} signature before signature`,
          );
          const made = delta(read('signature'), after);
          const name = `${rollingSum}, ${strongSum} of ${size} bytes, blocks of ${blockSize}`;
          assert.ok(made.length < blockSize + 60, `${name}: a delta of ${made.length} bytes`);
          assert.ok(Buffer.from(applyDelta(before, made, after.length)).equals(after), name);
        }
      }
    }
  }
});

test("rdiff's default signatures of small and odd files are searched", (t) => {
  if (!needs(t, 'rdiff')) return;
  const { write, read, run } = workshop(t);
  const random = seededRandom(22);
  for (let round = 0; round < 60; round++) {
    const { before, after } = editedPair(random, 60_000);
    write('before', before);
    run('rdiff -f -b 300 signature before signature');
    const made = delta(read('signature'), after);
    assert.ok(Buffer.from(applyDelta(before, made, after.length)).equals(after), `round ${round}`);
  }
});
