/**
 * Searches a new file for the blocks of an old one.
 *
 * The window holds, in this order, the bytes of a literal not yet sent (`literal`..`here`) and those still to be
 * searched (`here`..`end`). Every decision rests on bytes that are sure to be there before it is made, so the delta
 * does not depend on how the file was cut into pieces.
 */
import {
  blockCount, buildIndex, find, holdsWeak, mayHold, openIndex, sameFour, step, strongMatches, strongOf, weakAt,
} from './index';
import { dropKnown, knownEntry, openKnown } from './known';
import { DIGESTS } from './md4';
import { LANE_SUMS, md4x4 } from './md4x4';
import { DELTA_AREA, ensureMemory } from './memory';
import { MAX_LITERAL, emitCopy, emitEnd, emitLiteral, hasRoom, openOutput } from './output';
import { rollSingly, rollToCandidate } from './roll';
import { ENTRY } from './signature';
import { chooseWeak, dropFirst, setSums, sumWindow, weak, withOffset } from './weak';

/** What a run of the search ended for. */
export const WANTS_INPUT: i32 = 0;
export const OUTPUT_FULL: i32 = 1;
export const FINISHED: i32 = 2;

/** Room in the window beyond what the search itself must hold. */
const INPUT_SIZE: u32 = 0x40000;
/** Longest block of which four are hashed at once. */
const MAX_LANE_BLOCK: u32 = 0x4000;
/**
 * Strong sums that turn out different are paid from an allowance, in bytes hashed, that grows with every byte
 * searched: rolling sums made to collide cannot slow the search to a block's hash per byte. A position past the
 * allowance counts as new.
 */
const FIRST_ALLOWANCE: i64 = 16 << 20;
const ALLOWANCE_PER_BYTE: i64 = 4;

let blockSize: u32 = 0;
let lanes: bool = false;
let simdRoll: bool = false;
/** Bytes that must follow `here` before the search may go on without the file's end. */
let lookahead: usize = 0;

let windowEnd: usize = 0;
let literal: usize = 0;
let here: usize = 0;
let end: usize = 0;
/** Offset in the new file of the window's beginning. */
let offset: u64 = 0;
/** The entries of the four blocks at `here`, if they are known; else 0: their sums were made. */
let fourKnown: usize = 0;

/**
 * The block that would lengthen the last copy. Where not every block can be found it goes on in step with the new file, so
 * that what was overwritten in place ends for the search where it does.
 */
let expected: u32 = 0;
/** Offset in the new file where it is expected. */
let expectedAt: u64 = 0;
/** The rolling sum is that of `here`. */
let summed: bool = false;
/** The last thing found was a block, so the next one is likely to follow. */
let inRun: bool = false;
let allowance: i64 = 0;
/** Where the old file's short last block begins, once the end has been searched; 0 before. */
let tail: usize = 0;

/** Prepares for a signature with these properties. False: no memory. */
export function openDelta(size: u32, strongSize: u32, rabinKarp: bool, blake2: bool): bool {
  blockSize = size;
  lanes = !rabinKarp && !blake2 && size <= MAX_LANE_BLOCK;
  simdRoll = !rabinKarp;
  lookahead = lanes ? <usize>size << 2 : size;
  windowEnd = DELTA_AREA + MAX_LITERAL + lookahead + INPUT_SIZE;
  if (!ensureMemory(windowEnd)) return false;
  const known = openKnown((windowEnd + 63) & ~63);
  if (known == 0) return false;
  chooseWeak(rabinKarp);
  openIndex(known, strongSize, blake2);
  return true;
}

/** Call once the entries are there: the first of `every` ones, of so many blocks. False: no memory. */
export function startSearch(blocks: u32, every: u32): bool {
  if (!buildIndex(blocks, every)) return false;
  literal = here = end = DELTA_AREA;
  offset = 0;
  expected = 0;
  expectedAt = 0;
  summed = false;
  inRun = lanes;
  allowance = FIRST_ALLOWANCE;
  tail = 0;
  openOutput();
  return true;
}

