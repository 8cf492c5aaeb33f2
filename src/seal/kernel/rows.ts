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
import { countLiteral, countLiterals, uncountLiteral } from './histogram';
import { ROWS, WINDOW } from './memory';
import { putLiterals, putSequence, sequencesEnd, setSequencesEnd } from './sequences';

const ROW_BITS: u32 = 13;
const TAGS: usize = ROWS + 16;
const MIN_LENGTH: u32 = 4;
const MAX_LENGTH: u32 = 258;
/** What a search compares: a match that is so long is taken, and then followed to its end. */
const LONG: u32 = 16;
/** A search may read so far. */
const MARGIN: usize = 20;
/** After so many bytes without a match, only some places are searched, ever fewer. */
const PATIENCE: usize = 2048;
const SKIP_SHIFT: usize = 7;
const MAX_SKIP: usize = 127;

/** 0x8000 - distance of the places that were compared last, for `extend`. */
const NEARNESS: usize = memory.data(16, 16);

/** The end of the last match. */
let quietFrom: usize = 0;

export function openRows(p: usize): void {
  quietFrom = p;
}

/** ROW_BITS bits that choose the row, above 8 bits of tag. */
@inline
function hashOf(p: usize): u32 {
  return (load<u32>(p) * 0x9e3779b1) >>> (32 - 8 - ROW_BITS);
}

@inline
function rowOf(hash: u32): usize {
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

/** Inserts `p`, and returns the best key among the first `width` places of its row: 2, 4 or 8. */
@inline
function search(p: usize, width: u32): u32 {
  const hash = hashOf(p);
  const row = rowOf(hash);
  const here = i16x8.splat(<i16>p);
  const places = v128.load(row, ROWS);
  v128.store(row, pushed(here, places), ROWS);
  const tags = load<u64>(row, TAGS);
  store<u64>(row, (tags << 8) | (hash & 0xff), TAGS);
  // Whether a byte of the tags equals this one's.
  const differing = tags ^ (<u64>(hash & 0xff) * 0x0101010101010101);
  const highBits = <u64>0x8080808080808080 >> (64 - 8 * width);
  if (((differing - 0x0101010101010101) & ~differing & highBits) == 0) return 0;

  // 0x8000 - distance. What is too far becomes distance 1, which is always there.
  const near = i16x8.min_u(
    i16x8.add(i16x8.sub(places, here), i16x8.splat(<i16>0x8000)),
    i16x8.splat(0x7fff),
  );
  v128.store(NEARNESS, near);
  const now = v128.load(p);
  const farthest = p - 0x8000;
  // A tree of comparisons: its result is there sooner than that of a row of them.
  let best = max<i32>(
    keyOf(now, farthest, i16x8.extract_lane_u(near, 0)),
    keyOf(now, farthest, i16x8.extract_lane_u(near, 1)),
  );
  if (width > 2) {
    const b = max<i32>(
      keyOf(now, farthest, i16x8.extract_lane_u(near, 2)),
      keyOf(now, farthest, i16x8.extract_lane_u(near, 3)),
    );
    best = max<i32>(best, b);
  }
  if (width > 4) {
    const c = max<i32>(
      keyOf(now, farthest, i16x8.extract_lane_u(near, 4)),
      keyOf(now, farthest, i16x8.extract_lane_u(near, 5)),
    );
    const d = max<i32>(
      keyOf(now, farthest, i16x8.extract_lane_u(near, 6)),
      keyOf(now, farthest, i16x8.extract_lane_u(near, 7)),
    );
    best = max<i32>(best, max<i32>(c, d));
  }
  return best;
}

/** The key of the longest match at `p`, which was searched last with the result that LONG bytes match somewhere. */
function extend(p: usize, end: usize): u32 {
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

@inline
function matchLength(a: usize, b: usize, length: usize, limit: usize): usize {
  while (length + 8 <= limit) {
    const differing = load<u64>(a + length) ^ load<u64>(b + length);
    if (differing != 0) return length + <usize>(ctz<u64>(differing) >> 3);
    length += 8;
  }
  while (length < limit && load<u8>(a + length) == load<u8>(b + length)) length++;
  return length;
}

/** Whether the match of `nextKey`, a byte later, is so much better that a literal before it pays. */
@inline
function isWorthALiteral(nextKey: u32, key: u32): bool {
  const longer = <i32>(nextKey >> 16) - <i32>(key >> 16);
  const nearer = clz<i32>(0x8000 - (nextKey & 0xffff)) - clz<i32>(0x8000 - (key & 0xffff));
  return longer >= 0 && 4 * longer + nearer > 2;
}

/** Inserts what a match covers; of a long one, its ends: a repetition begins there, most often. */
@inline
function insertMatch(p: usize, end: usize, head: usize, tail: usize): void {
  if (p + head + tail < end) {
    insertRange(p, p + head);
    p = end - tail;
  }
  insertRange(p, end);
}

/**
 * Parses from `p` until `stop` or a little further, never past `end`; leaves sequences and SEGMENT's counts, and returns
 * where it stopped.
 */
@inline
function parse(p: usize, stop: usize, end: usize, isLazy: bool, width: u32, head: usize, tail: usize): usize {
  let at = sequencesEnd;
  let literalsFrom = p;
  let quiet = quietFrom;
  // Nothing is before it.
  if (p == WINDOW) countLiteral(p++);
  const last = min<usize>(stop, end - min<usize>(MARGIN, end));
  while (p < last) {
    let key = search(p, width);
    if (key < MIN_LENGTH << 16) {
      countLiteral(p);
      p++;
      if (p - quiet > PATIENCE) {
        const to = min<usize>(p + min<usize>((p - quiet) >> SKIP_SHIFT, MAX_SKIP), last);
        if (to > p) {
          countLiterals(p, to);
          p = to;
        }
      }
      continue;
    }
    let inserted = p + 1;
    if (isLazy) {
      while (key < LONG << 16 && p + 1 < last) {
        const nextKey = search(p + 1, width);
        inserted = p + 2;
        if (!isWorthALiteral(nextKey, key)) break;
        countLiteral(p);
        p++;
        key = nextKey;
      }
    }
    if (key >= LONG << 16) key = extend(p, end);
    const length = key >> 16;
    putSequence(at, <u32>(p - literalsFrom), length, 0x7fff - (key & 0xffff));
    at += 8;
    p += length;
    quiet = p;
    literalsFrom = p;
    insertMatch(inserted, min<usize>(p, end - 3), head, tail);
  }
  if (p < stop && stop == end) {
    countLiterals(p, end);
    p = end;
  }
  if (p > literalsFrom) {
    putLiterals(at, <u32>(p - literalsFrom));
    at += 8;
  }
  quietFrom = quiet;
  setSequencesEnd(at);
  return p;
}

export function parseFast(p: usize, stop: usize, end: usize): usize {
  return parse(p, stop, end, false, 4, 2, 2);
}

export function parseBalanced(p: usize, stop: usize, end: usize): usize {
  return parse(p, stop, end, true, 8, 12, 8);
}
