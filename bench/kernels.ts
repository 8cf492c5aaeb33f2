/**
 * Speed of signature, delta and patch on one core, beside rdiff where it is installed. Ours reads memory in 64 KiB
 * chunks, as a backup does; rdiff reads files from the page cache. `node dist/bench/kernels.js [MEGABYTES]`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeltaBuilder } from '../src/rsync/delta-builder.js';
import { loadKernel } from '../src/rsync/kernel.js';
import { Patcher } from '../src/rsync/patcher.js';
import { below, randomBytes, seededRandom } from '../src/rsync/samples.fixture.js';
import { SignatureBuilder } from '../src/rsync/signature-builder.js';

const CHUNK_BYTES = 64 << 10;
const ROUNDS = 5;
const megabytes = Number(process.argv[2] ?? 64);

const kernel = loadKernel();
const signatures = new SignatureBuilder(kernel, 512);
const deltas = new DeltaBuilder(kernel);

interface Row {
  what: string;
  bytes: number;
  ours: () => number;
  rdiff: string[];
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

function sign(bytes: Uint8Array, blockSizeBytes: number): Uint8Array {
  signatures.reset(blockSizeBytes);
  for (const chunk of chunksOf(bytes)) signatures.update(chunk);
  return signatures.finish();
}

function delta(signature: Uint8Array, after: Uint8Array, write: (bytes: Uint8Array) => void): void {
  deltas.begin();
  deltas.addSignature(signature);
  for (const chunk of chunksOf(after)) write(deltas.update(chunk));
  write(deltas.finish());
}

function deltaSize(signature: Uint8Array, after: Uint8Array): number {
  let size = 0;
  delta(signature, after, (bytes) => {
    size += bytes.length;
  });
  return size;
}

function patchSize(before: Uint8Array, made: Uint8Array): number {
  let size = 0;
  const sink = new Uint8Array(256 << 10);
  const read = (position: number, lengthBytes: number) => before.subarray(position, position + lengthBytes);
  const patcher = new Patcher({ read }, (bytes) => {
    sink.set(bytes);
    size += bytes.length;
  });
  for (const chunk of chunksOf(made)) patcher.update(chunk);
  patcher.finish();
  return size;
}

/** One block in a hundred gets a few other bytes; every other one of them a few more. */
function editOnePercent(before: Uint8Array): Uint8Array {
  const random = seededRandom(1);
  const pieces: Uint8Array[] = [];
  const step = 100 * 2048;
  for (let at = 0; at < before.length; at += step) {
    const piece = Uint8Array.from(before.subarray(at, at + step));
    const edit = below(random, piece.length);
    piece.set(randomBytes(random, Math.min(10, piece.length - edit)), edit);
    pieces.push(piece);
    if (pieces.length % 2 === 0) pieces.push(randomBytes(random, 1 + below(random, 20)));
  }
  return Buffer.concat(pieces);
}

/** The best speed of some rounds, in MB/s. */
function speed(bytes: number, action: () => unknown): number {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    action();
    best = Math.max(best, (bytes * 1000) / Number(process.hrtime.bigint() - start));
  }
  return best;
}

/** A file with what files are made of: code, text, tables, zeros. */
function realBytes(sizeBytes: number): Uint8Array {
  const program = readFileSync(process.execPath);
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += program.length) bytes.set(program.subarray(0, sizeBytes - at), at);
  return bytes;
}

const folder = mkdtempSync(join(tmpdir(), 'tundra-bench-'));
try {
  const file = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const before = realBytes(megabytes * 1_000_000);
  const edited = editOnePercent(before);
  const fresh = before.map((byte) => byte + 1);
  const paths = {
    before: file('before', before),
    edited: file('edited', edited),
    fresh: file('fresh', fresh),
  };
  const rows: Row[] = [];
  for (const block of [2048, 512]) {
    const signature = sign(before, block);
    const signaturePath = file(`signature-${block}`, signature);
    const options = ['-f', '-R', 'rollsum', '-H', 'md4', '-S', '8', '-b', String(block)];
    rows.push({
      what: `signature, blocks of ${block}`,
      bytes: before.length,
      ours: () => sign(before, block).length,
      rdiff: [...options, 'signature', paths.before, '/dev/null'],
    });
    for (const [kind, after, path] of [
      ['unchanged', before, paths.before],
      ['1 % edits', edited, paths.edited],
      ['all new', fresh, paths.fresh],
    ] as const) {
      rows.push({
        what: `delta ${kind}, blocks of ${block}`,
        bytes: after.length,
        ours: () => deltaSize(signature, after),
        rdiff: ['-f', 'delta', signaturePath, path, '/dev/null'],
      });
    }
    const pieces: Uint8Array[] = [];
    delta(signature, edited, (bytes) => pieces.push(bytes.slice()));
    const made = Buffer.concat(pieces);
    rows.push({
      what: `patch 1 % edits, blocks of ${block}`,
      bytes: edited.length,
      ours: () => patchSize(before, made),
      rdiff: ['-f', 'patch', paths.before, file(`delta-${block}`, made), '/dev/null'],
    });
  }
  const hasRdiff = spawnSync('rdiff', ['--version']).status === 0;
  console.log(`${megabytes} MB; MB/s, best of ${ROUNDS}`);
  console.log(`${''.padEnd(34)}${'tundra'.padStart(8)}${'rdiff'.padStart(8)}${'output bytes'.padStart(15)}`);
  for (const { what, bytes, ours, rdiff } of rows) {
    const ourSpeed = speed(bytes, ours).toFixed(0);
    const theirSpeed = hasRdiff ? speed(bytes, () => spawnSync('rdiff', rdiff)).toFixed(0) : '-';
    console.log(
      `${what.padEnd(34)}${ourSpeed.padStart(8)}${theirSpeed.padStart(8)}${String(ours()).padStart(15)}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
