import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeltaBuilder } from '../../src/rsync/delta-builder.js';
import { heldEntries } from '../../src/rsync/entry-room.fixture.js';
import { loadKernel } from '../../src/rsync/kernel.js';
import { Patcher } from '../../src/rsync/patcher.js';
import { below, randomBytes, seededRandom } from '../../src/rsync/samples.fixture.js';
import { SignatureBuilder } from '../../src/rsync/signature-builder.js';
import type { Comparison } from '../findings.js';
import { versionOf } from '../tools.js';
import { type Contest, takeTurns } from './turns.js';

const chunkBytes = 64 << 10;

interface Builders {
  signatures: SignatureBuilder;
  deltas: DeltaBuilder;
}

/**
 * Signature, delta and patch on one core, beside rdiff where it is installed. Ours reads memory in chunks of 64 KiB, as a
 * backup does; rdiff is a whole process that reads files from the page cache.
 */
export async function rsyncKernels(folder: string, sizeBytes: number, rounds: number): Promise<Comparison> {
  const hasRdiff = versionOf('rdiff') !== undefined;
  const kernel = loadKernel();
  const builders = {
    signatures: new SignatureBuilder(kernel, 512),
    deltas: new DeltaBuilder(kernel, heldEntries),
  };
  const file = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const before = realBytes(sizeBytes);
  const edited = editOnePercent(before);
  const overwritten = overwriteOnePercent(before);
  const fresh = before.map((byte) => byte + 1);
  const paths = {
    before: file('before', before),
    edited: file('edited', edited),
    overwritten: file('overwritten', overwritten),
    fresh: file('fresh', fresh),
  };
  const contests: Contest[] = [];
  const add = (what: string, bytes: Uint8Array, ours: () => void, ...rdiff: string[][]) => {
    const theirs = () => {
      for (const args of rdiff) {
        const { status, stderr } = spawnSync('rdiff', ['-f', ...args]);
        if (status !== 0) throw new Error(`rdiff ended with ${status}: ${stderr}`);
      }
    };
    contests.push({ what, sizeBytes: bytes.length, actions: [ours, hasRdiff ? theirs : undefined] });
  };
  for (const block of [2048, 512]) {
    const signature = sign(builders, before, block);
    const signaturePath = file(`signature-${block}`, signature);
    const options = ['-R', 'rollsum', '-H', 'md4', '-S', '8', '-b', String(block)];
    const signBefore = [...options, 'signature', paths.before, '/dev/null'];
    add(`signature, blocks of ${block}`, before, () => void sign(builders, before, block), signBefore);
    for (const [kind, after, path] of [
      ['unchanged', before, paths.before],
      ['1 % edits', edited, paths.edited],
      ['all new', fresh, paths.fresh],
    ] as const) {
      const ours = () => delta(builders, signature, after, () => {});
      add(`delta, ${kind}, blocks of ${block}`, after, ours, ['delta', signaturePath, path, '/dev/null']);
    }
    // What a backup does with a changed file.
    const bothInOne = () => deltaAndSignature(builders, signature, edited, block);
    const deltaEdited = ['delta', signaturePath, paths.edited, '/dev/null'];
    const signEdited = [...options, 'signature', paths.edited, '/dev/null'];
    add(`delta and signature, 1 % edits, blocks of ${block}`, edited, bothInOne, deltaEdited, signEdited);
    const inPlace = () => deltaAndSignature(builders, signature, overwritten, block);
    const deltaInPlace = ['delta', signaturePath, paths.overwritten, '/dev/null'];
    const signInPlace = [...options, 'signature', paths.overwritten, '/dev/null'];
    add(`the same, 1 % overwritten, blocks of ${block}`, overwritten, inPlace, deltaInPlace, signInPlace);
    const pieces: Uint8Array[] = [];
    delta(builders, signature, edited, (bytes) => pieces.push(bytes.slice()));
    const made = Buffer.concat(pieces);
    const madePath = file(`delta-${block}`, made);
    const patchBefore = ['patch', paths.before, madePath, '/dev/null'];
    add(`patch, 1 % edits, blocks of ${block}`, edited, () => patch(before, made), patchBefore);
  }
  const title = `rsync, one core, ${(sizeBytes / 1e6).toFixed(0)} MB`;
  return { work: 'kernels', title, contenders: ['tundra', 'rdiff'], rows: await takeTurns(contests, rounds) };
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

function sign({ signatures }: Builders, bytes: Uint8Array, blockSizeBytes: number): Uint8Array {
  signatures.reset(blockSizeBytes);
  for (const chunk of chunksOf(bytes)) signatures.update(chunk);
  return signatures.finish();
}

function delta(
  { deltas }: Builders,
  signature: Uint8Array,
  after: Uint8Array,
  write: (bytes: Uint8Array) => void,
): void {
  deltas.begin();
  deltas.addSignature(signature);
  for (const chunk of chunksOf(after)) write(deltas.update(chunk));
  write(deltas.finish());
}

function deltaAndSignature(
  { deltas, signatures }: Builders,
  signature: Uint8Array,
  after: Uint8Array,
  blockSizeBytes: number,
): void {
  deltas.begin();
  deltas.addSignature(signature);
  signatures.reset(blockSizeBytes);
  for (const chunk of chunksOf(after)) deltas.update(chunk, signatures.update(chunk));
  deltas.finish();
  signatures.finish();
}

function patch(before: Uint8Array, made: Uint8Array): void {
  const sink = new Uint8Array(256 << 10);
  const read = (position: number, lengthBytes: number) => before.subarray(position, position + lengthBytes);
  const patcher = new Patcher({ read }, (bytes) => sink.set(bytes));
  for (const chunk of chunksOf(made)) patcher.update(chunk);
  patcher.finish();
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

/** In every million bytes, 10,000 others. */
function overwriteOnePercent(before: Uint8Array): Uint8Array {
  const random = seededRandom(2);
  const after = Uint8Array.from(before);
  for (let at = 0; at + 1_000_000 <= after.length; at += 1_000_000) {
    after.set(randomBytes(random, 10_000), at + below(random, 990_000));
  }
  return after;
}

/** A file with what files are made of: code, text, tables, zeros. */
function realBytes(sizeBytes: number): Uint8Array {
  const program = readFileSync(process.execPath);
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += program.length) bytes.set(program.subarray(0, sizeBytes - at), at);
  return bytes;
}
