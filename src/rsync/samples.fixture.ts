/** Seeded files and edits for the tests and benchmarks of this folder. */

/** A generator of numbers in [0, 1) that always gives the same ones for a seed (xorshift). */
export function seededRandom(seed: number): () => number {
  let state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** A whole number from 0 to `limit` - 1. */
export function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}

/** Bytes that do not repeat. */
export function randomBytes(random: () => number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = random() * 256;
  return bytes;
}

/** Bytes with short periods, few values or plain zeros: what makes sums collide and blocks repeat. */
export function dullBytes(random: () => number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  const period = 1 + below(random, 700);
  const values = 1 + below(random, 3);
  for (let at = 0; at < sizeBytes; at++) {
    bytes[at] = at < period ? random() * values : random() < 0.001 ? random() * values : bytes[at - period]!;
  }
  return bytes;
}

/** One insertion, deletion, overwriting, moved piece or run of zeros. */
export function editOnce(random: () => number, old: Uint8Array): Uint8Array {
  const at = below(random, old.length + 1);
  const size = below(random, random() < 0.5 ? 8 : 5000);
  const rest = Math.min(old.length, at + size);
  switch (below(random, 6)) {
    case 0:
      return Buffer.concat([old.subarray(0, at), randomBytes(random, size), old.subarray(at)]);
    case 1:
      return Buffer.concat([old.subarray(0, at), old.subarray(rest)]);
    case 2:
      return Buffer.concat([old.subarray(0, at), randomBytes(random, rest - at), old.subarray(rest)]);
    case 3: {
      const from = below(random, old.length + 1);
      return Buffer.concat([old.subarray(0, at), old.subarray(from, from + 4 * size), old.subarray(at)]);
    }
    case 4:
      return Buffer.concat([old.subarray(0, at), new Uint8Array(2 * size), old.subarray(rest)]);
    default:
      return Buffer.concat([old.subarray(at), old.subarray(0, at)]);
  }
}

/** An old file of up to `mostBytes`, mostly a small one, and what a few edits made of it. */
export function editedPair(
  random: () => number,
  mostBytes: number,
): { before: Uint8Array; after: Uint8Array } {
  const sizeBytes = below(random, random() < 0.8 ? Math.min(mostBytes, 12_000) : mostBytes);
  const before = (random() < 0.75 ? randomBytes : dullBytes)(random, sizeBytes);
  let after = before;
  for (let edits = below(random, 5); edits > 0; edits--) after = editOnce(random, after);
  return { before, after };
}

/** Cuts bytes into pieces of random sizes, some of them empty. */
export function cutAtRandom(random: () => number, bytes: Uint8Array, mostBytes: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = below(random, mostBytes + 1);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
