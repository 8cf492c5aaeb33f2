/**
 * Decoding tables. A lookup with the next bits of the stream gives an entry of 32 bits; one lookup tells all there is to
 * know of a symbol: how many bits it takes with the extra ones behind it, and its value without those.
 *
 * | bits   | literal             | length or distance   | subtable           | end of block | no such code |
 * |--------|---------------------|----------------------|--------------------|--------------|--------------|
 * | 31     | 1                   | 0                    | 0                  | 0            | 0            |
 * | 16..30 | the byte            | base                 | its first entry    | 0            | 0            |
 * | 15     | 0                   | 0                    | 1                  | 1            | 1            |
 * | 14, 13 | 0                   | 0                    | 1, 0               | 0, 1         | 0, 0         |
 * | 8..11  | bits of the code    | bits of the code     | bits of its index  |              |              |
 * | 0..7   | bits of the code    | with the extra bits  | bits of the index  | as a literal | as a literal |
 *
 * Codes longer than the table's index lead to a subtable behind it; its entries count the bits that are left.
 */
import { DISTANCE_TABLE, LITLEN_TABLE } from './memory';

export const LITLEN_BITS: u32 = 11;
export const DISTANCE_BITS: u32 = 8;
/** For the code of code lengths, none of which is longer. */
export const PRECODE_BITS: u32 = 7;

export const LITERAL: u32 = 0x80000000;
export const EXCEPTION: u32 = 0x8000;
export const SUBTABLE: u32 = 0x4000;
export const END_OF_BLOCK: u32 = 0x2000;

export const LITLEN_SYMBOLS: u32 = 288;
export const DISTANCE_SYMBOLS: u32 = 32;
export const PRECODE_SYMBOLS: u32 = 19;

/** Entries of all symbols, without the bits of their codes. */
const LITLEN_ENTRIES: usize = memory.data(288 * 4, 16);
const DISTANCE_ENTRIES: usize = memory.data(32 * 4, 16);
const PRECODE_ENTRIES: usize = memory.data(19 * 4, 16);
/** The table of the code of code lengths. */
export const PRECODE_TABLE: usize = memory.data(128 * 4, 16);

/** Number of codes of each length. */
const COUNTS: usize = memory.data(16 * 4, 16);
/** Where the next symbol with a code of this length goes. */
const PLACES: usize = memory.data(16 * 4, 16);
/** Symbols in the order of their codes. */
const SORTED: usize = memory.data(288 * 2, 16);

/** Bases and extra bits: RFC 1951, 3.2.5. */
export function fillEntries(): void {
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    store<u32>(LITLEN_ENTRIES + (symbol << 2), LITERAL | (symbol << 16));
  }
  store<u32>(LITLEN_ENTRIES + (256 << 2), EXCEPTION | END_OF_BLOCK);
  let length: u32 = 3;
  for (let symbol: u32 = 257; symbol < 285; symbol++) {
    const extra = symbol < 265 ? 0 : (symbol - 261) >> 2;
    store<u32>(LITLEN_ENTRIES + (symbol << 2), (length << 16) | extra);
    length += 1 << extra;
  }
  store<u32>(LITLEN_ENTRIES + (285 << 2), 258 << 16);
  store<u32>(LITLEN_ENTRIES + (286 << 2), EXCEPTION);
  store<u32>(LITLEN_ENTRIES + (287 << 2), EXCEPTION);
  let distance: u32 = 1;
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const extra = symbol < 4 ? 0 : (symbol - 2) >> 1;
    store<u32>(DISTANCE_ENTRIES + (symbol << 2), (distance << 16) | extra);
    distance += 1 << extra;
  }
  store<u32>(DISTANCE_ENTRIES + (30 << 2), EXCEPTION);
  store<u32>(DISTANCE_ENTRIES + (31 << 2), EXCEPTION);
  for (let symbol: u32 = 0; symbol < PRECODE_SYMBOLS; symbol++) {
    store<u32>(PRECODE_ENTRIES + (symbol << 2), symbol << 16);
  }
}

/** False where zlib refuses the lengths, a byte each. */
export function buildLitlenTable(lengths: usize, symbols: u32): bool {
  return build(lengths, symbols, LITLEN_ENTRIES, LITLEN_TABLE, LITLEN_BITS, true);
}

export function buildDistanceTable(lengths: usize, symbols: u32): bool {
  return build(lengths, symbols, DISTANCE_ENTRIES, DISTANCE_TABLE, DISTANCE_BITS, true);
}

export function buildPrecodeTable(lengths: usize): bool {
  return build(lengths, PRECODE_SYMBOLS, PRECODE_ENTRIES, PRECODE_TABLE, PRECODE_BITS, false);
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
  const tableSize: usize = 4 << tableBits;
  if (longest == 0) {
    store<u32>(table, mayLack ? EXCEPTION | 1 : load<u32>(entries) | 1);
    repeat(table, 4, tableSize);
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
    store<u32>(table, load<u32>(entries + (<usize>load<u16>(SORTED) << 2)) + 0x101);
    store<u32>(table, EXCEPTION | 1, 4);
    repeat(table, 8, tableSize);
    return true;
  }

  // Codes come with their bits reversed. The table grows with their length: a shorter index repeats.
  let sorted = SORTED;
  let code: u32 = 0;
  let size: usize = 4;
  for (let length: u32 = 1; length <= tableBits; length++) {
    memory.copy(table + size, table, size);
    size <<= 1;
    const allOnes: u32 = (1 << length) - 1;
    for (let left = load<u32>(COUNTS + (length << 2)); left > 0; left--) {
      const entry = load<u32>(entries + (<usize>load<u16>(sorted) << 2)) + length * 0x101;
      sorted += 2;
      store<u32>(table + (<usize>code << 2), entry);
      if (code == allOnes) {
        repeat(table, size, tableSize);
        return true;
      }
      code = nextCode(code, allOnes);
    }
  }
  let subtable: usize = 0;
  let subtableEnd: usize = 1 << tableBits;
  let subtableBits: u32 = 0;
  let prefix: u32 = 0xffffffff;
  const prefixMask: u32 = (1 << tableBits) - 1;
  for (let length = tableBits + 1; length <= longest; length++) {
    const allOnes: u32 = (1 << length) - 1;
    for (let left = load<u32>(COUNTS + (length << 2)); left > 0; left--) {
      if ((code & prefixMask) != prefix) {
        prefix = code & prefixMask;
        subtable = subtableEnd;
        // As long as codes of this length and longer ones do not fill it, it takes another bit.
        subtableBits = length - tableBits;
        let filled = left;
        while (filled < <u32>1 << subtableBits) {
          subtableBits++;
          filled = (filled << 1) + load<u32>(COUNTS + ((tableBits + subtableBits) << 2));
        }
        subtableEnd = subtable + (1 << subtableBits);
        const pointer = (<u32>subtable << 16) | EXCEPTION | SUBTABLE | (subtableBits << 8) | tableBits;
        store<u32>(table + (<usize>prefix << 2), pointer);
      }
      const entry = load<u32>(entries + (<usize>load<u16>(sorted) << 2)) + (length - tableBits) * 0x101;
      sorted += 2;
      const step: usize = 1 << (length - tableBits);
      for (let i = subtable + (code >> tableBits); i < subtableEnd; i += step) store<u32>(table + (i << 2), entry);
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
