/** Rolls a rollsum window forward, eight positions at a time, until the index's filter lets one through. */
import { MIX, filter, filterShift, mayHold } from './index';
import { OFFSET, rollOne, s1, s2, setSums, weak } from './weak';

/** Filter addresses of four positions. */
const ADDRESSES: usize = memory.data(16, 16);

/** For each of four rolling sums whether the filter lets it through. */
@inline
function letThrough(sums: v128, base: v128, shift: u32): v128 {
  const mixed = i32x4.mul(sums, i32x4.splat(MIX));
  v128.store(ADDRESSES, i32x4.add(base, i32x4.shl(i32x4.shr_u(mixed, shift), 2)));
  let words = v128.load_zero<u32>(load<u32>(ADDRESSES));
  words = v128.load_lane<u32>(load<u32>(ADDRESSES, 4), words, 1);
  words = v128.load_lane<u32>(load<u32>(ADDRESSES, 8), words, 2);
  words = v128.load_lane<u32>(load<u32>(ADDRESSES, 12), words, 3);
  const bits = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
  const masks = v128.swizzle(bits, v128.and(sums, i8x16.splat(7)));
  return i32x4.eq(v128.and(words, masks), masks);
}

/** Running sums of eight 16-bit lanes. */
@inline
function runningSums(x: v128): v128 {
  const none = i16x8.splat(0);
  x = i16x8.add(x, v128.shuffle<i16>(none, x, 0, 8, 9, 10, 11, 12, 13, 14));
  x = i16x8.add(x, v128.shuffle<i16>(none, x, 0, 1, 8, 9, 10, 11, 12, 13));
  return i16x8.add(x, v128.shuffle<i16>(none, x, 0, 1, 2, 3, 8, 9, 10, 11));
}

/**
 * The window of `size` bytes is at `p` and known not to match. Moves it on by at least one byte, at most to `limit`,
 * and returns where it stopped: at the first position whose sum may be in the index, or at the limit.
 */
export function rollToCandidate(p: usize, size: u32, limit: usize): usize {
  const eachOut = i16x8.splat(<i16>size);
  const offset = i16x8.splat(<i16>(size * OFFSET));
  const steps = i16x8(1, 2, 3, 4, 5, 6, 7, 8);
  const base = i32x4.splat(<i32>filter);
  const shift = filterShift;
  let first = i16x8.splat(<i16>s1);
  let second = i16x8.splat(<i16>s2);
  while (p + 8 <= limit) {
    const out = v128.load_ext<u8>(p);
    const into = v128.load_ext<u8>(p + size);
    // s1 gains (into - out) at each step; s2 gains the new s1 less size * (out + OFFSET).
    const gain1 = runningSums(i16x8.sub(into, out));
    const gain2 = runningSums(i16x8.sub(i16x8.sub(gain1, i16x8.mul(out, eachOut)), offset));
    const firsts = i16x8.add(first, gain1);
    const seconds = i16x8.add(i16x8.add(second, i16x8.mul(first, steps)), gain2);
    const low = letThrough(v128.shuffle<i16>(firsts, seconds, 0, 8, 1, 9, 2, 10, 3, 11), base, shift);
    const high = letThrough(v128.shuffle<i16>(firsts, seconds, 4, 12, 5, 13, 6, 14, 7, 15), base, shift);
    if (v128.any_true(v128.or(low, high))) break;
    first = v128.shuffle<i16>(firsts, firsts, 7, 7, 7, 7, 7, 7, 7, 7);
    second = v128.shuffle<i16>(seconds, seconds, 7, 7, 7, 7, 7, 7, 7, 7);
    p += 8;
  }
  setSums(i16x8.extract_lane_u(first, 0), i16x8.extract_lane_u(second, 0));
  return rollSingly(p, size, limit);
}

/** The same byte by byte, for either kind of sum. */
export function rollSingly(p: usize, size: u32, limit: usize): usize {
  while (p < limit) {
    rollOne(p, size);
    p++;
    if (mayHold(weak())) break;
  }
  return p;
}
