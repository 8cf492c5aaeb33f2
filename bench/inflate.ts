/**
 * Compares our inflate with zlib's on one core: `node dist/bench/inflate.js FILE [MEGABYTES]`, 24 unless told, taken evenly
 * from the file, compressed by our encoder, by zlib and by gpg. The first table is of pieces of 1 MiB, each a stream of
 * its own, the best time of each; the second of the whole sample as one stream, with zlib's on the thread pool as it is
 * used by `src/seal/inflate.ts`, and what all threads together took of the processors.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { ByteStream } from '../src/base/bytes.js';
import { PieceReader } from '../src/seal/byte-reader.js';
import { inflate } from '../src/seal/inflate.js';
import { compileDeflateKernel, type DeflateEffort, DeflateKernel } from '../src/seal/kernel-deflate.js';
import { InflateKernel, InflateStream } from '../src/seal/kernel-inflate.js';
import { PacketReader, readByte } from '../src/seal/library/packets.js';
import { renderText } from './table.js';

const pieceBytes = 1 << 20;
const inputBytes = 128 * 1024;
const rounds = 9;
const emptyLastBlock = Buffer.of(3, 0);

type Compress = (plain: Uint8Array) => Uint8Array | Promise<Uint8Array>;

const kernel = new InflateKernel();
const encoder = new DeflateKernel(compileDeflateKernel());

function ownEncoder(effort: DeflateEffort): Compress {
  return (plain) => Buffer.concat([encoder.compress(plain, new Uint8Array(0), effort), emptyLastBlock]);
}

/** What gpg's packet of compressed data holds: the file in a packet of its own, which has some bytes more. */
async function gpgDeflate(home: string, plain: Uint8Array): Promise<Uint8Array> {
  const options = [
    '--batch',
    '--no-options',
    '--homedir',
    home,
    '--compress-algo',
    'zip',
    '-z',
    '6',
    '--store',
  ];
  const { stdout, status } = spawnSync('gpg', options, { input: plain, maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error('gpg failed');
  const packets = new PacketReader(new PieceReader(piecesFrom(stdout)));
  const { body } = (await packets.next())!;
  await readByte(body); // the algorithm
  const deflated = Buffer.alloc(stdout.length);
  return deflated.subarray(0, await body.read(deflated));
}

async function* piecesFrom(bytes: Uint8Array): ByteStream {
  for (let at = 0; at < bytes.length; at += inputBytes) yield bytes.subarray(at, at + inputBytes);
}

function sample(path: string, count: number): Buffer[] {
  const file = openSync(path, 'r');
  const stride = (fstatSync(file).size - pieceBytes) / Math.max(1, count - 1);
  const pieces = Array.from({ length: count }, (_, i) => {
    const piece = Buffer.alloc(pieceBytes);
    return piece.subarray(0, readSync(file, piece, 0, pieceBytes, Math.max(0, Math.floor(i * stride))));
  });
  closeSync(file);
  return pieces;
}

/** Inflates with our kernel; `take` deals with what comes. */
function inflateWith(compressed: Uint8Array, take: (stream: InflateStream) => number): number {
  const stream = new InflateStream(kernel);
  let plainBytes = 0;
  for (let at = 0; !stream.ended; ) {
    if (stream.wantsInput) {
      const end = at + inputBytes;
      stream.push(compressed.subarray(at, end), end >= compressed.length);
      at = end;
    }
    plainBytes += take(stream);
  }
  stream.close();
  return plainBytes;
}

const byKernel = (compressed: Uint8Array) => inflateWith(compressed, (stream) => stream.next().length);
const byZlib = (compressed: Uint8Array) => inflateRawSync(compressed, { chunkSize: pieceBytes + 64 }).length;

async function byZlibStream(compressed: Uint8Array): Promise<number> {
  let plainBytes = 0;
  const reader = new PieceReader(piecesFrom(compressed));
  for await (const piece of inflate(reader, 'raw')) plainBytes += piece.length;
  return plainBytes;
}

/** MB/s of each way on all pieces, measured in turns. */
function speeds(compressed: Uint8Array[], ways: ((bytes: Uint8Array) => number)[]): number[] {
  const sizes = compressed.map(byZlib);
  const best = ways.map(() => compressed.map(() => Number.POSITIVE_INFINITY));
  for (let round = 0; round < rounds; round++) {
    for (const [piece, bytes] of compressed.entries()) {
      for (const [way, run] of ways.entries()) {
        const start = process.hrtime.bigint();
        const size = run(bytes);
        const ns = Number(process.hrtime.bigint() - start);
        if (size !== sizes[piece]) throw new Error('the output has another size');
        best[way]![piece] = Math.min(best[way]![piece]!, ns);
      }
    }
  }
  const allBytes = sizes.reduce((sum, size) => sum + size, 0);
  return best.map((times) => (allBytes * 1000) / times.reduce((sum, ns) => sum + ns, 0));
}

/** The best wall time and the best processor time of a run over the whole sample, as MB/s. */
async function wholeSpeeds(
  compressed: Uint8Array,
  ways: ((bytes: Uint8Array) => number | Promise<number>)[],
): Promise<{ wall: number; processor: number }[]> {
  const plainBytes = byZlib(compressed);
  const best = ways.map(() => ({ wall: 0, processor: 0 }));
  for (let round = 0; round < rounds; round++) {
    for (const [way, run] of ways.entries()) {
      const before = process.cpuUsage();
      const start = process.hrtime.bigint();
      if ((await run(compressed)) !== plainBytes) throw new Error('the output has another size');
      const us = Number(process.hrtime.bigint() - start) / 1000;
      const { user, system } = process.cpuUsage(before);
      best[way]!.wall = Math.max(best[way]!.wall, plainBytes / us);
      best[way]!.processor = Math.max(best[way]!.processor, plainBytes / (user + system));
    }
  }
  return best;
}

async function compare(plain: Buffer[], home: string): Promise<void> {
  const compressors: [string, Compress][] = [
    ['ours fast', ownEncoder('fast')],
    ['ours balanced', ownEncoder('balanced')],
    ['ours small', ownEncoder('small')],
    ['zlib 1', (bytes) => deflateRawSync(bytes, { level: 1 })],
    ['zlib 6', (bytes) => deflateRawSync(bytes)],
  ];
  if (spawnSync('gpg', ['--version']).status === 0) {
    compressors.push(['gpg zip 6', (bytes) => gpgDeflate(home, bytes)]);
  }
  const whole = Buffer.concat(plain);
  const pieceRows: string[][] = [];
  const wholeRows: string[][] = [];
  for (const [name, compress] of compressors) {
    const compressed: Uint8Array[] = [];
    for (const piece of plain) compressed.push(await compress(piece));
    const ratio = compressed.reduce((sum, { length }) => sum + length, 0) / whole.length;
    const [ours, zlib] = speeds(compressed, [byKernel, byZlib]) as [number, number];
    const cells = [ours, zlib].map((speed) => speed.toFixed(0));
    pieceRows.push([name, ratio.toFixed(3), ...cells, (ours / zlib).toFixed(2)]);

    const all = await compress(whole);
    const [own, pool] = await wholeSpeeds(all, [byKernel, byZlibStream]);
    const speedsOfBoth = [own!.wall, pool!.wall, own!.processor, pool!.processor];
    wholeRows.push([
      name,
      ...speedsOfBoth.map((speed) => speed.toFixed(0)),
      (own!.processor / pool!.processor).toFixed(2),
    ]);
  }
  console.log(renderText([['MB/s, in pieces', 'stored', 'ours', 'zlib sync', 'times'], ...pieceRows]));
  const head = ['MB/s, one stream', 'ours', 'zlib pool', 'ours, of CPU', 'zlib, of CPU', 'times'];
  console.log(`\n${renderText([head, ...wholeRows])}`);
}

const [path, megabytes = '24'] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node dist/bench/inflate.js FILE [MEGABYTES]');
  process.exitCode = 2;
} else {
  const home = mkdtempSync(join(tmpdir(), 'tundra-bench-'));
  try {
    await compare(sample(path, Number(megabytes)), home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
