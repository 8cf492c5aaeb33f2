/**
 * Finds matches. For each hash of four bytes there is a row with the places where it was seen last, which are compared
 * all at once and without a branch: guessing wrong costs a processor more than looking at a candidate in vain.
 *
 * | offset in a row | size | meaning                                                |
 * |-----------------|------|--------------------------------------------------------|
 * | 0               | 16   | low 16 bits of eight addresses, the nearest first      |
 * | 16              | 8    | 8 more bits of the hash for each                       |
 * | 24              | 8    | spare, so that no row lies across two lines of a cache |
 *
 * Memory holds no address that is not in the window or the chunk (memory.ts), and no more than eight places are looked
 * at: neither what was there before nor bytes made to collide can do harm.
 */
import { ROWS } from './memory';

const ROW_BITS: u32 = 13;
const TAGS: usize = ROWS + 16;
/** The longest match of deflate. */
export const MAX_LENGTH: u32 = 258;
/** What a search compares: a match that is so long has to be followed to its end. */
export const LONG: u32 = 16;
/** A search at a place so far from the end reads nothing behind it. */
export const MARGIN: usize = 20;

/** 0x8000 - distance of the eight places that were compared last: 16 bits each. */
export const NEARNESS: usize = memory.data(16, 16);

/** ROW_BITS bits that choose the row, above 8 bits of tag. */
@inline
export function hashOf(p: usize): u32 {
  return (load<u32>(p) * 0x9e3779b1) >>> (32 - 8 - ROW_BITS);
}

@inline
export function rowOf(hash: u32): usize {
  return (hash >>> 8) << 5;
}

/** A row's places with a new one in front. */
@inline
function pushed(place: v128, row: v128): v128 {
  return i8x16.shuffle(place, row, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
}

@inline
function insert(p: usize): void {
  const hash = hashOf(p);
  const row = rowOf(hash);
  v128.store(row, pushed(i16x8.splat(<i16>p), v128.load(row, ROWS)), ROWS);
  store<u64>(row, (load<u64>(row, TAGS) << 8) | (hash & 0xff), TAGS);
}

export function insertRange(p: usize, end: usize): void {
  for (; p < end; p++) insert(p);
}

/** The key of one candidate: how many bytes match, up to 16, << 16, and above 0x8000 - distance. */
@inline
function keyOf(now: v128, farthest: usize, near: u32): i32 {
  const same = i8x16.bitmask(i8x16.eq(v128.load(farthest + near), now));
  return (ctz<i32>(~same) << 16) | near;
}

/** Inserts `p`, and returns the best key among the places of its row. */
@inline
export function search(p: usize): u32 {
  const hash = hashOf(p);
  const row = rowOf(hash);
  const here = i16x8.splat(<i16>p);
  const places = v128.load(row, ROWS);
  v128.store(row, pushed(here, places), ROWS);
  const tags = load<u64>(row, TAGS);
  store<u64>(row, (tags << 8) | (hash & 0xff), TAGS);
  // Whether a byte of the tags equals this one's.
  const differing = tags ^ (<u64>(hash & 0xff) * 0x0101010101010101);
  if (((differing - 0x0101010101010101) & ~differing & 0x8080808080808080) == 0) return 0;

  // 0x8000 - distance. What is too far becomes distance 1, which is always there.
  const near = i16x8.min_u(
    i16x8.add(i16x8.sub(places, here), i16x8.splat(<i16>0x8000)),
    i16x8.splat(0x7fff),
  );
  v128.store(NEARNESS, near);
  const now = v128.load(p);
  const farthest = p - 0x8000;
  // A tree of comparisons: its result is there sooner than that of a row of them.
  const a = max<i32>(
    keyOf(now, farthest, i16x8.extract_lane_u(near, 0)),
    keyOf(now, farthest, i16x8.extract_lane_u(near, 1)),
  );
  const b = max<i32>(
    keyOf(now, farthest, i16x8.extract_lane_u(near, 2)),
    keyOf(now, farthest, i16x8.extract_lane_u(near, 3)),
  );
  const c = max<i32>(
    keyOf(now, farthest, i16x8.extract_lane_u(near, 4)),
    keyOf(now, farthest, i16x8.extract_lane_u(near, 5)),
  );
  const d = max<i32>(
    keyOf(now, farthest, i16x8.extract_lane_u(near, 6)),
    keyOf(now, farthest, i16x8.extract_lane_u(near, 7)),
  );
  return max<i32>(max<i32>(a, b), max<i32>(c, d));
}

/** The key of the longest match at `p`, which was searched last with the result that LONG bytes match somewhere. */
export function extend(p: usize, end: usize): u32 {
  const limit = min<usize>(end - p, MAX_LENGTH);
  const now = v128.load(p);
  const farthest = p - 0x8000;
  let best: u32 = 0;
  let longest: usize = LONG - 1;
  for (let i: usize = 0; i < 16; i += 2) {
    const near = <usize>load<u16>(i, NEARNESS);
    const there = farthest + near;
    if (load<u8>(there + longest) != load<u8>(p + longest)) continue;
    if (i8x16.bitmask(i8x16.eq(v128.load(there), now)) != 0xffff) continue;
    const length = matchLength(there, p, LONG, limit);
    if (length > longest) {
      longest = length;
      best = <u32>((length << 16) | near);
      if (length == limit) break;
    }
  }
  return best;
}

/** How many bytes are equal at `a` and `b`, of which the first `length` are known to be. */
@inline
export function matchLength(a: usize, b: usize, length: usize, limit: usize): usize {
  while (length + 8 <= limit) {
    const differing = load<u64>(a + length) ^ load<u64>(b + length);
    if (differing != 0) return length + <usize>(ctz<u64>(differing) >> 3);
    length += 8;
  }
  while (length < limit && load<u8>(a + length) == load<u8>(b + length)) length++;
  return length;
}
