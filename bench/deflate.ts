/**
 * Compares our deflate with zlib's on one file: `node dist/bench/deflate.js FILE [MEGABYTES]`. The first table is of one
 * core and of so many megabytes, 64 unless told, taken evenly from the file; the second of as many random bytes, which do
 * not compress; the third of the whole file and two threads.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { CompressPool } from '../src/seal/compress-pool.js';
import { type ChunkCompressor, ParallelDeflate, zlibCompressor } from '../src/seal/deflate.js';
import { compileDeflateKernel, type DeflateEffort, DeflateKernel } from '../src/seal/kernel-deflate.js';
import { median, renderText } from './table.js';

/** What a backup compresses in one go. */
const chunkBytes = 256 * 1024;
const windowBytes = 32 * 1024;
const pieceBytes = 2 * 1024 * 1024;
const rounds = 3;
const threads = 2;

type Compress = (chunk: Uint8Array, dictionary: Uint8Array) => Uint8Array;

function zlibOf(level: number): Compress {
  return (chunk, dictionary) => {
    const own = { level, memLevel: 9, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: chunk.length + 1024 };
    return deflateRawSync(chunk, dictionary.length > 0 ? { ...own, dictionary } : own);
  };
}

function kernelOf(kernel: DeflateKernel, effort: DeflateEffort): Compress {
  return (chunk, dictionary) => kernel.compress(chunk, dictionary, effort);
}

/** Pieces from all over the file, one behind the other. */
function sample(path: string, sizeBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const fileBytes = fstatSync(file).size;
    if (fileBytes <= sizeBytes) {
      const whole = Buffer.alloc(fileBytes);
      return whole.subarray(0, readSync(file, whole, 0, fileBytes, 0));
    }
    const count = Math.max(1, Math.floor(sizeBytes / pieceBytes));
    const bytes = Buffer.alloc(count * pieceBytes);
    const stride = count === 1 ? 0 : (fileBytes - pieceBytes) / (count - 1);
    for (let i = 0; i < count; i++) readSync(file, bytes, i * pieceBytes, pieceBytes, Math.floor(i * stride));
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** Time and size of one pass over the sample. */
function pass(bytes: Buffer, compress: Compress): { ms: number; sizeBytes: number } {
  let sizeBytes = 0;
  const start = performance.now();
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const dictionary = bytes.subarray(Math.max(0, at - windowBytes), at);
    sizeBytes += compress(bytes.subarray(at, at + chunkBytes), dictionary).length;
  }
  return { ms: performance.now() - start, sizeBytes };
}

/** Milliseconds that zlib takes to inflate the sample. */
function inflatePass(bytes: Buffer): number {
  const compressed = deflateRawSync(bytes);
  const start = performance.now();
  inflateRawSync(compressed, { maxOutputLength: bytes.length });
  return performance.now() - start;
}

function compareOnOneCore(title: string, bytes: Buffer): string {
  const kernel = new DeflateKernel(compileDeflateKernel());
  const candidates: { name: string; compress: Compress; slow?: boolean }[] = [
    { name: 'ours fast', compress: kernelOf(kernel, 'fast') },
    { name: 'ours balanced', compress: kernelOf(kernel, 'balanced') },
    { name: 'ours small', compress: kernelOf(kernel, 'small') },
    ...[1, 4, 5, 6].map((level) => ({ name: `zlib ${level}`, compress: zlibOf(level) })),
    { name: 'zlib 9', compress: zlibOf(9), slow: true },
  ];
  const passes = candidates.map((): { ms: number; sizeBytes: number }[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { compress, slow }] of candidates.entries()) {
      if (round === 0 || !slow) passes[index]!.push(pass(bytes, compress));
    }
  }
  const sizeOf = (index: number) => passes[index]![0]!.sizeBytes;
  const reference = sizeOf(candidates.findIndex(({ name }) => name === 'zlib 6'));
  const rows = candidates.map(({ name }, index) => {
    const speeds = passes[index]!.map(({ ms }) => bytes.length / 1000 / ms);
    return [
      name,
      median(speeds).toFixed(0),
      Math.max(...speeds).toFixed(0),
      (sizeOf(index) / bytes.length).toFixed(4),
      (sizeOf(index) / reference).toFixed(4),
    ];
  });
  const head = [title, 'MB/s', 'best', 'ratio', 'of zlib 6'];
  return renderText([head, ...rows]);
}

function inflateSpeed(bytes: Buffer): string {
  const speeds = Array.from({ length: rounds }, () => bytes.length / 1000 / inflatePass(bytes));
  return `zlib inflates at ${median(speeds).toFixed(0)} MB/s`;
}

/** Reads and compresses the whole file. */
async function wholeFile(
  path: string,
  compressor: ChunkCompressor,
): Promise<{ ms: number; sizeBytes: number }> {
  let sizeBytes = 0;
  const count = (piece: Uint8Array) => {
    sizeBytes += piece.length;
  };
  const start = performance.now();
  const deflate = new ParallelDeflate(count, { compressor });
  const file = openSync(path, 'r');
  const buffer = Buffer.alloc(256 * 1024);
  for (;;) {
    const size = readSync(file, buffer, 0, buffer.length, null);
    if (size === 0) break;
    await deflate.write(buffer.subarray(0, size));
  }
  closeSync(file);
  await deflate.finish();
  return { ms: performance.now() - start, sizeBytes };
}

async function compareWholeFile(path: string): Promise<string> {
  const candidates: { name: string; start: () => ChunkCompressor & { close?: () => Promise<void> } }[] = [
    { name: 'ours fast', start: () => new CompressPool({ effort: 'fast', threads }) },
    { name: 'ours balanced', start: () => new CompressPool({ effort: 'balanced', threads }) },
    { name: 'ours small', start: () => new CompressPool({ effort: 'small', threads }) },
    { name: 'zlib 6', start: () => zlibCompressor(6, threads) },
  ];
  const runs = candidates.map((): { ms: number; sizeBytes: number }[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { start }] of candidates.entries()) {
      const compressor = start();
      runs[index]!.push(await wholeFile(path, compressor));
      await compressor.close?.();
    }
  }
  const rows = candidates.map(({ name }, index) => {
    const seconds = runs[index]!.map(({ ms }) => ms / 1000);
    const size = runs[index]![0]!.sizeBytes;
    return [name, median(seconds).toFixed(2), Math.min(...seconds).toFixed(2), (size / 1e6).toFixed(1)];
  });
  return renderText([['whole file, 2 threads', 'seconds', 'best', 'MB stored'], ...rows]);
}

const [path, megabytes = '64'] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node dist/bench/deflate.js FILE [MEGABYTES]');
  process.exitCode = 2;
} else {
  const bytes = sample(path, Number(megabytes) * 1e6);
  console.log(`${compareOnOneCore('one core', bytes)}\n\n${inflateSpeed(bytes)}\n`);
  console.log(`${compareOnOneCore('one core, noise', randomBytes(bytes.length))}\n`);
  console.log(await compareWholeFile(path));
  console.log(`\npeak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
}
