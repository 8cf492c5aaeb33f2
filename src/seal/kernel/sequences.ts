/**
 * What the match finders leave behind: sequences of literals and a match, 8 bytes each. The literals themselves stay
 * in the window.
 *
 * | bits  | meaning                                                             |
 * |-------|---------------------------------------------------------------------|
 * | 0-22  | number of literals                                                  |
 * | 23-31 | length of the match, 3 to 258; 0: none                              |
 * | 32-47 | distance - 1                                                        |
 * | 48-52 | distance symbol                                                     |
 */
import { DISTANCES, SEGMENT } from './histogram';

/** Length - 3 -> length symbol - 257. */
export const LENGTH_SYMBOLS: usize = memory.data(256);
/** Distance - 1 -> symbol: below 256 directly, else 256 + (it >> 7). */
const DISTANCE_SYMBOLS: usize = memory.data(512);
/** Extra bits of the length symbols, base of the length symbols. */
export const LENGTH_EXTRA: usize = memory.data(32);
export const LENGTH_BASE: usize = memory.data(64);

export const LENGTH_SHIFT: u32 = 23;

/** Where the next sequence goes. */
export let sequencesEnd: usize = 0;

export function setSequencesEnd(at: usize): void {
  sequencesEnd = at;
}

export function fillSymbolTables(): void {
  let length: u32 = 0;
  for (let symbol: u32 = 0; symbol < 28; symbol++) {
    const extra = symbol < 8 ? 0 : (symbol - 4) >> 2;
    store<u8>(LENGTH_EXTRA + symbol, extra);
    store<u16>(LENGTH_BASE + (symbol << 1), length + 3);
    for (let i: u32 = 0; i < <u32>(1 << extra); i++) store<u8>(LENGTH_SYMBOLS + min<u32>(length++, 255), symbol);
  }
  store<u8>(LENGTH_EXTRA + 28, 0);
  store<u16>(LENGTH_BASE + 56, 258);
  store<u8>(LENGTH_SYMBOLS + 255, 28);
  for (let d: u32 = 0; d < 256; d++) store<u8>(DISTANCE_SYMBOLS + d, distanceSymbol(d));
  for (let d: u32 = 2; d < 256; d++) store<u8>(DISTANCE_SYMBOLS + 256 + d, distanceSymbol(d << 7));
}

function distanceSymbol(less: u32): u32 {
  if (less < 2) return less;
  const high = 31 - clz<u32>(less);
  return 2 * high + ((less >> (high - 1)) & 1);
}

@inline
export function symbolOfDistance(less: u32): u32 {
  const entry: u32 = less < 256 ? less : 256 + (less >> 7);
  return load<u8>(DISTANCE_SYMBOLS + <usize>entry);
}

/** Stores a sequence at `at` and counts its match. `less`: distance - 1. */
@inline
export function putSequence(at: usize, literals: u32, length: u32, less: u32): void {
  const symbol = symbolOfDistance(less);
  store<u32>(at, literals | (length << LENGTH_SHIFT));
  store<u32>(at, less | (symbol << 16), 4);
  const lengthCount = SEGMENT + 257 * 4 + (<usize>load<u8>(LENGTH_SYMBOLS + length - 3) << 2);
  store<u32>(lengthCount, load<u32>(lengthCount) + 1);
  const distanceCount = SEGMENT + DISTANCES + (<usize>symbol << 2);
  store<u32>(distanceCount, load<u32>(distanceCount) + 1);
}

/** Literals after which no match comes. */
@inline
export function putLiterals(at: usize, literals: u32): void {
  store<u32>(at, literals);
  store<u32>(at, 0, 4);
}
