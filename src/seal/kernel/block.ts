/** Writes blocks of deflate (RFC 1951, 3.2) in whichever of the three forms is smallest. */
import { bitBuffer, bitCount, outputAt, putBits, putStored, setBits } from './bits';
import { BLOCK, DISTANCES } from './histogram';
import { assignCodes, codeLengths } from './huffman';
import { LENGTH_BASE, LENGTH_EXTRA, LENGTH_SHIFT, LENGTH_SYMBOLS } from './sequences';

/** With 14 bits at most, four literals and 7 bits that wait fit into 64. */
const LITERAL_LIMIT: u32 = 14;
const DISTANCE_LIMIT: u32 = 15;
const END_OF_BLOCK: usize = 256 * 4;

/** Code lengths of literals and lengths, then of distances: 288 + 32 bytes. */
const LENGTHS: usize = memory.data(320, 16);
/** Those of both that are sent, in one row. */
const ROW: usize = memory.data(320, 16);
const FIXED_LENGTHS: usize = memory.data(320, 16);
/** Code in the low 24 bits, number of bits above. */
const LITERAL_CODES: usize = memory.data(288 * 4, 16);
/** By length of the match, with the extra bits in place. */
const LENGTH_CODES: usize = memory.data(259 * 4, 16);
const DISTANCE_CODES: usize = memory.data(32 * 4, 16);
/** The code lengths as they are sent: symbol | extra bits << 8, 16 bits each. */
const SENT: usize = memory.data(320 * 2 + 16, 16);
const SENT_COUNTS: usize = memory.data(32 * 4, 16);
const SENT_LENGTHS: usize = memory.data(32, 16);
const SENT_CODES: usize = memory.data(32 * 4, 16);
/** The order in which the lengths of the codes for code lengths are sent. */
const ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

let literalsSent: u32 = 0;
let distancesSent: u32 = 0;
let sentCount: u32 = 0;
let ordersSent: u32 = 0;

