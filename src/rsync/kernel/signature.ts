/** Entries of a signature: for each block the big-endian rollsum and the first 8 bytes of its MD4. */
import { DIGESTS, md4Absorb, md4Close, md4Open } from './md4';
import { LANE_SUMS, md4x4 } from './md4x4';
import { SIGN_INPUT, SIGN_OUTPUT } from './memory';
import { rollsum, withOffset } from './weak';

/** Size of an entry. */
export const ENTRY: usize = 12;

/**
 * A block that comes in pieces.
 *
 * | offset | size | meaning         |
 * |--------|------|-----------------|
 * | 0      | 16   | MD4 state       |
 * | 16     | 4    | rollsum so far  |
 * | 24     | 8    | bytes so far    |
 */
export const OPEN_BLOCK: usize = memory.data(32, 16);

@inline
function storeEntry(entry: usize, sum: u32, digest: usize): void {
  store<u32>(entry, bswap<u32>(sum));
  store<u64>(entry, load<u64>(digest), 4);
}

/** Entries of `count` blocks of `size` bytes each from the signature input, to the signature output. */
export function signBlocks(size: u32, count: u32): void {
  signBlocksAt(SIGN_INPUT, size, count, SIGN_OUTPUT);
}

/** Entries of `count` blocks of `size` bytes each at `p`, to `entry`. */
export function signBlocksAt(p: usize, size: u32, count: u32, entry: usize): void {
  while (count != 0) {
    // Lanes that have no block of their own repeat the last one.
    const lanes = min<u32>(count, 4);
    const last = p + (lanes - 1) * size;
    const p1 = min<usize>(p + size, last);
    const p2 = min<usize>(p1 + size, last);
    md4x4(p, p1, p2, last, size);
    for (let lane: usize = 0; lane < lanes; lane++, entry += ENTRY) {
      const sums = LANE_SUMS + (lane << 2);
      storeEntry(entry, withOffset(load<u32>(sums), load<u32>(sums, 16), size), DIGESTS + (lane << 4));
    }
    p = last + size;
    count -= lanes;
  }
}

/** Begins a block that comes in pieces. */
export function openBlock(): void {
  md4Open(OPEN_BLOCK);
  store<u32>(OPEN_BLOCK, 0, 16);
  store<u64>(OPEN_BLOCK, 0, 24);
}

function addToSum(size: u32): void {
  const sum = load<u32>(OPEN_BLOCK, 16);
  const more = rollsum(SIGN_INPUT, size);
  const s1 = (sum & 0xffff) + (more & 0xffff);
  const s2 = (sum >> 16) + (sum & 0xffff) * size + (more >> 16);
  store<u32>(OPEN_BLOCK, (s2 << 16) | (s1 & 0xffff), 16);
  store<u64>(OPEN_BLOCK, load<u64>(OPEN_BLOCK, 24) + size, 24);
}

/** Takes `size` bytes, a multiple of 64, from the signature input into the open block. */
export function absorbBlock(size: u32): void {
  addToSum(size);
  md4Absorb(OPEN_BLOCK, SIGN_INPUT, size >> 6);
}

/** Takes the open block's last bytes from the signature input and puts its entry at the signature output. */
export function closeBlock(size: u32): void {
  addToSum(size);
  md4Close(OPEN_BLOCK, SIGN_INPUT, size, load<u64>(OPEN_BLOCK, 24));
  storeEntry(SIGN_OUTPUT, load<u32>(OPEN_BLOCK, 16), OPEN_BLOCK);
}
