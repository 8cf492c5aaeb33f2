/** Looks one byte ahead before it takes a match ("lazily"). For `balanced`. */
import { countLiteral, countLiterals } from './histogram';
import { WINDOW } from './memory';
import { extend, insertRange, LONG, MARGIN, search } from './rows';
import { putLiterals, putSequence, sequencesEnd, setSequencesEnd } from './sequences';

const MIN_LENGTH: u32 = 4;
/** After so many bytes without a match, only some places are searched, ever fewer. */
const PATIENCE: usize = 2048;
const SKIP_SHIFT: usize = 7;
const MAX_SKIP: usize = 127;
const INSERTED_HEAD: usize = 12;
const INSERTED_TAIL: usize = 8;

/** The end of the last match. */
let quietFrom: usize = 0;

/** A chunk begins at `p`. */
export function openLazy(p: usize): void {
  quietFrom = p;
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
function insertMatch(p: usize, end: usize): void {
  if (p + INSERTED_HEAD + INSERTED_TAIL < end) {
    insertRange(p, p + INSERTED_HEAD);
    p = end - INSERTED_TAIL;
  }
  insertRange(p, end);
}

/**
 * Parses from `p` until `stop` or a little further, never past `end`; leaves sequences and SEGMENT's counts, and returns
 * where it stopped.
 */
export function parseBalanced(p: usize, stop: usize, end: usize): usize {
  let at = sequencesEnd;
  let literalsFrom = p;
  let quiet = quietFrom;
  // Nothing is before it.
  if (p == WINDOW) countLiteral(p++);
  const last = min<usize>(stop, end - min<usize>(MARGIN, end));
  while (p < last) {
    let key = search(p);
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
    while (key < LONG << 16 && p + 1 < last) {
      const nextKey = search(p + 1);
      inserted = p + 2;
      if (!isWorthALiteral(nextKey, key)) break;
      countLiteral(p);
      p++;
      key = nextKey;
    }
    if (key >= LONG << 16) key = extend(p, end);
    const length = key >> 16;
    putSequence(at, <u32>(p - literalsFrom), length, 0x7fff - (key & 0xffff));
    at += 8;
    p += length;
    quiet = p;
    literalsFrom = p;
    insertMatch(inserted, min<usize>(p, end - 3));
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
