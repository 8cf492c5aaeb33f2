import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { errnoOf, messageOf } from '../../../src/base/errors.js';
import { InflateError, InflateKernel, InflateStream } from '../../../src/seal/kernel-inflate.js';
import type { Random } from '../random.js';
import { about, type FuzzTarget, tagged } from '../target.js';

const wrappings = ['raw', 'zlib', 'gzip'] as const;
type Wrapping = (typeof wrappings)[number];

/** Asked for the largest window: a smaller one that a header tells it notes only now and then. */
const zlib = {
  raw: inflateRawSync,
  zlib: inflateSync,
  gzip: gunzipSync,
};
const mostBytes = 1 << 24;
const text = Buffer.from(`${'what was said before, '.repeat(20)}and something that was not`);
const noise = Buffer.from(Array.from({ length: 3000 }, (_, i) => ((i * i * 7919) >> 5) ^ i));

let loaded: InflateKernel | undefined;

/** Our own inflate; the first byte says which wrapping. Whatever zlib says to the same bytes must come out of it. */
export const inflate: FuzzTarget = {
  samples: () => [
    ...[{}, { level: 0 }, { level: 1 }, { strategy: 2 }, { strategy: 3 }, { strategy: 4 }].flatMap(
      (options) => [text, noise].map((plain) => tagged(0, deflateRawSync(plain, options))),
    ),
    tagged(0, deflateRawSync(Buffer.alloc(300_000))),
    tagged(1, deflateSync(text)),
    tagged(2, gzipSync(text)),
    tagged(2, Buffer.concat([gzipSync(noise), gzipSync(''), gzipSync(text)])),
  ],
  words: ['\0\0\0\xff\xff', '\x01\0\0\xff\xff', '\x03\0', '\x78\x9c', '\x1f\x8b\x08\0'],
  run(bytes, random) {
    const wrapping = wrappings[(bytes[0] ?? 0) % wrappings.length]!;
    const packed = bytes.subarray(1);
    const expected = outcomeOf(() => zlib[wrapping](packed, { maxOutputLength: mostBytes, windowBits: 15 }));
    if (expected === 'ERR_BUFFER_TOO_LARGE') return expected;
    const outcome = outcomeOf(() => inflated(packed, wrapping, random));
    const isSame = typeof outcome === 'string' ? outcome === expected : outcome.equals(expected as Buffer);
    if (!isSame) throw new Error(`zlib: ${shown(expected)}; ours: ${shown(outcome)}`);
    return typeof outcome === 'string' ? outcome : about(outcome.length);
  },
};

function outcomeOf(run: () => Buffer): Buffer | string {
  try {
    return run();
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ERR_BUFFER_TOO_LARGE') return code;
    if (!(error instanceof InflateError) && !code?.startsWith('Z_')) throw error;
    return `${code} ${messageOf(error)}`;
  }
}

function shown(outcome: Buffer | string): string {
  return typeof outcome === 'string' ? outcome : `${outcome.length} bytes`;
}

/** Input cut at random. */
function inflated(packed: Uint8Array, wrapping: Wrapping, random: Random): Buffer {
  loaded ??= new InflateKernel();
  const stream = new InflateStream(loaded, wrapping);
  const most = random.pick([1, 9, 700, 1 << 20]);
  const pieces: Buffer[] = [];
  try {
    for (let at = 0; !stream.ended; ) {
      if (stream.wantsInput) {
        const end = at + 1 + random.below(most);
        stream.push(packed.subarray(at, end), end >= packed.length);
        at = end;
      }
      pieces.push(Buffer.from(stream.next()));
    }
    return Buffer.concat(pieces);
  } finally {
    stream.close();
  }
}
