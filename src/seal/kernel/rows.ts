/**
 * Balanced match finder: for each hash of four bytes a row of the eight places where it was seen last, compared at once.
 */
import { countLiteral, countLiterals, uncountLiteral } from './histogram';
import { ROWS, WINDOW } from './memory';
import { putLiterals, putSequence, sequencesEnd, setSequencesEnd } from './sequences';

const ROW_BITS: u32 = 14;
const MAX_LENGTH: u32 = 258;
const MIN_LENGTH: i32 = 4;
const SKIP_SHIFT: u32 = 9;
/** The distances of a row, for `extend`. */
const SCRATCH: usize = memory.data(16, 16);

/** The end of the last match. */
let quietFrom: usize = 0;

export function openRows(p: usize): void {
  quietFrom = p;
}

@inline
function rowOf(p: usize): usize {
  return ROWS + (<usize>((load<u32>(p) * 0x9e3779b1) >>> (32 - ROW_BITS)) << 4);
}

@inline
function insert(p: usize): void {
  const row = rowOf(p);
  const held = v128.load(row);
  v128.store(row, i8x16.shuffle(i16x8.splat(<i16>p), held, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29));
}

export function insertRange(p: usize, end: usize): void {
  for (; p < end; p++) insert(p);
}

/** What a candidate `0x8000 - near` back is worth: the bytes that match, up to 16, << 16, plus `near`. */
@inline
function keyOf(now: v128, farthest: usize, near: u32): i32 {
  const same = i8x16.bitmask(i8x16.eq(v128.load(farthest + near), now));
  return (ctz<i32>(~same) << 16) | <i32>near;
}

/** How near the places of a row are to `here`: 0x8000 - distance. What is too far becomes distance 1, which is always there. */
@inline
function nearness(here: v128, held: v128): v128 {
  return i16x8.min_u(i16x8.add(i16x8.sub(held, here), i16x8.splat(<i16>0x8000)), i16x8.splat(0x7fff));
}

/** Inserts `p` and returns the key of the longest match there. */
@inline
function search(p: usize): i32 {
  const row = rowOf(p);
  const here = i16x8.splat(<i16>p);
  const held = v128.load(row);
  v128.store(row, i8x16.shuffle(here, held, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29));
  const near = nearness(here, held);
  const now = v128.load(p);
  const farthest = p - 0x8000;
  const x = i64x2.extract_lane(near, 0);
  const y = i64x2.extract_lane(near, 1);
  // A tree of comparisons: shorter to wait for than a row of them.
  const a = max<i32>(
    keyOf(now, farthest, <u32>x & 0xffff),
    keyOf(now, farthest, <u32>(x >>> 16) & 0xffff),
  );
  const b = max<i32>(
    keyOf(now, farthest, <u32>(x >>> 32) & 0xffff),
    keyOf(now, farthest, <u32>(x >>> 48)),
  );
  const c = max<i32>(
    keyOf(now, farthest, <u32>y & 0xffff),
    keyOf(now, farthest, <u32>(y >>> 16) & 0xffff),
  );
  const d = max<i32>(
    keyOf(now, farthest, <u32>(y >>> 32) & 0xffff),
    keyOf(now, farthest, <u32>(y >>> 48)),
  );
  return max<i32>(max<i32>(a, b), max<i32>(c, d));
}

/** What a match saves, about, in quarters of a byte; 0 for one that is too short. */
@inline
function scoreOf(key: i32): i32 {
  return select<i32>((key >> 16) * 4 + clz<i32>(0x8000 - (key & 0xffff)), 0, key >= MIN_LENGTH << 16);
}

/** The key of the longest match for `p`, which was inserted already; 16 bytes match at one place at least. */
function extend(p: usize, end: usize): i32 {
  const limit = min<usize>(end - p, MAX_LENGTH);
  v128.store(SCRATCH, nearness(i16x8.splat(<i16>p), v128.load(rowOf(p))));
  const now = v128.load(p);
  const farthest = p - 0x8000;
  let best: i32 = 0;
  let longest: usize = 15;
  for (let i: usize = 0; i < 16; i += 2) {
    const near = <usize>load<u16>(SCRATCH + i);
    const there = farthest + near;
    if (load<u8>(there + longest) != load<u8>(p + longest)) continue;
    if (i8x16.bitmask(i8x16.eq(v128.load(there), now)) != 0xffff) continue;
    const length = matchLength(there, p, 16, limit);
    if (length > longest) {
      longest = length;
      best = <i32>((length << 16) | near);
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
  let quiet = quietFrom;
  if (p == WINDOW) countLiteral(p++);
  const last = min<usize>(stop, end > 20 ? end - 20 : 0);
  if (p < last) {
    let key = search(p);
    let score = scoreOf(key);
    do {
      const nextKey = search(p + 1);
      const nextScore = scoreOf(nextKey);
      let length = <u32>key >> 16;
      if (<i32>(score == 0) | (<i32>(nextScore > score + 2) & <i32>(length < 16))) {
        countLiteral(p);
        p++;
        key = nextKey;
        score = nextScore;
        const skip = (p - quiet) >> SKIP_SHIFT;
        if (skip > 0) {
          const to = min<usize>(p + min<usize>(skip, 63), last);
          if (to > p) {
            countLiterals(p, to);
            p = to;
            key = search(p);
            score = scoreOf(key);
          }
        }
      } else {
        if (length >= 16) {
          key = extend(p, end);
          length = <u32>key >> 16;
        }
        putSequence(at, <u32>(p - literalsFrom), length, 0x7fff - (key & 0xffff));
        at += 8;
        const inserted = p + 2;
        p += length;
        quiet = p;
        literalsFrom = p;
        insertRange(inserted, min<usize>(p, end - 3));
        key = search(p);
        score = scoreOf(key);
      }
    } while (p < last);
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