/** Makes room in the window and says how much there is; the next bytes go to `inputAt()`. */
export function inputRoom(): u32 {
  if (windowEnd - end < INPUT_SIZE >> 1) {
    const shift = literal - DELTA_AREA;
    memory.copy(DELTA_AREA, literal, end - literal);
    literal -= shift;
    here -= shift;
    end -= shift;
    offset += shift;
  }
  return <u32>(windowEnd - end);
}

export function inputAt(): usize {
  return end;
}

/** `size` bytes were put at `inputAt()`. */
export function inputCame(size: u32): void {
  end += size;
}

/** Makes room for entries of the new file's blocks and says how many bytes; the next ones go to `knownAt()`. */
export function knownRoom(): u32 {
  return dropKnown((offset + (here - DELTA_AREA)) / blockSize);
}

/**
 * Takes blocks four by four as long as their entries are known and are those of the blocks that were to follow. Returns how
 * many bytes of the input that was to come next are searched by that, and must not come any more.
 */
export function passKnown(): u32 {
  let at = offset + (here - DELTA_AREA);
  if (!inRun || at % blockSize != 0) return 0;
  let block = at / blockSize;
  let count: u32 = 0;
  for (let entry: usize; (entry = knownEntry(block, 4)) != 0; block += 4, count += 4) {
    if (expected + count + 4 > blockCount || !sameFour(expected + count, entry)) break;
  }
  if (count == 0) return 0;
  while (literal < here) sendLiteral();
  emitCopy(<u64>expected * blockSize, <u64>count * blockSize);
  expected += count;
  expectedAt = at + <u64>count * blockSize;
  summed = false;
  const passed = <usize>count * blockSize;
  const left = end - here;
  if (passed <= left) {
    here += passed;
    literal = here;
    return 0;
  }
  offset = at + passed;
  literal = here = end = DELTA_AREA;
  return <u32>(passed - left);
}

/** Searches what is in the window; `final`: nothing follows. */
export function search(final: bool): i32 {
  if (blockCount == 0) here = end;
  const reach = final ? <usize>blockSize : lookahead;
  while (hasRoom()) {
    if (here - literal >= MAX_LITERAL) {
      emitLiteral(literal, MAX_LITERAL);
      literal += MAX_LITERAL;
      continue;
    }
    const left = end - here;
    if (left < reach || (left == reach && summed)) return final ? finish() : WANTS_INPUT;
    if (inRun && left >= lookahead) {
      matchLanes();
    } else if (!summed) {
      sumWindow(here, blockSize);
      summed = true;
      matchHere();
    } else {
      let limit = min<usize>(end - reach, literal + MAX_LITERAL);
      if (step > 1) limit = min<usize>(limit, DELTA_AREA + <usize>(expectedAt + blockSize - offset));
      const from = here;
      here = simdRoll ? rollToCandidate(here, blockSize, limit) : rollSingly(here, blockSize, limit);
      allowance += ALLOWANCE_PER_BYTE * <i64>(here - from);
      if (step > 1) followInPlace();
      matchHere();
    }
  }
  return OUTPUT_FULL;
}

/** Has the expected block be the one that would begin at `here`, or began last, if no byte has moved since the last copy. */
function followInPlace(): void {
  if (offset + (here - DELTA_AREA) < expectedAt + blockSize) return;
  expected++;
  expectedAt += blockSize;
}

/** Finds a block that is the window at `here`, whose rolling sum is known, and takes it. */
function matchHere(): void {
  const sum = weak();
  // Where the input happened to end the expected block may be met by chance, and is passed by as any other.
  const isPlace = step == 1 || offset + (here - DELTA_AREA) == expectedAt || mayHold(sum);
  const follows = isPlace && expected < blockCount && weakAt(expected) == sum;
  if (allowance < 0 || !(follows || holdsWeak(sum))) return;
  if (lanes && end - here >= lookahead) {
    if (!matchLanes()) allowance -= lookahead;
    return;
  }
  const block = blockWith(sum, strongOf(here, blockSize));
  if (block >= 0) take(<u32>block);
  else allowance -= blockSize;
}

/** The block with these sums, or -1: of equal ones, that which lengthens the last copy. */
function blockWith(sum: u32, digest: usize): i64 {
  if (isBlock(expected, sum, digest)) return expected;
  return mayHold(sum) ? find(sum, digest) : -1;
}

