/**
 * Finds matches at four neighbouring places at once, and takes what seems the best of them. For `fast`.
 *
 * For each hash of five bytes a table has the last address where it was seen. Which of the four places has a match, how
 * long it is and how many literals come before it is found out without a branch, because guessing wrong costs a processor
 * more than three candidates that are looked at in vain; and a better match one to three places later is found on the way.
 *
 * The literals are copied one behind the other, so that they can be counted all together, and written, without a look at
 * what stands between them.
 */
import { clearHistogram, countLiteral, countLiterals, SEGMENT, symbolBits } from './histogram';
import { ROWS, SEGMENT_AREA, WINDOW } from './memory';
import { MARGIN, matchLength, MAX_LENGTH } from './rows';
import { putLiterals, putSequence, sequencesEnd, setSequencesEnd } from './sequences';

/** Places that are searched at once: the hashes of five bytes at each lie in eight bytes. */
const GROUP: usize = 4;
const TABLE: usize = ROWS;
const TABLE_BITS: u32 = 15;
/** Of the window before a chunk, one place in so many goes into the table. */
const WINDOW_STEP: usize = 2;
/** No less than a group: a place must not find itself in the table. */
const MIN_LENGTH: u32 = 4;
/** What a search compares: a match that is so long has to be followed to its end. */
const LONG: usize = 16;
/** After so many bytes without a match, only some places are searched, ever fewer. */
const PATIENCE: usize = 256;
const SKIP_SHIFT: usize = 6;
const MAX_SKIP: usize = 127;
const SKIP_VARIES: u64 = 31;
/** Of noise, so many bytes are passed over before it is said again that it is noise. */
const NOISE_SEGMENT: usize = 0x4000;
/** What a block must save at least of every byte (block.ts) is not to be had above so many bits of it. */
const NOISE_BITS: f32 = 7.9375;
/** By so many bits a sample of noise seems to take too few: 255 / (2 ln 2). */
const SAMPLE_BITS: f32 = 184;
/** Three of 16 bytes that are 0 are hardly ever noise. */
const MOST_ZEROS: i32 = 2;
/** So many looks may meet something else in a segment of noise, as the header of a file in it: some 1300 bytes. */
const MOST_OTHERS: u32 = 12;
/** A match counts for as many of them: by chance noise has none, and where one is there are more. */
const MATCH_WEIGHT: u32 = 6;
/** A chunk seems to begin with noise if so many looks, with so many bytes between them, meet nothing else. */
const FIRST_LOOKS: usize = 16;
const FIRST_STEP: usize = 256;
/** What is looked at of each place. */
const LOOK: usize = 16;
/** All looks together take at least so many bits, 6.95 a byte: so few bytes of noise seem to take some 7.18. */
const FIRST_BITS: f32 = 1779;
/** `WINDOW_STEP`, if it does. */
const NOISE_WINDOW_STEP: usize = 64;

/**
 * A key is worth | 3 - place in the group | address of the candidate, from the highest bits on. The table has keys
 * without the address, 0 for too short a match: 17 lengths for each place in the group.
 */
const KEYS: usize = memory.data(4 * 17 * 4, 16);
const ADDRESS_BITS: u32 = 22;
const WORTH_SHIFT: u32 = ADDRESS_BITS + 2;

/** The literals of the block under way. */
export const LITERALS: usize = SEGMENT_AREA;
/** Where the next literal goes. */
export let literalsEnd: usize = 0;
/** The end of the last match. */
let quietFrom: usize = 0;

export function fillKeys(): void {
  for (let i: u32 = 0; i < 4; i++) {
    for (let length: u32 = MIN_LENGTH; length <= <u32>LONG; length++) {
      // A literal before a match is worth half a byte of it.
      const key = ((2 * length + 3 - i) << WORTH_SHIFT) | ((3 - i) << ADDRESS_BITS);
      store<u32>(KEYS + <usize>((i * 17 + length) << 2), key);
    }
  }
}

/** The slot for the five bytes from byte `i` of `word` on. */
@inline
function slotOf(word: u64, i: u64): usize {
  return TABLE + (<usize>((((word >> (8 * i)) << 24) * 0x9e3779b185ebca87) >>> (64 - TABLE_BITS)) << 2);
}

@inline
function insert(p: usize): void {
  store<u32>(slotOf(load<u64>(p), 0), <u32>p);
}

/** Whether 16 bytes seem to be text, or have a gap: noise does not. */
@inline
function isOther(bytes: v128): bool {
  const zeros = popcnt<i32>(i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0))));
  return i8x16.bitmask(bytes) == 0 || zeros > MOST_ZEROS;
}

function beginsWithNoise(p: usize, end: usize): bool {
  if (p + FIRST_LOOKS * FIRST_STEP > end) return false;
  clearHistogram(SEGMENT);
  for (let i: usize = 0; i < FIRST_LOOKS; i++) {
    const at = p + i * FIRST_STEP;
    if (isOther(v128.load(at))) return false;
    for (let j: usize = 0; j < LOOK; j++) countLiteral(at + j);
  }
  return symbolBits(SEGMENT) > FIRST_BITS;
}

/** A chunk from `p` to `end` begins. Returns whether `passNoise` should have a look at it first. */
export function openQuick(p: usize, end: usize): bool {
  // Whatever the table holds is an address before the place that is searched.
  for (let at = TABLE; at < TABLE + (4 << TABLE_BITS); at += 16) v128.store(at, i32x4.splat(<i32>WINDOW));
  const isNoise = beginsWithNoise(p, end);
  const step = isNoise ? NOISE_WINDOW_STEP : WINDOW_STEP;
  for (let before = WINDOW; before < p; before += step) insert(before);
  quietFrom = p;
  literalsEnd = LITERALS;
  return isNoise;
}

