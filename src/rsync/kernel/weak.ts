/**
 * The two rolling sums of librsync: "rollsum" (two 16-bit sums, as Adler) and RabinKarp (a polynomial modulo
 * 2^32).
 */

/** Added to every byte of a rollsum. */
export const OFFSET: u32 = 31;

const RK_BASE: u32 = 0x08104225;
const RK_INVERSE: u32 = 0x98f009ad;
/** RK_BASE - 1: takes the seed of 1 along as the window rolls. */
const RK_ADJUST: u32 = 0x08104224;

/** Which of the two the sums below are. */
let rabinKarp: bool = false;

/** The window's state: rollsum uses s1 and s2; RabinKarp keeps its hash in s1 and RK_BASE^size in s2. */
export let s1: u32 = 0;
export let s2: u32 = 0;

export function chooseWeak(useRabinKarp: bool): void {
  rabinKarp = useRabinKarp;
}

export function setSums(first: u32, second: u32): void {
  s1 = first;
  s2 = second;
}

/** The 32-bit sum of the window. */
@inline
export function weak(): u32 {
  return rabinKarp ? s1 : ((s2 << 16) | (s1 & 0xffff));
}

/** A rollsum from sums that lack the character offset. */
@inline
export function withOffset(plain1: u32, plain2: u32, size: u32): u32 {
  const first = plain1 + size * OFFSET;
  const second = plain2 + <u32>(((<u64>size * (<u64>size + 1)) >> 1) * OFFSET);
  return (second << 16) | (first & 0xffff);
}

/** Sets the window to `size` bytes at `p`. */
export function sumWindow(p: usize, size: u32): void {
  if (rabinKarp) {
    sumRabinKarp(p, size);
  } else {
    const sum = rollsum(p, size);
    s1 = sum & 0xffff;
    s2 = sum >> 16;
  }
}

function sumRabinKarp(p: usize, size: u32): void {
  let hash: u32 = 1;
  let power: u32 = 1;
  for (const end = p + size; p < end; p++) {
    hash = hash * RK_BASE + load<u8>(p);
    power *= RK_BASE;
  }
  s1 = hash;
  s2 = power;
}

/** The rollsum of `size` bytes at `p`. */
export function rollsum(p: usize, size: u32): u32 {
  const end = p + size;
  const wholeEnd = p + (size & ~15);
  const bytes = i16x8.splat(0xff);
  let even = i16x8.splat(0);
  let odd = i16x8.splat(0);
  let sums = i16x8.splat(0);
  for (; p < wholeEnd; p += 16) {
    const x = v128.load(p);
    even = i16x8.add(even, v128.and(x, bytes));
    odd = i16x8.add(odd, i16x8.shr_u(x, 8));
    sums = i16x8.add(sums, i16x8.add(even, odd));
  }
  // Byte j of row r of R weighs 16 (R - r) - j.
  const back = i16x8.add(
    i16x8.mul(even, i16x8(0, 2, 4, 6, 8, 10, 12, 14)),
    i16x8.mul(odd, i16x8(1, 3, 5, 7, 9, 11, 13, 15)),
  );
  let first = fold(i16x8.add(even, odd));
  let second = fold(i16x8.sub(i16x8.shl(sums, 4), back));
  for (; p < end; p++) {
    first += load<u8>(p);
    second += first;
  }
  return withOffset(first, second, size);
}

/** The sum of eight 16-bit lanes, modulo 2^16. */
function fold(x: v128): u32 {
  let y = i16x8.add(x, v128.shuffle<i64>(x, x, 1, 0));
  y = i16x8.add(y, v128.shuffle<i32>(y, y, 1, 0, 3, 2));
  const pair = <u32>i32x4.extract_lane(y, 0);
  return (pair + (pair >> 16)) & 0xffff;
}

/** Moves the window of `size` bytes at `p` on by one byte. */
@inline
export function rollOne(p: usize, size: u32): void {
  const out = <u32>load<u8>(p);
  const into = <u32>load<u8>(p + size);
  if (rabinKarp) {
    s1 = s1 * RK_BASE + into - s2 * (out + RK_ADJUST);
  } else {
    s1 += into - out;
    s2 += s1 - size * (out + OFFSET);
  }
}

/** Drops the first byte of the window of `size` bytes at `p`. */
@inline
export function dropFirst(p: usize, size: u32): void {
  const out = <u32>load<u8>(p);
  if (rabinKarp) {
    s2 *= RK_INVERSE;
    s1 -= s2 * (out + RK_ADJUST);
  } else {
    s1 -= out + OFFSET;
    s2 -= size * (out + OFFSET);
  }
}
