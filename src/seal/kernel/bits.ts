/** The bit stream of the output, least significant bit first (RFC 1951, 3.1.1). */
import { OUTPUT } from './memory';

/** Bits that are not stored yet, and how many: fewer than 8 between calls. */
export let bitBuffer: u64 = 0;
export let bitCount: u64 = 0;
/** Where the next whole byte goes. */
export let outputAt: usize = OUTPUT;

export function openBits(): void {
  bitBuffer = 0;
  bitCount = 0;
  outputAt = OUTPUT;
}

/** Takes over from a loop that kept the three in locals. */
export function setBits(buffer: u64, count: u64, at: usize): void {
  bitBuffer = buffer;
  bitCount = count;
  outputAt = at;
}

/** Up to 56 bits. */
export function putBits(value: u64, count: u64): void {
  const buffer = bitBuffer | (value << bitCount);
  const all = bitCount + count;
  store<u64>(outputAt, buffer);
  outputAt += <usize>(all >> 3);
  bitBuffer = buffer >> (all & ~7);
  bitCount = all & 7;
}

/** A block of stored bytes, or several if they are too many for one. At least one, and empty, if there are none. */
export function putStored(p: usize, size: usize): void {
  do {
    const part = min<usize>(size, 0xffff);
    putBits(0, 3);
    if (bitCount > 0) putBits(0, 8 - bitCount);
    store<u16>(outputAt, <u16>part);
    store<u16>(outputAt, ~(<u16>part), 2);
    memory.copy(outputAt + 4, p, part);
    outputAt += 4 + part;
    p += part;
    size -= part;
  } while (size > 0);
}
