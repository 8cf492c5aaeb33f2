/** Blocks of codes: literals, and matches of a length at a distance (RFC 1951, 3.2.5). */
import { copyMatch } from './copy';
import { DISTANCE_TABLE, LITLEN_TABLE, OUTPUT, OUTPUT_LIMIT } from './memory';
import {
  bitAt,
  bitsEnd,
  bitsFrom,
  GO_ON,
  NO_SUCH_DISTANCE,
  NO_SUCH_LITLEN,
  OUTPUT_FULL,
  outputAt,
  setBitAt,
  setOutputAt,
  TOO_FAR_BACK,
  WANTS_INPUT,
} from './state';
import { DISTANCE_BITS, END_OF_BLOCK, EXCEPTION, LITERAL, LITLEN_BITS, SUBTABLE } from './table';

/** What one round of the fast loop looks at, at most. */
const FAST_INPUT: usize = 32;

const LITLEN_MASK: u64 = (1 << LITLEN_BITS) - 1;
const DISTANCE_MASK: u64 = (1 << DISTANCE_BITS) - 1;

/** An entry with its sign: it is negative for a literal. Bits above the lowest 6 do not matter to a shift. */
@inline
function litlenEntry(bits: u64): i64 {
  return <i64>load<i32>(LITLEN_TABLE + (<usize>(bits & LITLEN_MASK) << 2));
}

@inline
function distanceEntry(bits: u64): i64 {
  return <i64>load<u32>(DISTANCE_TABLE + (<usize>(bits & DISTANCE_MASK) << 2));
}

/** The index of a subtable follows the main table's. `rest` begins behind the main table's. */
@inline
function subEntry(table: usize, pointer: i64, rest: u64): i64 {
  const index = (pointer >> 16) + <i64>(rest & ~(<u64>-1 << (<u64>pointer >> 8)));
  return <i64>load<i32>(table + (<usize>index << 2));
}

/** Base and extra bits; `bits` begins with the code. */
@inline
function valueOf(entry: i64, bits: u64): usize {
  const extra = (bits & ~(<u64>-1 << (entry & 63))) >> ((<u64>entry >> 8) & 15);
  return <usize>(entry >> 16) + <usize>extra;
}

/** Goes on in the block. Returns GO_ON behind its end, OUTPUT_FULL, WANTS_INPUT, or what is wrong. */
export function readCodes(): u32 {
  const result = readFast();
  return result == WANTS_INPUT ? readCareful() : result;
}

/**
 * As long as there is plenty of input and of room. The buffer holds 56 bits or more at the beginning of each round; of
 * `count`, how many it holds, only the lowest 6 bits mean something, so that whole entries can be taken from it.
 */
