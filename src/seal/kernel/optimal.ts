/**
 * Parses a segment so that it takes the fewest bits: finds the matches at every place, then goes backwards and takes at
 * each place what makes the way to the end cheapest. What symbols cost is estimated from those the block has so far, and
 * once more from those of the first attempt. For `small`.
 */
import { distanceExtra } from './block';
import { addUp, BLOCK, BOTH, clearHistogram, countLiteral, DISTANCES, log2, SEGMENT } from './histogram';
import { SEGMENT_AREA, SHORTS, SHORTS_SIZE, WINDOW } from './memory';
import { insertRange, MARGIN, matchLength, MAX_LENGTH, NEARNESS, search } from './rows';
import {
  LENGTH_EXTRA,
  LENGTH_SYMBOLS,
  putLiterals,
  putSequence,
  sequencesEnd,
  setSequencesEnd,
  symbolOfDistance,
} from './sequences';

/** Longest segment, with what the last match may reach beyond it. */
const PLACES: usize = 0x2000 + 260;
/** For each place up to nine matches, longer and farther one by one: length << 16 | distance - 1; then 0. */
const MATCHES_SIZE: usize = 40;
const MATCHES: usize = SEGMENT_AREA;
/** For each place the price of all that follows, << 9. */
const COSTS: usize = MATCHES + PLACES * MATCHES_SIZE;
/** For each place the best choice: like a match, or length 1 for a literal. */
const CHOICES: usize = COSTS + PLACES * 4;

/** Prices in sixteenths of a bit, << 9. Lengths have themselves in the low 9 bits. */
const LITERAL_PRICES: usize = memory.data(256 * 4, 16);
const LENGTH_PRICES: usize = memory.data(264 * 4, 16);
const DISTANCE_PRICES: usize = memory.data(32 * 4, 16);
/** Prices by symbol, before extra bits. */
const SYMBOL_PRICES: usize = memory.data(320 * 4, 16);
const NEVER: u32 = 0x80000000;
const ATTEMPTS: i32 = 2;

const MIN_LENGTH: usize = 3;
/** Of a match that is so long, the inside is not searched. */
const LONG_ENOUGH: usize = 64;

@inline
function shortOf(p: usize): usize {
  return SHORTS + ((((load<u32>(p) << 8) * 0x9e3779b1) >>> 17) << 1);
}

function insertShorts(p: usize, end: usize): void {
  for (; p < end; p++) store<u16>(shortOf(p), <u16>p);
}

/** A chunk begins at `p`; the window before it was inserted into the rows. */
export function openOptimal(p: usize): void {
  memory.fill(SHORTS, 0, SHORTS_SIZE);
  insertShorts(WINDOW, p);
}

/** Notes the matches at `p` and returns the length of the longest. */
function findMatches(p: usize, notes: usize, end: usize): usize {
  const limit = min<usize>(end - p, MAX_LENGTH);
  let longest: usize = MIN_LENGTH - 1;
  const short = shortOf(p);
  const less = <usize>((<u32>p - 1 - load<u16>(short)) & 0xffff);
  store<u16>(short, <u16>p);
  if (less < 0x8000) {
    const length = matchLength(p - 1 - less, p, 0, limit);
    // Far away, three literals are cheaper.
    if (length > longest && (length > 3 || less < 0x1000)) {
      store<u32>(notes, <u32>((length << 16) | less));
      notes += 4;
      longest = length;
    }
  }
  if (search(p) != 0) {
    for (let i: usize = 0; i < 16 && longest < limit; i += 2) {
      const less: usize = 0x7fff - load<u16>(i, NEARNESS);
      const there = p - 1 - less;
      if (load<u8>(there + longest) != load<u8>(p + longest)) continue;
      const length = matchLength(there, p, 0, limit);
      if (length <= longest) continue;
      store<u32>(notes, <u32>((length << 16) | less));
      notes += 4;
      longest = length;
    }
  }
  store<u32>(notes, 0);
  return longest;
}

/** Notes the matches at all places from `from` to `stop`. */
function findAll(from: usize, stop: usize, end: usize): void {
  const last = end - min<usize>(MARGIN, end);
  for (let p = from; p < stop; ) {
    const notes = MATCHES + (p - from) * MATCHES_SIZE;
    if (p >= last || p == WINDOW) {
      store<u32>(notes, 0);
      p++;
      continue;
    }
    const longest = findMatches(p, notes, end);
    p++;
    if (longest < LONG_ENOUGH) continue;
    const to = min<usize>(min<usize>(p + longest - 1, stop), max<usize>(last, p));
    insertRange(p, to);
    insertShorts(p, to);
    for (; p < to; p++) store<u32>(MATCHES + (p - from) * MATCHES_SIZE, 0);
  }
}

/** Prices of the symbols of one code from their counts. What did not occur yet is taken to have done so, half a time. */
function priceSymbols(counts: usize, size: usize, prices: usize): void {
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < size; i += 16) sums = i32x4.add(sums, v128.load(counts + i));
  const total =
    i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  const all = log2(f32x4.splat(<f32>total + 1));
  for (let i: usize = 0; i < size; i += 16) {
    const f = f32x4.max(f32x4.convert_i32x4_u(v128.load(counts + i)), f32x4.splat(0.5));
    const bits = f32x4.max(f32x4.sub(all, log2(f)), f32x4.splat(1));
    const price = i32x4.trunc_sat_f32x4_s(f32x4.mul(f32x4.min(bits, f32x4.splat(14)), f32x4.splat(16)));
    v128.store(prices + i, i32x4.shl(price, 9));
  }
}

