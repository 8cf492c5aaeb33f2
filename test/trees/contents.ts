/** Deterministic file contents: the same name and size give the same bytes on every machine. */

const words = [
  'volume',
  'chain',
  'glacier',
  'signature',
  'delta',
  'winter',
  'manifest',
  'tundra',
  '\n',
  '  ',
];

/** A generator of 32-bit numbers that a text seeds (FNV-1a, then mulberry32). */
export function randomNumbers(seed: string): () => number {
  let state = 0x811c9dc5;
  for (let index = 0; index < seed.length; index++) {
    state = Math.imul(state ^ seed.charCodeAt(index), 0x01000193);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Bytes no compressor shrinks. */
export function randomBytes(seed: string, sizeBytes: number): Buffer {
  const next = randomNumbers(seed);
  const numbers = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let index = 0; index < numbers.length; index++) numbers[index] = next();
  return Buffer.from(numbers.buffer, 0, sizeBytes);
}

/** Bytes that shrink to about half: stretches of words, of one byte and of noise, up to 8 KiB each. */
export function mixedBytes(seed: string, sizeBytes: number): Buffer {
  const next = randomNumbers(seed);
  const bytes = Buffer.alloc(sizeBytes);
  for (let start = 0; start < sizeBytes; ) {
    const end = Math.min(sizeBytes, start + 1 + (next() % 8192));
    const kind = next() % 5;
    if (kind === 0) bytes.fill(next() & 0xff, start, end);
    else if (kind < 3) for (let at = start; at < end; at++) bytes[at] = next() >>> 24;
    else for (let at = start; at < end; ) at += bytes.write(words[next() % words.length]!, at, end - at) || 1;
    start = end;
  }
  return bytes;
}