@inline
function isBlock(block: u32, sum: u32, digest: usize): bool {
  return block < blockCount && weakAt(block) == sum && strongMatches(block, digest);
}

/** Makes the sums of the four blocks at `here`, if they are not known. */
function sumFour(): void {
  const at = offset + (here - DELTA_AREA);
  fourKnown = at % blockSize == 0 ? knownEntry(at / blockSize, 4) : 0;
  if (fourKnown != 0) return;
  const size = <usize>blockSize;
  md4x4(here, here + size, here + (size << 1), here + size * 3, blockSize);
}

@inline
function laneDigest(lane: usize): usize {
  return fourKnown != 0 ? fourKnown + lane * ENTRY + 4 : DIGESTS + (lane << 4);
}

@inline
function laneSum(lane: usize): u32 {
  if (fourKnown != 0) return bswap<u32>(load<u32>(fourKnown + lane * ENTRY));
  const sums = LANE_SUMS + (lane << 2);
  return withOffset(load<u32>(sums), load<u32>(sums, 16), blockSize);
}

/** Takes as many of the next four blocks as it can. False: not even the first, whose sum is then known. */
function matchLanes(): bool {
  const start = here;
  sumFour();
  inRun = true;
  for (let lane: usize = 0; lane < 4; lane++) {
    const sum = laneSum(lane);
    const digest = laneDigest(lane);
    const block = blockWith(sum, digest);
    if (block >= 0) {
      take(<u32>block);
    } else if (lane == 3) {
      // Whether only this one block changed is not known yet: it will be the first of the next four.
      break;
    } else if (isBlock(expected + 1, laneSum(lane + 1), laneDigest(lane + 1))) {
      // One block changed in place: no need to roll through it.
      here += blockSize;
      expected++;
    } else {
      setSums(sum & 0xffff, sum >> 16);
      summed = true;
      inRun = false;
      break;
    }
  }
  return here != start;
}

/** The window at `here` is this block. */
function take(block: u32): void {
  const after = here + blockSize;
  let blocks: u32 = 1;
  // Where not every block can be found, those before it may be the end of the literal, as far as that was not sent.
  if (step > 1) {
    while (block > 0 && here - literal >= blockSize && precedes(block - 1)) {
      here -= blockSize;
      block--;
      blocks++;
    }
  }
  while (literal < here) sendLiteral();
  emitCopy(<u64>block * blockSize, <u64>blocks * blockSize);
  here = after;
  literal = here;
  expected = block + blocks;
  expectedAt = offset + (here - DELTA_AREA);
  summed = false;
  inRun = lanes;
}

/** Whether this block is the one that ends at `here`. Leaves the sums of the lanes alone, but for the first one's. */
function precedes(block: u32): bool {
  const start = here - blockSize;
  sumWindow(start, blockSize);
  return weakAt(block) == weak() && strongMatches(block, strongOf(start, blockSize));
}

function sendLiteral(): void {
  const size = <u32>min<usize>(here - literal, MAX_LITERAL);
  emitLiteral(literal, size);
  literal += size;
}

/** Ends the delta: only here can the old file's last block, if it is short, be found. */
function finish(): i32 {
  if (tail == 0) tail = findTail();
  here = tail;
  while (literal < here) {
    if (!hasRoom()) return OUTPUT_FULL;
    sendLiteral();
  }
  if (tail < end) emitCopy(<u64>(blockCount - 1) * blockSize, end - tail);
  emitEnd();
  return FINISHED;
}

/** Where the end of the new file equals the old file's short last block; `end` if nowhere. */
function findTail(): usize {
  if (blockCount == 0) return end;
  // A whole window still here was searched already.
  let p = end - here < blockSize ? here : here + 1;
  let size = <u32>(end - p);
  const wanted = weakAt(blockCount - 1);
  for (sumWindow(p, size); size != 0; p++, size--) {
    if (weak() == wanted && allowance >= 0) {
      if (strongMatches(blockCount - 1, strongOf(p, size))) return p;
      allowance -= size;
    }
    dropFirst(p, size);
  }
  return end;
}
