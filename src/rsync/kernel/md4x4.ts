/**
 * MD4 of four messages of one size at once, a 32-bit SIMD lane for each. It also adds up the rolling sums of the
 * messages, whose bytes it has in registers anyway.
 */
import { A, B, C, D, DIGESTS, ENDS, K2, K3, pad } from './md4';

/** Four u32: s1 of the rolling sum of each lane; four more: s2. Without the character offset, modulo 2^16. */
export const LANE_SUMS: usize = memory.data(32, 16);

/** State between calls: a, b, c, d. */
const STATE4: usize = memory.data(64, 16);
/** Sums between calls, eight lanes of 16 bits each: even bytes, odd bytes, sums of sums. */
const SUMS4: usize = memory.data(48, 16);

@inline
function rotl4(x: v128, s: i32): v128 {
  return v128.or(i32x4.shl(x, s), i32x4.shr_u(x, 32 - s));
}

@inline
function f4(a: v128, b: v128, c: v128, d: v128, x: v128, s: i32): v128 {
  return rotl4(i32x4.add(i32x4.add(a, x), v128.xor(d, v128.and(b, v128.xor(c, d)))), s);
}

@inline
function g4(a: v128, b: v128, c: v128, d: v128, x: v128, s: i32): v128 {
  const early = i32x4.add(i32x4.add(a, x), i32x4.add(i32x4.splat(K2), v128.and(c, d)));
  return rotl4(i32x4.add(early, v128.and(b, v128.xor(c, d))), s);
}

@inline
function h4(a: v128, b: v128, c: v128, d: v128, x: v128, s: i32): v128 {
  return rotl4(i32x4.add(i32x4.add(a, i32x4.add(x, i32x4.splat(K3))), v128.xor(b, v128.xor(c, d))), s);
}

/** Lanes 0 and 1 of two vectors, interleaved. */
@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

/** Lanes 2 and 3 of two vectors, interleaved. */
@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

@inline
function lowHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 0, 2);
}

@inline
function highHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 1, 3);
}

