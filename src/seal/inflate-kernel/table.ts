/**
 * Decoding tables. A lookup with the next bits of the stream gives an entry of 64 bits, which tells all there is to know
 * of a symbol: how many bits it takes with the extra ones behind it, and its value without those.
 *
 * | bits   | literal          | length or distance                  | subtable           | end of block, no such code |
 * |--------|------------------|-------------------------------------|--------------------|----------------------------|
 * | 0..5   | bits of the code | bits of the code and the extra ones |                    | bits of the code           |
 * | 6      | 0                | 1 for a length                      | 0                  | 0                          |
 * | 7      | 0                | 0                                   | 1                  | 1                          |
 * | 8..13  |                  | 3 and the bits of the code          |                    |                            |
 * | 16..31 | the byte         | base                                | 1                  | 2, 0                       |
 * | 32..47 |                  | mask of the extra bits              | its address        |                            |
 * | 48..63 |                  |                                     | mask for its index |                            |
 *
 * Codes longer than the table's index lead to a subtable behind it. In the bit buffer, 3 bits of no meaning stand below
 * the next one, so that a masked buffer is an offset in bytes; places of extra bits and masks of subtables count them.
 */
import { DISTANCE_TABLE, LITLEN_TABLE } from './memory';

export const LITLEN_BITS: u32 = 11;
export const DISTANCE_BITS: u32 = 9;
/** For the code of code lengths, none of which is longer. */
export const PRECODE_BITS: u32 = 7;
/** Bits of no meaning below the next one in the buffer; also the logarithm of an entry's size. */
export const IDLE_BITS: u32 = 3;

export const LENGTH: u64 = 0x40;
export const EXCEPTION: u64 = 0x80;
export const SUBTABLE: u64 = 0x10000;
export const END_OF_BLOCK: u64 = 0x20000;
/** What a code adds to its entry for each of its bits. */
const CODE_BIT: u64 = 0x101;
const NO_CODE_BITS: u64 = IDLE_BITS << 8;

export const LITLEN_SYMBOLS: u32 = 288;
export const DISTANCE_SYMBOLS: u32 = 32;
export const PRECODE_SYMBOLS: u32 = 19;

/** Entries of all symbols, without the bits of their codes. Those of the code of code lengths are as literals. */
const LITLEN_ENTRIES: usize = memory.data(288 * 8, 16);
const DISTANCE_ENTRIES: usize = memory.data(32 * 8, 16);
/** The table of the code of code lengths. */
const PRECODE_TABLE: usize = memory.data(128 * 8, 16);

/** Number of codes of each length. */
const COUNTS: usize = memory.data(16 * 4, 16);
/** Where the next symbol with a code of this length goes. */
const PLACES: usize = memory.data(16 * 4, 16);
/** Symbols in the order of their codes. */
const SORTED: usize = memory.data(288 * 2, 16);

/** Bases and extra bits: RFC 1951, 3.2.5. */
export function fillEntries(): void {
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    store<u64>(LITLEN_ENTRIES + (symbol << 3), (<u64>symbol << 16) | NO_CODE_BITS);
  }
  store<u64>(LITLEN_ENTRIES + (256 << 3), EXCEPTION | END_OF_BLOCK | NO_CODE_BITS);
  let length: u64 = 3;
  for (let symbol: u32 = 257; symbol < 286; symbol++) {
    const extra: u64 = symbol < 265 || symbol == 285 ? 0 : (symbol - 261) >> 2;
    const base: u64 = symbol == 285 ? 258 : length;
    const mask: u64 = (1 << extra) - 1;
    store<u64>(LITLEN_ENTRIES + (symbol << 3), (mask << 32) | (base << 16) | LENGTH | NO_CODE_BITS | extra);
    length += 1 << extra;
  }
  store<u64>(LITLEN_ENTRIES + (286 << 3), EXCEPTION | NO_CODE_BITS);
  store<u64>(LITLEN_ENTRIES + (287 << 3), EXCEPTION | NO_CODE_BITS);
  let distance: u64 = 1;
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const extra: u64 = symbol < 4 ? 0 : (symbol - 2) >> 1;
    const mask: u64 = (1 << extra) - 1;
    store<u64>(DISTANCE_ENTRIES + (symbol << 3), (mask << 32) | (distance << 16) | NO_CODE_BITS | extra);
    distance += 1 << extra;
  }
  store<u64>(DISTANCE_ENTRIES + (30 << 3), EXCEPTION | NO_CODE_BITS);
  store<u64>(DISTANCE_ENTRIES + (31 << 3), EXCEPTION | NO_CODE_BITS);
}

/** False where zlib refuses the lengths, a byte each. */
export function buildLitlenTable(lengths: usize, symbols: u32): bool {
  return build(lengths, symbols, LITLEN_ENTRIES, LITLEN_TABLE, LITLEN_BITS, true);
}

export function buildDistanceTable(lengths: usize, symbols: u32): bool {
  return build(lengths, symbols, DISTANCE_ENTRIES, DISTANCE_TABLE, DISTANCE_BITS, true);
}

