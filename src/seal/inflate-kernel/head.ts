/**
 * The head of a block (RFC 1951, 3.2.3 to 3.2.7). Where input ends within a head, nothing of it counts as read: it is
 * taken from its first bit once more when there is more.
 */
import {
  BAD_BLOCK_TYPE,
  BAD_DISTANCE_CODE,
  BAD_LENGTHS_CODE,
  BAD_LITLEN_CODE,
  BAD_REPEAT,
  BAD_STORED_LENGTHS,
  bitAt,
  bitsEnd,
  bitsFrom,
  CODES,
  GO_ON,
  NO_END_OF_BLOCK,
  setBitAt,
  setLastBlock,
  setMode,
  setStoredLeft,
  STORED,
  TOO_MANY_SYMBOLS,
  WANTS_INPUT,
} from './state';
import {
  buildDistanceTable,
  buildLitlenTable,
  buildPrecodeTable,
  DISTANCE_SYMBOLS,
  LITLEN_SYMBOLS,
  PRECODE_SYMBOLS,
  precodeEntry,
} from './table';

const END_OF_BLOCK_SYMBOL: u32 = 256;

/** Lengths of the codes of literals and lengths, then of distances; a wide store may write 15 more. */
const LENGTHS: usize = memory.data(336, 16);
const PRECODE_LENGTHS: usize = memory.data(19);
/** Order in which the lengths of the code of code lengths come. */
const PRECODE_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/** Blocks with fixed codes often come one behind the other: whether the tables are theirs. */
let tablesAreFixed: bool = false;

/** Reads the next head; returns GO_ON, WANTS_INPUT, or what is wrong. */
export function readHead(): u32 {
  const at = bitAt;
  if (bitsEnd < at + 3) return WANTS_INPUT;
  const bits = <u32>bitsFrom(at);
  const type = (bits >> 1) & 3;
  let result: u32;
  if (type == 0) result = readStoredHead(at + 3);
  else if (type == 1) result = readFixedHead(at + 3);
  else if (type == 2) result = readDynamicHead(at + 3);
  else result = BAD_BLOCK_TYPE;
  if (result == GO_ON) setLastBlock((bits & 1) != 0);
  return result;
}

function readStoredHead(at: usize): u32 {
  const start = (at + 7) & ~7;
  if (bitsEnd < start + 32) return WANTS_INPUT;
  const size = <u32>load<u16>(start >> 3);
  if ((size ^ 0xffff) != <u32>load<u16>(start >> 3, 2)) return BAD_STORED_LENGTHS;
  setStoredLeft(size);
  setMode(STORED);
  setBitAt(start + 32);
  return GO_ON;
}

function readFixedHead(at: usize): u32 {
  if (!tablesAreFixed) {
    memory.fill(LENGTHS, 8, 144);
    memory.fill(LENGTHS + 144, 9, 112);
    memory.fill(LENGTHS + 256, 7, 24);
    memory.fill(LENGTHS + 280, 8, 8);
    buildLitlenTable(LENGTHS, LITLEN_SYMBOLS);
    memory.fill(LENGTHS, 5, DISTANCE_SYMBOLS);
    buildDistanceTable(LENGTHS, DISTANCE_SYMBOLS);
    tablesAreFixed = true;
  }
  setMode(CODES);
  setBitAt(at);
  return GO_ON;
}

function readDynamicHead(at: usize): u32 {
  if (bitsEnd < at + 14) return WANTS_INPUT;
  const bits = <u32>bitsFrom(at);
  const litlens = (bits & 31) + 257;
  const distances = ((bits >> 5) & 31) + 1;
  const precodes: usize = ((bits >> 10) & 15) + 4;
  if (litlens > 286 || distances > 30) return TOO_MANY_SYMBOLS;
  at += 14;
  if (bitsEnd < at + precodes * 3) return WANTS_INPUT;
  // 19 lengths take 57 bits.
  let lengths = bitsFrom(at);
  memory.fill(PRECODE_LENGTHS, 0, PRECODE_SYMBOLS);
  for (let i: usize = 0; i < precodes; i++) {
    store<u8>(PRECODE_LENGTHS + load<u8>(PRECODE_ORDER + i), <u8>(lengths & 7));
    lengths >>= 3;
  }
  at += precodes * 3;
  if (!buildPrecodeTable(PRECODE_LENGTHS)) return BAD_LENGTHS_CODE;

  let p = LENGTHS;
  const end = LENGTHS + litlens + distances;
  while (p < end) {
    const bits = <u32>bitsFrom(at);
    const entry = precodeEntry(bits);
    const codeBits = <u32>entry & 63;
    const symbol = <u32>(entry >> 16);
    if (symbol < 16) {
      at += codeBits;
      if (bitsEnd < at) return WANTS_INPUT;
      store<u8>(p++, symbol);
      continue;
    }
    // A repetition: of the last length, or of 0.
    const extraBits: u32 = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    at += codeBits + extraBits;
    if (bitsEnd < at) return WANTS_INPUT;
    const least: u32 = symbol == 18 ? 11 : 3;
    const times = least + ((bits >> codeBits) & ((1 << extraBits) - 1));
    if ((symbol == 16 && p == LENGTHS) || p + times > end) return BAD_REPEAT;
    const value = symbol == 16 ? load<u8>(p - 1) : 0;
    const stop = p + times;
    for (; p < stop; p += 16) v128.store(p, i8x16.splat(value));
    p = stop;
  }
  if (load<u8>(LENGTHS + END_OF_BLOCK_SYMBOL) == 0) return NO_END_OF_BLOCK;
  tablesAreFixed = false;
  if (!buildLitlenTable(LENGTHS, litlens)) return BAD_LITLEN_CODE;
  if (!buildDistanceTable(LENGTHS + litlens, distances)) return BAD_DISTANCE_CODE;
  setMode(CODES);
  setBitAt(at);
  return GO_ON;
}

/** A new stream must not trust tables that an error may have left half made. */
export function forgetTables(): void {
  tablesAreFixed = false;
}
