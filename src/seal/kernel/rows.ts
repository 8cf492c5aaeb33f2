/**
 * Balanced match finder: for each hash of four bytes a row of the eight places where it was seen last, compared at once.
 */
import { countLiteral, countLiterals, uncountLiteral } from './histogram';
import { ROWS, WINDOW } from './memory';
import { putLiterals, putSequence, sequencesEnd, setSequencesEnd } from './sequences';

const ROW_BITS: u32 = 13;
const MAX_LENGTH: u32 = 258;
const NICE: u32 = 32;
const SKIP_SHIFT: u32 = 7;
/** The distances of a row, for `extend`. */
const SCRATCH: usize = memory.data(16, 16);

/** The end of the last match. */
let quietFrom: usize = 0;

export function openRows(p: usize): void {
  quietFrom = p;
}

/** Where the row of a hash is. The hash has ROW_BITS bits of row above 8 bits of tag. */
@inline
function rowOf(hash: u32): usize {
  return (hash >>> 8) << 5;
}

@inline
function hashOf(p: usize): u32 {
  return (load<u32>(p) * 0x9e3779b1) >>> (32 - 8 - ROW_BITS);
}

@inline
function insert(p: usize): void {
  const hash = hashOf(p);
  const row = rowOf(hash);
  const held = v128.load(row, ROWS);
  v128.store(row, i8x16.shuffle(i16x8.splat(<i16>p), held, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29), ROWS);
  store<u64>(row, (load<u64>(row, ROWS + 16) << 8) | (hash & 0xff), ROWS + 16);
}

export function insertRange(p: usize, end: usize): void {
  for (; p < end; p++) insert(p);
}

/** A candidate `less + 1` back: the bytes that match, up to 16, << 16, minus `less`. */
@inline
function keyOf(now: v128, before: usize, less: u32): i32 {
  const same = i8x16.bitmask(i8x16.eq(v128.load(before - less), now));
  return (ctz<i32>(~same) << 16) - <i32>less;
}

/** Inserts `p` and returns the key of the longest match there. */
@inline
function search(p: usize, end: usize): i32 {
  const hash = hashOf(p);
  const row = rowOf(hash);
  const here = i16x8.splat(<i16>p);
  const held = v128.load(row, ROWS);
  v128.store(row, i8x16.shuffle(here, held, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29), ROWS);
  const tags = load<u64>(row, ROWS + 16);
  store<u64>(row, (tags << 8) | (hash & 0xff), ROWS + 16);
  const differing = tags ^ (<u64>(hash & 0xff) * 0x0101010101010101);
  if (((differing - 0x0101010101010101) & ~differing & 0x8080808080808080) == 0) return 0;
  // Distances - 1. What is too far becomes distance 1, which is always there.
  const less = i16x8.max_s(i16x8.sub(i16x8.sub(here, held), i16x8.splat(1)), i16x8.splat(0));
  const now = v128.load(p);
  const before = p - 1;
  // A tree of comparisons: shorter to wait for than a row of them.
  const a = max<i32>(
    keyOf(now, before, i16x8.extract_lane_u(less, 0)),
    keyOf(now, before, i16x8.extract_lane_u(less, 1)),
  );
  const b = max<i32>(
    keyOf(now, before, i16x8.extract_lane_u(less, 2)),
    keyOf(now, before, i16x8.extract_lane_u(less, 3)),
  );
  const c = max<i32>(
    keyOf(now, before, i16x8.extract_lane_u(less, 4)),
    keyOf(now, before, i16x8.extract_lane_u(less, 5)),
  );
  const d = max<i32>(
    keyOf(now, before, i16x8.extract_lane_u(less, 6)),
    keyOf(now, before, i16x8.extract_lane_u(less, 7)),
  );
  let best = max<i32>(max<i32>(a, b), max<i32>(c, d));
  if (best > (15 << 16)) {
    v128.store(SCRATCH, less);
    best = extend(p, end);
  }
  return best;
}

/** The key of the longest match among the places in SCRATCH, one of which is 16 bytes long at least. */
function extend(p: usize, end: usize): i32 {
  const limit = min<usize>(end - p, MAX_LENGTH);
  const now = v128.load(p);
  let best: i32 = 0;
  let longest: usize = 15;
  for (let i: usize = 0; i < 16; i += 2) {
    const less = <usize>load<u16>(SCRATCH + i);
    const there = p - 1 - less;
    if (load<u8>(there + longest) != load<u8>(p + longest)) continue;
    if (i8x16.bitmask(i8x16.eq(v128.load(there), now)) != 0xffff) continue;
    const length = matchLength(there, p, 16, limit);
    if (length > longest) {
      longest = length;
      best = <i32>((length << 16) - less);
      if (length >= limit) break;
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

/** Parses from `p` until `stop` or a little further, never past `end`; returns where it stopped. */
export function parseRows(p: usize, stop: usize, end: usize): usize {
  let at = sequencesEnd;
  let literalsFrom = p;
  if (p == WINDOW) countLiteral(p++);
  let quiet = quietFrom;
  const last = min<usize>(stop, end > 20 ? end - 20 : 0);
  while (p < last) {
    const key = search(p, end);
    let length = <u32>(key + 0xffff) >> 16;
    let less = (length << 16) - key;
    if (length < 4) {
      countLiteral(p);
      p++;
      const skip = (p - quiet) >> SKIP_SHIFT;
      if (skip > 0) {
        const to = min<usize>(p + min<usize>(skip, 63), last);
        if (to > p) {
          countLiterals(p, to);
          p = to;
        }
      }
      continue;
    }
    let inserted = p + 1;
    if (length < NICE) {
      while (p + 1 < last) {
        const nextKey = search(p + 1, end);
        inserted = p + 2;
        const nextLength = <u32>(nextKey + 0xffff) >> 16;
        const nextLess = (nextLength << 16) - nextKey;
        if (nextLength < length) break;
        const gain = 4 * (<i32>nextLength - <i32>length) + (<i32>clz<u32>(nextLess + 1) - <i32>clz<u32>(less + 1));
        if (gain <= 2) break;
        countLiteral(p);
        p++;
        length = nextLength;
        less = nextLess;
        if (length >= NICE) break;
      }
    }
    putSequence(at, <u32>(p - literalsFrom), length, less);
    at += 8;
    p += length;
    quiet = p;
    literalsFrom = p;
    insertRange(inserted, min<usize>(p, end - 3));
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