export function buildPrecodeTable(lengths: usize): bool {
  return build(lengths, PRECODE_SYMBOLS, LITLEN_ENTRIES, PRECODE_TABLE, PRECODE_BITS, false);
}

/** The entry of a code length: its number of bits in the lowest 6, the symbol from 16 on. */
@inline
export function precodeEntry(bits: u64): u64 {
  return load<u64>(PRECODE_TABLE + (<usize>(bits & ((1 << PRECODE_BITS) - 1)) << 3));
}

/**
 * Codes must be complete. Only a code of a single bit may be alone, and there may be none at all: any use of what is
 * missing is an error then. No lengths for code lengths at all mean, to zlib, that all of those are 0.
 */
function build(
  lengths: usize,
  symbols: u32,
  entries: usize,
  table: usize,
  tableBits: u32,
  mayLack: bool,
): bool {
  memory.fill(COUNTS, 0, 64);
  for (let i: u32 = 0; i < symbols; i++) {
    const at = COUNTS + (<usize>load<u8>(lengths + i) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  let longest: u32 = 15;
  while (longest > 0 && load<u32>(COUNTS + (longest << 2)) == 0) longest--;
  const tableSize: usize = 8 << tableBits;
  const noCode: u64 = EXCEPTION | NO_CODE_BITS | CODE_BIT;
  if (longest == 0) {
    store<u64>(table, mayLack ? noCode : load<u64>(entries) + CODE_BIT);
    repeat(table, 8, tableSize);
    return true;
  }
  let room: i32 = 1;
  let place: u32 = 0;
  for (let length: u32 = 1; length <= longest; length++) {
    const count = load<u32>(COUNTS + (length << 2));
    room = (room << 1) - count;
    if (room < 0) return false;
    store<u32>(PLACES + (length << 2), place);
    place += count;
  }
  if (room > 0 && (longest > 1 || !mayLack)) return false;
  for (let i: u32 = 0; i < symbols; i++) {
    const length = <u32>load<u8>(lengths + i);
    if (length == 0) continue;
    const at = PLACES + (length << 2);
    const next = load<u32>(at);
    store<u32>(at, next + 1);
    store<u16>(SORTED + (next << 1), i);
  }
  if (room > 0) {
    store<u64>(table, load<u64>(entries + (<usize>load<u16>(SORTED) << 3)) + CODE_BIT);
    store<u64>(table, noCode, 8);
    repeat(table, 16, tableSize);
    return true;
  }

  // Codes come with their bits reversed. The table grows with their length: a shorter index repeats.
  let sorted = SORTED;
  let code: u32 = 0;
  let size: usize = 8;
  for (let length: u32 = 1; length <= tableBits; length++) {
    memory.copy(table + size, table, size);
    size <<= 1;
    const allOnes: u32 = (1 << length) - 1;
    for (let left = load<u32>(COUNTS + (length << 2)); left > 0; left--) {
      const entry = load<u64>(entries + (<usize>load<u16>(sorted) << 3)) + <u64>length * CODE_BIT;
      sorted += 2;
      store<u64>(table + (<usize>code << 3), entry);
      if (code == allOnes) {
        repeat(table, size, tableSize);
        return true;
      }
      code = nextCode(code, allOnes);
    }
  }
  let subtable = table + tableSize;
  let subtableEnd = subtable;
  let prefix: u32 = 0xffffffff;
  const prefixMask: u32 = (1 << tableBits) - 1;
  for (let length = tableBits + 1; length <= longest; length++) {
    const allOnes: u32 = (1 << length) - 1;
    for (let left = load<u32>(COUNTS + (length << 2)); left > 0; left--) {
      if ((code & prefixMask) != prefix) {
        prefix = code & prefixMask;
        // As long as codes of this length and longer ones do not fill it, it takes another bit.
        let bits = length - tableBits;
        let filled = left;
        while (filled < <u32>1 << bits) {
          bits++;
          filled = (filled << 1) + load<u32>(COUNTS + ((tableBits + bits) << 2));
        }
        subtable = subtableEnd;
        subtableEnd = subtable + (<usize>8 << bits);
        const mask: u64 = ((1 << bits) - 1) << IDLE_BITS;
        store<u64>(table + (<usize>prefix << 3), (mask << 48) | ((<u64>subtable) << 32) | SUBTABLE | EXCEPTION);
      }
      const entry = load<u64>(entries + (<usize>load<u16>(sorted) << 3)) + <u64>length * CODE_BIT;
      sorted += 2;
      const step: usize = 8 << (length - tableBits);
      for (let p = subtable + (<usize>(code >> tableBits) << 3); p < subtableEnd; p += step) store<u64>(p, entry);
      if (code == allOnes) return true;
      code = nextCode(code, allOnes);
    }
  }
  return true;
}

/** The next code of the same length, first bit lowest. The last one has none. */
@inline
function nextCode(code: u32, allOnes: u32): u32 {
  const bit: u32 = 1 << (31 - clz<u32>(code ^ allOnes));
  return (code & (bit - 1)) | bit;
}

/** Fills a table with its own beginning. */
function repeat(table: usize, filled: usize, size: usize): void {
  for (; filled < size; filled <<= 1) memory.copy(table + filled, table, filled);
}
