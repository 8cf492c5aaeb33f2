import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomNumbers } from '../test/trees/contents.js';

/** Bytes no compressor shrinks, made fast: the same seed gives the same bytes on every machine. */
export function noise(seed: string): (sizeBytes: number) => Buffer {
  const key = createHash('sha256').update(seed).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return (sizeBytes) => stream.update(Buffer.alloc(sizeBytes));
}

/** Writes files of 2 to 8 MB that do not compress, in folders of twenty. Returns how many. */
export function writePhotos(folder: string, sizeBytes: number): number {
  const next = randomNumbers('photos');
  const photo = noise('photos');
  let files = 0;
  for (let left = sizeBytes; left > 0; files++) {
    const size = Math.min(left, 2_000_000 + (next() % 6_000_000));
    const album = join(folder, `album ${Math.floor(files / 20)}`);
    mkdirSync(album, { recursive: true });
    const file = openSync(join(album, `photo ${files}.jpg`), 'w');
    writeSync(file, photo(size));
    closeSync(file);
    left -= size;
  }
  return files;
}

const stampStep = 512;
const logBytes = 4 << 20;

/**
 * A log: lines of which a compressor makes about a fifth, without holes. What repeats every 4 MiB has a mark in every
 * 512 bytes that is nowhere else, so that no tool finds a block of it twice.
 * @param seed tells one log from another
 */
export function logOf(seed: string): (sizeBytes: number) => Buffer {
  const next = randomNumbers(seed);
  const lines: string[] = [];
  for (let size = 0; size < logBytes; size += lines.at(-1)!.length) {
    const number = next();
    const words = ['request', 'response', 'session', 'cache', 'queue', 'worker'];
    const word = words[number % words.length]!;
    lines.push(
      `2024-05-17 12:${10 + (number % 50)} ${word} ${(number >>> 12) % 1000} done in ${(number >>> 4) % 97} ms\n`,
    );
  }
  const pattern = Buffer.from(lines.join('')).subarray(0, logBytes);
  let stamp = 0;
  let at = 0;
  return (sizeBytes) => {
    const bytes = Buffer.allocUnsafe(sizeBytes);
    for (let done = 0; done < sizeBytes; ) {
      const copied = pattern.copy(bytes, done, at, Math.min(logBytes, at + sizeBytes - done));
      done += copied;
      at = (at + copied) % logBytes;
    }
    for (let offset = 0; offset + 8 <= sizeBytes; offset += stampStep) {
      bytes.write(seed, offset, 1, 'latin1');
      bytes.writeUIntBE(++stamp, offset + 1, 6);
    }
    return bytes;
  };
}

/** Writes one file of a log. */
export function writeLargeFile(path: string, sizeBytes: number): void {
  const pieceBytes = 1 << 20;
  const log = logOf('0');
  const file = openSync(path, 'w');
  for (let left = sizeBytes; left > 0; left -= pieceBytes) writeSync(file, log(Math.min(left, pieceBytes)));
  closeSync(file);
}

/** Overwrites one byte in a hundred: in every million, 10,000 bytes at a place that the round tells. */
export function changeLargeFile(path: string, sizeBytes: number, round: number): void {
  const next = randomNumbers(`large file ${round}`);
  const log = logOf(String(round));
  const file = openSync(path, 'r+');
  for (let at = 0; at + 1_000_000 <= sizeBytes; at += 1_000_000) {
    writeSync(file, log(10_000), 0, 10_000, at + (next() % 990_000));
  }
  closeSync(file);
}
