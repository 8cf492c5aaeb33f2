import { crc32, gzipSync, inflateRawSync } from 'node:zlib';
import { gunzipFile } from '../../../src/seal/gzip.js';
import { TrialFolder } from '../folder.js';
import { sample } from '../samples.js';
import { about, type FuzzTarget } from '../target.js';

const folder = new TrialFolder();
const headerBytes = 10;
const mostBytes = 1 << 24;

/** Compressed volumes. */
export const gzip: FuzzTarget = {
  samples: () => [
    sample('members.gz'),
    sample('named.gz'),
    gzipSync('text '.repeat(200)),
    gzipSync(Buffer.alloc(300_000), { level: 1 }),
    gzipSync(Buffer.alloc(0)),
    gzipSync(Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * i * 7) >> 6)), { level: 0 }),
  ],
  words: ['\x1f\x8b\x08\0', '\x1f\x8b\x08\x08', '\x1f\x8b\x08\x1f', '\x03\0', '\0\0\0\xff\xff'],
  /** A trailer that fits, where the header is a plain one. */
  mend(bytes) {
    try {
      const plain = inflateRawSync(bytes.subarray(headerBytes), { maxOutputLength: mostBytes });
      const copy = Buffer.from(bytes);
      copy.writeUInt32LE(crc32(plain), copy.length - 8);
      copy.writeUInt32LE(plain.length, copy.length - 4);
      return copy;
    } catch {
      return bytes;
    }
  },
  async run(bytes, random) {
    const path = folder.stored('volume.gz', bytes);
    const leaveAt = random.oneIn(10) ? random.below(5) : Number.POSITIVE_INFINITY;
    let pieces = 0;
    let plainBytes = 0;
    for await (const piece of gunzipFile(path, 'the volume')) {
      plainBytes += piece.length;
      if (pieces++ >= leaveAt) break;
    }
    return about(plainBytes);
  },
  close: () => folder.remove(),
};