function readFast(): u32 {
  let input = bitAt >> 3;
  const inputLimit = bitsEnd >> 3;
  let out = outputAt;
  if (out >= OUTPUT_LIMIT) return OUTPUT_FULL;
  if (input + FAST_INPUT >= inputLimit) return WANTS_INPUT;
  const inputStop = inputLimit - FAST_INPUT;
  let result = WANTS_INPUT;

  let bits: u64 = load<u64>(input) >> (bitAt & 7);
  let count: u64 = 64 - (bitAt & 7);
  input += 8;
  // As if it had been refilled: whole bytes above 56 bits are given back.
  if (count == 64) {
    input--;
    count = 56;
  }
  let entry = litlenEntry(bits);
  do {
    if (entry < 0) {
      bits >>= entry;
      count -= entry;
      store<u8>(out++, <u8>(entry >> 16));
      entry = litlenEntry(bits);
      if (entry < 0) {
        bits >>= entry;
        count -= entry;
        store<u8>(out++, <u8>(entry >> 16));
        entry = litlenEntry(bits);
        if (entry < 0) {
          bits >>= entry;
          count -= entry;
          store<u8>(out++, <u8>(entry >> 16));
          bits |= load<u64>(input) << count;
          input += 7 - <usize>((count >> 3) & 7);
          count |= 56;
          entry = litlenEntry(bits);
          continue;
        }
      }
    }
    if (entry & EXCEPTION) {
      if (entry & SUBTABLE) {
        const pointer = entry;
        entry = subEntry(LITLEN_TABLE, pointer, bits >> LITLEN_BITS);
        bits >>= LITLEN_BITS;
        count -= LITLEN_BITS;
      }
      if (entry < 0) {
        bits >>= entry;
        count -= entry;
        store<u8>(out++, <u8>(entry >> 16));
        bits |= load<u64>(input) << count;
        input += 7 - <usize>((count >> 3) & 7);
        count |= 56;
        entry = litlenEntry(bits);
        continue;
      }
      if (entry & EXCEPTION) {
        bits >>= entry;
        count -= entry;
        result = entry & END_OF_BLOCK ? GO_ON : NO_SUCH_LITLEN;
        break;
      }
    }
    const length = valueOf(entry, bits);
    bits >>= entry;
    count -= entry;

    bits |= load<u64>(input) << count;
    input += 7 - <usize>((count >> 3) & 7);
    count |= 56;
    entry = distanceEntry(bits);
    if (entry & EXCEPTION) {
      if (entry & SUBTABLE) {
        const pointer = entry;
        entry = subEntry(DISTANCE_TABLE, pointer, bits >> DISTANCE_BITS);
        bits >>= DISTANCE_BITS;
        count -= DISTANCE_BITS;
      }
      if (entry & EXCEPTION) {
        result = NO_SUCH_DISTANCE;
        break;
      }
    }
    const distance = valueOf(entry, bits);
    bits >>= entry;
    count -= entry;
    if (distance > out - OUTPUT) {
      result = TOO_FAR_BACK;
      break;
    }
    bits |= load<u64>(input) << count;
    input += 7 - <usize>((count >> 3) & 7);
    count |= 56;
    entry = litlenEntry(bits);
    copyMatch(out, distance, length);
    out += length;
  } while (input < inputStop && out < OUTPUT_LIMIT);
  setBitAt((input << 3) - <usize>(count & 63));
  setOutputAt(out);
  return result;
}

/** Symbol by symbol to the last one that has come whole: a match counts as one, with its length and distance. */
function readCareful(): u32 {
  let at = bitAt;
  let out = outputAt;
  let result = OUTPUT_FULL;
  while (out < OUTPUT_LIMIT) {
    const left = bitsEnd - at;
    let bits = bitsFrom(at);
    let used: usize = 0;
    let entry = litlenEntry(bits);
    if (entry >= 0 && (entry & SUBTABLE) != 0) {
      entry = subEntry(LITLEN_TABLE, entry, bits >> LITLEN_BITS);
      bits >>= LITLEN_BITS;
      used = LITLEN_BITS;
    }
    const litlenBits = <usize>(entry & 63);
    used += litlenBits;
    if (left < used) {
      result = WANTS_INPUT;
      break;
    }
    if (entry < 0) {
      store<u8>(out++, <u8>(entry >> 16));
      at += used;
      continue;
    }
    if (entry & EXCEPTION) {
      at += used;
      result = entry & END_OF_BLOCK ? GO_ON : NO_SUCH_LITLEN;
      break;
    }
    const length = valueOf(entry, bits);
    bits >>= entry;
    entry = distanceEntry(bits);
    if (entry & SUBTABLE) {
      entry = subEntry(DISTANCE_TABLE, entry, bits >> DISTANCE_BITS);
      bits >>= DISTANCE_BITS;
      used += DISTANCE_BITS;
    }
    used += <usize>(entry & 63);
    if (left < used) {
      result = WANTS_INPUT;
      break;
    }
    if (entry & EXCEPTION) {
      result = NO_SUCH_DISTANCE;
      break;
    }
    const distance = valueOf(entry, bits);
    if (distance > out - OUTPUT) {
      result = TOO_FAR_BACK;
      break;
    }
    copyMatch(out, distance, length);
    out += length;
    at += used;
  }
  setBitAt(at);
  setOutputAt(out);
  return result;
}
