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
import {
  DISTANCE_BITS,
  END_OF_BLOCK,
  EXCEPTION,
  IDLE_BITS,
  LENGTH,
  LITLEN_BITS,
  SUBTABLE,
} from './table';

/** What one round of the fast loop looks at, at most. */
const FAST_INPUT: usize = 32;

const LITLEN_MASK: u64 = ((1 << LITLEN_BITS) - 1) << IDLE_BITS;
const DISTANCE_MASK: u64 = ((1 << DISTANCE_BITS) - 1) << IDLE_BITS;

@inline
function litlenEntry(bits: u64): u64 {
  return load<u64>(<usize>(bits & LITLEN_MASK), LITLEN_TABLE);
}

@inline
function distanceEntry(bits: u64): u64 {
  return load<u64>(<usize>(bits & DISTANCE_MASK), DISTANCE_TABLE);
}

/** The index of a subtable follows the main table's. */
@inline
function subEntry(pointer: u64, bits: u64, tableBits: u64): u64 {
  const offset = (bits >> tableBits) & (pointer >> 48);
  return load<u64>(<usize>((pointer >> 32) & 0xffff) + <usize>offset);
}

/** The value of a length or distance; `bits` begins with its code. */
@inline
function valueOf(entry: u64, bits: u64): usize {
  return <usize>((entry >> 16) & 0xffff) + <usize>((bits >> (entry >> 8)) & (entry >> 32));
}

/** Goes on in the block. Returns GO_ON behind its end, OUTPUT_FULL, WANTS_INPUT, or what is wrong. */
export function readCodes(): u32 {
  const result = readFast();
  return result == WANTS_INPUT ? readCareful() : result;
}

/**
 * As long as there is plenty of input and of room. The buffer holds 53 bits or more at the beginning of each round. Of
 * `count`, how many it holds with the idle ones, only the lowest 6 bits mean something, so that whole entries can be
 * taken from it; a shift looks at no more of its distance either.
 */
function readFast(): u32 {
  let input = bitAt >> 3;
  const inputLimit = bitsEnd >> 3;
  let out = outputAt;
  if (out >= OUTPUT_LIMIT) return OUTPUT_FULL;
  if (input + FAST_INPUT >= inputLimit) return WANTS_INPUT;
  const inputStop = inputLimit - FAST_INPUT;
  let result = WANTS_INPUT;

  let bits: u64 = (load<u64>(input) >> (bitAt & 7)) << IDLE_BITS;
  let count: u64 = 56 + IDLE_BITS - (bitAt & 7);
  input += 7;
  let entry = litlenEntry(bits);
  do {
    bits |= load<u64>(input) << count;
    input += 7 - <usize>((count >> 3) & 7);
    count |= 56;
    if (!(entry & (LENGTH | EXCEPTION))) {
      store<u8>(out++, <u8>(entry >> 16));
      bits >>= entry;
      count -= entry;
      entry = litlenEntry(bits);
      if (!(entry & (LENGTH | EXCEPTION))) {
        store<u8>(out++, <u8>(entry >> 16));
        bits >>= entry;
        count -= entry;
        entry = litlenEntry(bits);
        if (!(entry & (LENGTH | EXCEPTION))) {
          store<u8>(out++, <u8>(entry >> 16));
          bits >>= entry;
          count -= entry;
          entry = litlenEntry(bits);
          continue;
        }
        // The length and the code of the distance take up to 35 bits, which are there behind fewer literals.
        bits |= load<u64>(input) << count;
        input += 7 - <usize>((count >> 3) & 7);
        count |= 56;
      }
    }
    if (entry & EXCEPTION) {
      if (entry & SUBTABLE) {
        entry = subEntry(entry, bits, LITLEN_BITS);
        if (!(entry & (LENGTH | EXCEPTION))) {
          store<u8>(out++, <u8>(entry >> 16));
          bits >>= entry;
          count -= entry;
          entry = litlenEntry(bits);
          continue;
        }
      }
      if (entry & EXCEPTION) {
        count -= entry;
        result = entry & END_OF_BLOCK ? GO_ON : NO_SUCH_LITLEN;
        break;
      }
    }
    const length = valueOf(entry, bits);
    bits >>= entry;
    count -= entry;

    entry = distanceEntry(bits);
    if (entry & EXCEPTION) {
      if (entry & SUBTABLE) entry = subEntry(entry, bits, DISTANCE_BITS);
      if (entry & EXCEPTION) {
        result = NO_SUCH_DISTANCE;
        break;
      }
    }
    bits |= load<u64>(input) << count;
    input += 7 - <usize>((count >> 3) & 7);
    count |= 56;
    const distance = valueOf(entry, bits);
    bits >>= entry;
    count -= entry;
    entry = litlenEntry(bits);
    if (distance > out - OUTPUT) {
      result = TOO_FAR_BACK;
      break;
    }
    copyMatch(out, distance, length);
    out += length;
  } while (input < inputStop && out < OUTPUT_LIMIT);
  setBitAt((input << 3) + IDLE_BITS - <usize>(count & 63));
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
    let bits = bitsFrom(at) << IDLE_BITS;
    let entry = litlenEntry(bits);
    if (entry & EXCEPTION && entry & SUBTABLE) entry = subEntry(entry, bits, LITLEN_BITS);
    let used = <usize>entry & 63;
    if (left < used) {
      result = WANTS_INPUT;
      break;
    }
    if (!(entry & (LENGTH | EXCEPTION))) {
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
    if (entry & EXCEPTION && entry & SUBTABLE) entry = subEntry(entry, bits, DISTANCE_BITS);
    used += <usize>entry & 63;
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