export function fillFixedLengths(): void {
  for (let i: usize = 0; i < 288; i++) store<u8>(FIXED_LENGTHS + i, i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  for (let i: usize = 288; i < 320; i++) store<u8>(FIXED_LENGTHS + i, 5);
}

@inline
export function distanceExtra(symbol: u32): u32 {
  return symbol < 4 ? 0 : (symbol - 2) >> 1;
}

/** Extra bits that the block's matches take in any form. */
function extraBits(): u32 {
  let bits: u32 = 0;
  for (let i: u32 = 8; i < 28; i++) {
    bits += load<u32>(BLOCK + 257 * 4 + (<usize>i << 2)) * <u32>load<u8>(LENGTH_EXTRA + i);
  }
  for (let i: u32 = 4; i < 30; i++) bits += load<u32>(BLOCK + DISTANCES + (<usize>i << 2)) * distanceExtra(i);
  return bits;
}

/** Bits of the block's symbols with codes of these lengths. */
function codeBits(lengths: usize): u32 {
  let bits: u32 = 0;
  for (let i: usize = 0; i < 320; i++) bits += load<u32>(BLOCK + (i << 2)) * <u32>load<u8>(lengths + i);
  return bits;
}

/** Prepares the code lengths for sending and returns how many bits the head of the block takes. */
function prepareHead(): u32 {
  literalsSent = 286;
  while (literalsSent > 257 && load<u8>(LENGTHS + literalsSent - 1) == 0) literalsSent--;
  distancesSent = 30;
  while (distancesSent > 1 && load<u8>(LENGTHS + 288 + distancesSent - 1) == 0) distancesSent--;
  memory.fill(SENT_COUNTS, 0, 32 * 4);
  sentCount = 0;
  let bits: u32 = 3 + 5 + 5 + 4;
  const all = literalsSent + distancesSent;
  memory.copy(ROW, LENGTHS, literalsSent);
  memory.copy(ROW + literalsSent, LENGTHS + 288, distancesSent);
  for (let i: u32 = 0; i < all; ) {
    const length = <u32>load<u8>(ROW + i);
    let run: u32 = 1;
    while (i + run < all && <u32>load<u8>(ROW + i + run) == length) run++;
    i += run;
    if (length == 0) {
      for (; run >= 11; ) {
        const part = min<u32>(run, 138);
        send(18, part - 11);
        bits += 7;
        run -= part;
      }
      if (run >= 3) {
        send(17, run - 3);
        bits += 3;
        run = 0;
      }
    } else {
      send(length, 0);
      run--;
      for (; run >= 3; ) {
        const part = min<u32>(run, 6);
        send(16, part - 3);
        bits += 2;
        run -= part;
      }
    }
    for (; run > 0; run--) send(length, 0);
  }
  codeLengths(SENT_COUNTS, 19, 7, SENT_LENGTHS);
  ordersSent = 19;
  while (ordersSent > 4 && load<u8>(SENT_LENGTHS + load<u8>(ORDER + ordersSent - 1)) == 0) ordersSent--;
  for (let i: usize = 0; i < 19; i++) bits += load<u32>(SENT_COUNTS + (i << 2)) * <u32>load<u8>(SENT_LENGTHS + i);
  return bits + 3 * ordersSent;
}

@inline
function send(symbol: u32, extra: u32): void {
  store<u16>(SENT + (<usize>sentCount << 1), symbol | (extra << 8));
  sentCount++;
  const at = SENT_COUNTS + (<usize>symbol << 2);
  store<u32>(at, load<u32>(at) + 1);
}

function putHead(): void {
  putBits(0b100 | ((literalsSent - 257) << 3) | ((distancesSent - 1) << 8) | ((ordersSent - 4) << 13), 17);
  for (let i: u32 = 0; i < ordersSent; i++) putBits(load<u8>(SENT_LENGTHS + load<u8>(ORDER + i)), 3);
  assignCodes(SENT_LENGTHS, 19, SENT_CODES);
  for (let i: u32 = 0; i < sentCount; i++) {
    const item = <u32>load<u16>(SENT + (<usize>i << 1));
    const symbol = item & 0xff;
    const code = load<u32>(SENT_CODES + (<usize>symbol << 2));
    const size = code >> 24;
    const extraSize: u32 = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    putBits((code & 0xffffff) | ((item >> 8) << size), size + extraSize);
  }
}

/** Builds the tables of codes from the lengths at `literals` and `distances`. */
function makeCodes(literals: usize, symbols: u32, distances: usize): void {
  assignCodes(literals, symbols, LITERAL_CODES);
  assignCodes(distances, 30, DISTANCE_CODES);
  for (let i: u32 = 0; i < 30; i++) {
    const at = DISTANCE_CODES + (<usize>i << 2);
    const code = load<u32>(at);
    // Bits 16-23: the code's length; from 24: with the extra bits.
    store<u32>(at, (code & 0xffff) | ((code >> 24) << 16) | (((code >> 24) + distanceExtra(i)) << 24));
  }
  for (let i: u32 = 0; i < 29; i++) {
    const code = load<u32>(LITERAL_CODES + 257 * 4 + (<usize>i << 2));
    const size = code >> 24;
    const extra = <u32>load<u8>(LENGTH_EXTRA + i);
    const base = <u32>load<u16>(LENGTH_BASE + (i << 1));
    const bits = (code & 0xffffff) | ((size + extra) << 24);
    const count: u32 = i == 27 ? 31 : <u32>1 << extra;
    for (let j: u32 = 0; j < count; j++) store<u32>(LENGTH_CODES + (<usize>(base + j) << 2), bits + (j << size));
  }
}

/** The literals are at `p`: with gaps as long as the matches if `gaps` is all ones, without if it is 0. */
function putSequences(at: usize, end: usize, p: usize, gaps: usize): void {
  let buffer = bitBuffer;
  let count = bitCount;
  let out = outputAt;
  for (; at < end; at += 8) {
    const sequence = load<u32>(at);
    let literals = sequence & ((1 << LENGTH_SHIFT) - 1);
    const length = sequence >> LENGTH_SHIFT;
    for (; literals >= 4; literals -= 4) {
      const four = load<u32>(p);
      const a = load<u32>(LITERAL_CODES + (<usize>(four & 0xff) << 2));
      const b = load<u32>(LITERAL_CODES + (<usize>((four >> 8) & 0xff) << 2));
      const c = load<u32>(LITERAL_CODES + (<usize>((four >> 16) & 0xff) << 2));
      const d = load<u32>(LITERAL_CODES + (<usize>(four >> 24) << 2));
      buffer |= <u64>(a & 0xffffff) << count;
      count += a >> 24;
      buffer |= <u64>(b & 0xffffff) << count;
      count += b >> 24;
      buffer |= <u64>(c & 0xffffff) << count;
      count += c >> 24;
      buffer |= <u64>(d & 0xffffff) << count;
      count += d >> 24;
      store<u64>(out, buffer);
      out += <usize>(count >> 3);
      buffer >>= count & ~7;
      count &= 7;
      p += 4;
    }
    const three = load<u32>(p);
    const a = select<u32>(load<u32>(LITERAL_CODES + (<usize>(three & 0xff) << 2)), 0, literals > 0);
    const b = select<u32>(load<u32>(LITERAL_CODES + (<usize>((three >> 8) & 0xff) << 2)), 0, literals > 1);
    const c = select<u32>(load<u32>(LITERAL_CODES + (<usize>((three >> 16) & 0xff) << 2)), 0, literals > 2);
    buffer |= <u64>(a & 0xffffff) << count;
    count += a >> 24;
    buffer |= <u64>(b & 0xffffff) << count;
    count += b >> 24;
    buffer |= <u64>(c & 0xffffff) << count;
    count += c >> 24;
    p += literals;
    store<u64>(out, buffer);
    out += <usize>(count >> 3);
    buffer >>= count & ~7;
    count &= 7;
    if (length > 0) {
      const a = load<u32>(LENGTH_CODES + (<usize>length << 2));
      buffer |= <u64>(a & 0xffffff) << count;
      count += a >> 24;
      const distance = load<u32>(at, 4);
      const code = load<u32>(DISTANCE_CODES + (<usize>(distance >> 16) << 2));
      const size = (code >> 16) & 0xff;
      const extra = distance & ((1 << ((code >> 24) - size)) - 1);
      buffer |= <u64>((code & 0xffff) | (extra << size)) << count;
      count += code >> 24;
      store<u64>(out, buffer);
      out += <usize>(count >> 3);
      buffer >>= count & ~7;
      count &= 7;
      p += <usize>length & gaps;
    }
  }
  setBits(buffer, count, out);
  const end256 = load<u32>(LITERAL_CODES + END_OF_BLOCK);
  putBits(end256 & 0xffffff, end256 >> 24);
}

/**
 * Writes the block of which BLOCK is the histogram: the sequences at `at` to `end`, over `size` bytes from `p`. The
 * literals are taken from there, or, one behind the other, from `literals`, if that is not 0.
 */
export function putBlock(at: usize, end: usize, p: usize, size: usize, literals: usize): void {
  const gaps: usize = literals == 0 ? ~(<usize>0) : 0;
  if (literals == 0) literals = p;
  store<u32>(BLOCK + END_OF_BLOCK, 1);
  const extra = extraBits();
  codeLengths(BLOCK, 286, LITERAL_LIMIT, LENGTHS);
  codeLengths(BLOCK + DISTANCES, 30, DISTANCE_LIMIT, LENGTHS + 288);
  const ownBits = codeBits(LENGTHS) + extra;
  // The same for every form.
  const fixedBits: u32 = 3 + codeBits(FIXED_LENGTHS) + extra;
  const storedBits = ((<u32>size << 3) + 40 * ((<u32>size + 0xfffe) / 0xffff));
  // Noise with a tar header here and there: the headers alone are not worth coding, and decoding, every byte of the rest.
  const leastBits = gaps == 0 ? storedBits - (storedBits >> 7) : storedBits;
  if (leastBits <= min<u32>(ownBits, fixedBits)) {
    putStored(p, size);
    return;
  }
  const ownAll: u32 = ownBits + prepareHead();
  if (leastBits <= min<u32>(ownAll, fixedBits)) {
    putStored(p, size);
  } else if (fixedBits <= ownAll) {
    putBits(0b010, 3);
    makeCodes(FIXED_LENGTHS, 288, FIXED_LENGTHS + 288);
    putSequences(at, end, literals, gaps);
  } else {
    putHead();
    makeCodes(LENGTHS, 286, LENGTHS + 288);
    putSequences(at, end, literals, gaps);
  }
}
