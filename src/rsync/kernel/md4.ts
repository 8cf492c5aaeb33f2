/** MD4 (RFC 1320), one message at a time. */

export const A: u32 = 0x67452301;
export const B: u32 = 0xefcdab89;
export const C: u32 = 0x98badcfe;
export const D: u32 = 0x10325476;
export const K2: u32 = 0x5a827999;
export const K3: u32 = 0x6ed9eba1;

/** Four digests of 16 bytes, one per lane. A single message uses the first. */
export const DIGESTS: usize = memory.data(64, 16);
/** The padded ends of up to four messages, 128 bytes each. */
export const ENDS: usize = memory.data(512, 16);

@inline
function f1(a: u32, b: u32, c: u32, d: u32, x: u32, s: u32): u32 {
  return rotl<u32>(a + x + (d ^ (b & (c ^ d))), s);
}

@inline
function g1(a: u32, b: u32, c: u32, d: u32, x: u32, s: u32): u32 {
  return rotl<u32>(a + x + K2 + (c & d) + (b & (c ^ d)), s);
}

@inline
function h1(a: u32, b: u32, c: u32, d: u32, x: u32, s: u32): u32 {
  return rotl<u32>(a + x + K3 + (b ^ (c ^ d)), s);
}

@inline
function word(p: usize, index: usize): u32 {
  return load<u32>(p + (index << 2));
}

/** Puts the initial state at `state` (16 bytes). */
export function md4Open(state: usize): void {
  store<u32>(state, A);
  store<u32>(state, B, 4);
  store<u32>(state, C, 8);
  store<u32>(state, D, 12);
}

/** Takes `chunks` times 64 bytes at `p` into the state. */
export function md4Absorb(state: usize, p: usize, chunks: u32): void {
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  for (; chunks != 0; chunks--, p += 64) {
    const a0 = a;
    const b0 = b;
    const c0 = c;
    const d0 = d;
    for (let i: usize = 0; i < 16; i += 4) {
      a = f1(a, b, c, d, word(p, i), 3);
      d = f1(d, a, b, c, word(p, i + 1), 7);
      c = f1(c, d, a, b, word(p, i + 2), 11);
      b = f1(b, c, d, a, word(p, i + 3), 19);
    }
    for (let i: usize = 0; i < 4; i++) {
      a = g1(a, b, c, d, word(p, i), 3);
      d = g1(d, a, b, c, word(p, i + 4), 5);
      c = g1(c, d, a, b, word(p, i + 8), 9);
      b = g1(b, c, d, a, word(p, i + 12), 13);
    }
    for (let i: usize = 0; i < 4; i++) {
      const j = ((i & 1) << 1) | (i >> 1);
      a = h1(a, b, c, d, word(p, j), 3);
      d = h1(d, a, b, c, word(p, j + 8), 9);
      c = h1(c, d, a, b, word(p, j + 4), 11);
      b = h1(b, c, d, a, word(p, j + 12), 15);
    }
    a += a0;
    b += b0;
    c += c0;
    d += d0;
  }
  store<u32>(state, a);
  store<u32>(state, b, 4);
  store<u32>(state, c, 8);
  store<u32>(state, d, 12);
}

/**
 * Copies the last bytes of a message (fewer than 64) to `end` and pads them. Returns the number of 64-byte chunks.
 */
export function pad(end: usize, p: usize, rest: u32, messageSize: u64): u32 {
  memory.fill(end, 0, 128);
  memory.copy(end, p, rest);
  store<u8>(end + rest, 0x80);
  const chunks: u32 = rest < 56 ? 1 : 2;
  store<u64>(end + (chunks << 6) - 8, messageSize << 3);
  return chunks;
}

/**
 * Takes the last `rest` bytes (any number) of a message of `messageSize` bytes and leaves the digest in the state.
 */
export function md4Close(state: usize, p: usize, rest: u32, messageSize: u64): void {
  md4Absorb(state, p, rest >> 6);
  md4Absorb(state, ENDS, pad(ENDS, p + (rest & ~63), rest & 63, messageSize));
}

/** The digest of `size` bytes at `p`, to the first of DIGESTS. */
export function md4(p: usize, size: u32): void {
  md4Open(DIGESTS);
  md4Close(DIGESTS, p, size, size);
}