function absorb4(p0: usize, p1: usize, p2: usize, p3: usize, chunks: u32): void {
  let a = v128.load(STATE4);
  let b = v128.load(STATE4, 16);
  let c = v128.load(STATE4, 32);
  let d = v128.load(STATE4, 48);
  let even = v128.load(SUMS4);
  let odd = v128.load(SUMS4, 16);
  let sums = v128.load(SUMS4, 32);
  const bytes = i16x8.splat(0xff);
  for (; chunks != 0; chunks--) {
    let r0: v128, r1: v128, r2: v128, r3: v128;
    let s0: v128, s1: v128, s2: v128, s3: v128;

    r0 = v128.load(p0);
    r1 = v128.load(p1);
    r2 = v128.load(p2);
    r3 = v128.load(p3);
    s0 = low(r0, r1);
    s1 = low(r2, r3);
    s2 = high(r0, r1);
    s3 = high(r2, r3);
    const x0 = lowHalves(s0, s1);
    const x1 = highHalves(s0, s1);
    const x2 = lowHalves(s2, s3);
    const x3 = highHalves(s2, s3);

    r0 = v128.load(p0, 16);
    r1 = v128.load(p1, 16);
    r2 = v128.load(p2, 16);
    r3 = v128.load(p3, 16);
    s0 = low(r0, r1);
    s1 = low(r2, r3);
    s2 = high(r0, r1);
    s3 = high(r2, r3);
    const x4 = lowHalves(s0, s1);
    const x5 = highHalves(s0, s1);
    const x6 = lowHalves(s2, s3);
    const x7 = highHalves(s2, s3);

    r0 = v128.load(p0, 32);
    r1 = v128.load(p1, 32);
    r2 = v128.load(p2, 32);
    r3 = v128.load(p3, 32);
    s0 = low(r0, r1);
    s1 = low(r2, r3);
    s2 = high(r0, r1);
    s3 = high(r2, r3);
    const x8 = lowHalves(s0, s1);
    const x9 = highHalves(s0, s1);
    const x10 = lowHalves(s2, s3);
    const x11 = highHalves(s2, s3);

    r0 = v128.load(p0, 48);
    r1 = v128.load(p1, 48);
    r2 = v128.load(p2, 48);
    r3 = v128.load(p3, 48);
    s0 = low(r0, r1);
    s1 = low(r2, r3);
    s2 = high(r0, r1);
    s3 = high(r2, r3);
    const x12 = lowHalves(s0, s1);
    const x13 = highHalves(s0, s1);
    const x14 = lowHalves(s2, s3);
    const x15 = highHalves(s2, s3);

    const a0 = a;
    const b0 = b;
    const c0 = c;
    const d0 = d;

    // The sums are wanted modulo 2^16 only, so they fit 16-bit lanes.
    even = i16x8.add(even, v128.and(x0, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x0, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x1, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x1, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x2, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x2, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x3, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x3, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x4, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x4, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x5, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x5, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x6, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x6, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x7, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x7, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x8, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x8, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x9, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x9, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x10, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x10, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x11, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x11, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x12, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x12, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x13, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x13, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x14, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x14, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
    even = i16x8.add(even, v128.and(x15, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x15, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));

    a = f4(a, b, c, d, x0, 3);
    d = f4(d, a, b, c, x1, 7);
    c = f4(c, d, a, b, x2, 11);
    b = f4(b, c, d, a, x3, 19);
    a = f4(a, b, c, d, x4, 3);
    d = f4(d, a, b, c, x5, 7);
    c = f4(c, d, a, b, x6, 11);
    b = f4(b, c, d, a, x7, 19);
    a = f4(a, b, c, d, x8, 3);
    d = f4(d, a, b, c, x9, 7);
    c = f4(c, d, a, b, x10, 11);
    b = f4(b, c, d, a, x11, 19);
    a = f4(a, b, c, d, x12, 3);
    d = f4(d, a, b, c, x13, 7);
    c = f4(c, d, a, b, x14, 11);
    b = f4(b, c, d, a, x15, 19);

    a = g4(a, b, c, d, x0, 3);
    d = g4(d, a, b, c, x4, 5);
    c = g4(c, d, a, b, x8, 9);
    b = g4(b, c, d, a, x12, 13);
    a = g4(a, b, c, d, x1, 3);
    d = g4(d, a, b, c, x5, 5);
    c = g4(c, d, a, b, x9, 9);
    b = g4(b, c, d, a, x13, 13);
    a = g4(a, b, c, d, x2, 3);
    d = g4(d, a, b, c, x6, 5);
    c = g4(c, d, a, b, x10, 9);
    b = g4(b, c, d, a, x14, 13);
    a = g4(a, b, c, d, x3, 3);
    d = g4(d, a, b, c, x7, 5);
    c = g4(c, d, a, b, x11, 9);
    b = g4(b, c, d, a, x15, 13);

    a = h4(a, b, c, d, x0, 3);
    d = h4(d, a, b, c, x8, 9);
    c = h4(c, d, a, b, x4, 11);
    b = h4(b, c, d, a, x12, 15);
    a = h4(a, b, c, d, x2, 3);
    d = h4(d, a, b, c, x10, 9);
    c = h4(c, d, a, b, x6, 11);
    b = h4(b, c, d, a, x14, 15);
    a = h4(a, b, c, d, x1, 3);
    d = h4(d, a, b, c, x9, 9);
    c = h4(c, d, a, b, x5, 11);
    b = h4(b, c, d, a, x13, 15);
    a = h4(a, b, c, d, x3, 3);
    d = h4(d, a, b, c, x11, 9);
    c = h4(c, d, a, b, x7, 11);
    b = h4(b, c, d, a, x15, 15);

    a = i32x4.add(a, a0);
    b = i32x4.add(b, b0);
    c = i32x4.add(c, c0);
    d = i32x4.add(d, d0);
    p0 += 64;
    p1 += 64;
    p2 += 64;
    p3 += 64;
  }
  v128.store(STATE4, a);
  v128.store(STATE4, b, 16);
  v128.store(STATE4, c, 32);
  v128.store(STATE4, d, 48);
  v128.store(SUMS4, even);
  v128.store(SUMS4, odd, 16);
  v128.store(SUMS4, sums, 32);
}

/** Digests and plain sums of four messages of one size, to DIGESTS and LANE_SUMS. */
export function md4x4(p0: usize, p1: usize, p2: usize, p3: usize, size: u32): void {
  v128.store(STATE4, i32x4.splat(A));
  v128.store(STATE4, i32x4.splat(B), 16);
  v128.store(STATE4, i32x4.splat(C), 32);
  v128.store(STATE4, i32x4.splat(D), 48);
  memory.fill(SUMS4, 0, 48);
  absorb4(p0, p1, p2, p3, size >> 6);
  const whole = size & ~63;
  const rest = size & 63;
  storeLaneSums();
  if (rest == 0) {
    pad(ENDS, p0, 0, size);
    absorb4(ENDS, ENDS, ENDS, ENDS, 1);
  } else {
    const chunks = pad(ENDS, p0 + whole, rest, size);
    pad(ENDS + 128, p1 + whole, rest, size);
    pad(ENDS + 256, p2 + whole, rest, size);
    pad(ENDS + 384, p3 + whole, rest, size);
    absorb4(ENDS, ENDS + 128, ENDS + 256, ENDS + 384, chunks);
    for (let lane: usize = 0; lane < 4; lane++) addRest(LANE_SUMS + (lane << 2), ENDS + (lane << 7), rest);
  }
  const a = v128.load(STATE4);
  const b = v128.load(STATE4, 16);
  const c = v128.load(STATE4, 32);
  const d = v128.load(STATE4, 48);
  const ab0 = low(a, b);
  const ab1 = high(a, b);
  const cd0 = low(c, d);
  const cd1 = high(c, d);
  v128.store(DIGESTS, lowHalves(ab0, cd0));
  v128.store(DIGESTS, highHalves(ab0, cd0), 16);
  v128.store(DIGESTS, lowHalves(ab1, cd1), 32);
  v128.store(DIGESTS, highHalves(ab1, cd1), 48);
}

/**
 * With the words w = 0..W-1 of a message and its bytes b[w][0..3], `sums` holds the sum of (W - w) times each word's
 * bytes; s2 weighs byte j of word w with 4 (W - w) - j.
 */
function storeLaneSums(): void {
  const even = v128.load(SUMS4);
  const odd = v128.load(SUMS4, 16);
  const sums = v128.load(SUMS4, 32);
  const s1 = i16x8.add(even, odd);
  // In each 32-bit lane: low half bytes 0 and 1, high half bytes 2 and 3.
  const back = i16x8.add(odd, v128.and(i16x8.shl(s1, 1), i32x4.splat(0xffff0000)));
  const s2 = i16x8.sub(i16x8.shl(sums, 2), back);
  v128.store(LANE_SUMS, foldHalves(s1));
  v128.store(LANE_SUMS, foldHalves(s2), 16);
}

@inline
function foldHalves(x: v128): v128 {
  return v128.and(i16x8.add(x, i32x4.shr_u(x, 16)), i32x4.splat(0xffff));
}

/** Adds the bytes after the last whole chunk to a lane's sums. */
function addRest(lane: usize, p: usize, rest: u32): void {
  let s1 = load<u32>(lane);
  let s2 = load<u32>(lane, 16);
  for (let end = p + rest; p < end; p++) {
    s1 += load<u8>(p);
    s2 += s1;
  }
  store<u32>(lane, s1);
  store<u32>(lane, s2, 16);
}