/** All prices, from a histogram. */
function makePrices(histogram: usize): void {
  priceSymbols(histogram, DISTANCES, SYMBOL_PRICES);
  priceSymbols(histogram + DISTANCES, 128, SYMBOL_PRICES + DISTANCES);
  memory.copy(LITERAL_PRICES, SYMBOL_PRICES, 256 * 4);
  for (let length: usize = 0; length < MIN_LENGTH; length++) store<u32>(LENGTH_PRICES + (length << 2), NEVER);
  for (let length: usize = MIN_LENGTH; length <= MAX_LENGTH; length++) {
    const symbol = <usize>load<u8>(LENGTH_SYMBOLS + length - 3);
    const price = load<u32>(SYMBOL_PRICES + ((257 + symbol) << 2)) + (<u32>load<u8>(LENGTH_EXTRA + symbol) << 13);
    store<u32>(LENGTH_PRICES + (length << 2), price | <u32>length);
  }
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const price = load<u32>(SYMBOL_PRICES + DISTANCES + (<usize>symbol << 2)) + (distanceExtra(symbol) << 13);
    store<u32>(DISTANCE_PRICES + (<usize>symbol << 2), price);
  }
}

/** Prices before anything is known: those of a text. */
function guessPrices(): void {
  for (let i: usize = 0; i < 256; i++) store<u32>(BOTH + (i << 2), i < 128 ? 12 : 4);
  for (let i: usize = 256; i < 288; i++) store<u32>(BOTH + (i << 2), i < 270 ? 40 : 5);
  for (let i: usize = 288; i < 320; i++) store<u32>(BOTH + (i << 2), 10);
  makePrices(BOTH);
}

@inline
function lowest(costs: v128): u32 {
  const two = i32x4.min_u(costs, i32x4.shuffle(costs, costs, 2, 3, 0, 1));
  return i32x4.extract_lane(i32x4.min_u(two, i32x4.shuffle(two, two, 1, 0, 3, 2)), 0);
}

/** Leaves the best choice at each place from `from` to `stop`. */
function choose(from: usize, stop: usize): void {
  const count = stop - from;
  // What lies beyond costs nothing, wherever the last match ends.
  memory.fill(COSTS + (count << 2), 0, 260 * 4);
  for (let place = count; place-- > 0; ) {
    const costs = COSTS + (place << 2);
    let best = load<u32>(costs, 4) + load<u32>(LITERAL_PRICES + (<usize>load<u8>(from + place) << 2));
    let choice: u32 = 1 << 16;
    let notes = MATCHES + place * MATCHES_SIZE;
    let shorter: usize = MIN_LENGTH;
    for (let match = load<u32>(notes); match != 0; match = load<u32>(notes)) {
      const longest = <usize>(match >> 16);
      const less = match & 0xffff;
      // Four lengths at once, from the longest down to those that a nearer place has, too.
      let length = longest - 3;
      let least = i32x4.splat(-1);
      for (;;) {
        const at = length << 2;
        least = i32x4.min_u(least, i32x4.add(v128.load(LENGTH_PRICES + at), v128.load(costs + at)));
        if (length <= shorter) break;
        length -= 4;
      }
      const cost = lowest(least) + load<u32>(DISTANCE_PRICES + (<usize>symbolOfDistance(less) << 2));
      if (cost >> 9 < best >> 9) {
        best = cost;
        choice = ((cost & 0x1ff) << 16) | less;
      }
      shorter = longest + 1;
      notes += 4;
    }
    store<u32>(costs, best & ~0x1ff);
    store<u32>(CHOICES + (place << 2), choice);
  }
}

/** Turns the choices into sequences and counts; returns where the last match ends. */
function follow(from: usize, stop: usize): usize {
  let at = sequencesEnd;
  let p = from;
  let literalsFrom = from;
  while (p < stop) {
    const choice = load<u32>(CHOICES + ((p - from) << 2));
    const length = choice >> 16;
    if (length == 1) {
      countLiteral(p);
      p++;
      continue;
    }
    putSequence(at, <u32>(p - literalsFrom), length, choice & 0xffff);
    at += 8;
    p += length;
    literalsFrom = p;
  }
  if (p > literalsFrom) {
    putLiterals(at, <u32>(p - literalsFrom));
    at += 8;
  }
  setSequencesEnd(at);
  return p;
}

/** Like `parseBalanced` (lazy.ts), with more effort. */
export function parseOptimal(p: usize, stop: usize, end: usize, isFirst: bool): usize {
  const sequences = sequencesEnd;
  findAll(p, stop, end);
  if (isFirst) guessPrices();
  let reached = p;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) {
      addUp();
      makePrices(BOTH);
      clearHistogram(SEGMENT);
      setSequencesEnd(sequences);
    }
    choose(p, stop);
    reached = follow(p, stop);
  }
  // What the last match covers beyond the segment was not searched.
  const to = min<usize>(reached, end - min<usize>(MARGIN, end));
  if (to > stop) {
    insertRange(stop, to);
    insertShorts(stop, to);
  }
  return reached;
}