/** Forgets the literals up to `from`: a new block begins there. */
export function dropLiterals(from: usize): void {
  memory.copy(LITERALS, from, literalsEnd - from);
  literalsEnd = LITERALS + (literalsEnd - from);
}

/** Inserts the place `i` bytes behind `p`, and returns the key of what was there before, but nothing before `least`. */
@inline
function search(p: usize, word: u64, i: u64, least: usize): u32 {
  const here = p + <usize>i;
  const slot = slotOf(word, i);
  const there = max<usize>(load<u32>(slot), least);
  store<u32>(slot, <u32>here);
  const same = i8x16.bitmask(i8x16.eq(v128.load(there), v128.load(here)));
  return load<u32>(KEYS + <usize>(17 * 4 * i) + (<usize>ctz<u32>(~same) << 2)) | <u32>there;
}

/** Like `parseBalanced` (lazy.ts), with less effort; leaves the literals at LITERALS. */
export function parseQuick(p: usize, stop: usize, end: usize): usize {
  let at = sequencesEnd;
  let literals = literalsEnd;
  const countFrom = literals;
  let literalsFrom = literals;
  let quiet = quietFrom;
  // Nothing is before it.
  if (p == WINDOW) store<u8>(literals++, load<u8>(p++));
  const last = min<usize>(stop, end - min<usize>(MARGIN, end));
  while (p < last) {
    const word = load<u64>(p);
    store<u32>(literals, <u32>word);
    // For all four the same, so that it fits the last.
    const least = max<usize>(p + (GROUP - 1) - 0x8000, WINDOW);
    const best = max<u32>(
      max<u32>(search(p, word, 0, least), search(p, word, 1, least)),
      max<u32>(search(p, word, 2, least), search(p, word, 3, least)),
    );
    if (best < 1 << WORTH_SHIFT) {
      p += GROUP;
      literals += GROUP;
      if (p - quiet > PATIENCE) {
        // The bytes decide, too: steps of one size would never meet those that passed over the same bytes before.
        const skip = min<usize>((p - quiet) >> SKIP_SHIFT, MAX_SKIP) ^ <usize>(word & SKIP_VARIES);
        const to = min<usize>(p + skip, last);
        if (to > p) {
          memory.copy(literals, p, to - p);
          literals += to - p;
          p = to;
        }
      }
      continue;
    }
    const before = <usize>(3 - ((best >> ADDRESS_BITS) & 3));
    p += before;
    literals += before;
    const distance = <u32>p - (best & ((1 << ADDRESS_BITS) - 1));
    let length = (<usize>(best >> WORTH_SHIFT) - 3 + before) >> 1;
    if (length == LONG) length = matchLength(p - distance, p, LONG, min<usize>(end - p, MAX_LENGTH));
    putSequence(at, <u32>(literals - literalsFrom), <u32>length, distance - 1);
    at += 8;
    p += length;
    quiet = p;
    literalsFrom = literals;
    insert(p - 1);
    insert(p - 2);
    insert(p - 3);
  }
  if (p < stop && stop == end) {
    memory.copy(literals, p, end - p);
    literals += end - p;
    p = end;
  }
  if (literals > literalsFrom) {
    putLiterals(at, <u32>(literals - literalsFrom));
    at += 8;
  }
  countLiterals(countFrom, literals);
  literalsEnd = literals;
  quietFrom = quiet;
  setSequencesEnd(at);
  return p;
}

/** Whether four places from `p` on have no match that is worth a look. They go into the table then. */
@inline
function isQuiet(p: usize, word: u64): bool {
  const least = max<usize>(p + (GROUP - 1) - 0x8000, WINDOW);
  let hasMatch = false;
  for (let i: u64 = 0; i < GROUP; i++) {
    const there = max<usize>(load<u32>(slotOf(word, i)), least);
    // An empty slot has the address of the window, which is that of the first place of all.
    hasMatch = hasMatch || (there < p && load<u32>(there) == load<u32>(p + <usize>i));
  }
  if (hasMatch) return false;
  for (let i: u64 = 0; i < GROUP; i++) store<u32>(slotOf(word, i), <u32>(p + <usize>i));
  return true;
}

/**
 * Passes over noise with a look here and there, and returns where it may end. Nothing of it is parsed, copied or counted:
 * it is to be stored as it is, and so is the little that stands in the middle of it.
 */
export function passNoise(p: usize, end: usize): usize {
  const from = p;
  const last = end - min<usize>(MARGIN, end);
  while (p < last) {
    const stop = min<usize>(p + NOISE_SEGMENT, last);
    clearHistogram(SEGMENT);
    let seen: u32 = 0;
    let others: u32 = 0;
    while (p < stop) {
      const word = load<u64>(p);
      const other = isOther(v128.load(p));
      if (other || !isQuiet(p, word)) {
        others += other ? 1 : MATCH_WEIGHT;
        if (p == from || others > MOST_OTHERS) return p;
      } else {
        for (let i: usize = 0; i < 8; i++) countLiteral(p + i);
        seen += 8;
      }
      p += GROUP + (MAX_SKIP ^ <usize>(word & SKIP_VARIES));
    }
    if (symbolBits(SEGMENT) + SAMPLE_BITS < NOISE_BITS * <f32>seen) return min<usize>(p, end);
  }
  return end;
}

/** What was passed over is no part of a block: the next begins at `p`. */
export function dropAllLiterals(p: usize): void {
  literalsEnd = LITERALS;
  quietFrom = p;
}
