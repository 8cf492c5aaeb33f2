/** BLAKE2b (RFC 7693) with a digest of 32 bytes and no key. */

/** The digest. */
export const BLAKE2_DIGEST: usize = memory.data(32, 16);

const STATE: usize = memory.data(64, 16);
const WORK: usize = memory.data(128, 16);
const LAST: usize = memory.data(128, 16);

const IV: usize = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
  0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);

/** Which message word each half of each mixing takes, for ten rounds; the last two of twelve repeat the first two. */
const ORDER: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
  11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
  7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
  9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
  2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
  12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
  13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
  6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
  10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
]);

@inline
function at(base: usize, index: u32): u64 {
  return load<u64>(base + (<usize>index << 3));
}

function mix(a: u32, b: u32, c: u32, d: u32, x: u64, y: u64): void {
  let va = at(WORK, a);
  let vb = at(WORK, b);
  let vc = at(WORK, c);
  let vd = at(WORK, d);
  va += vb + x;
  vd = rotr<u64>(vd ^ va, 32);
  vc += vd;
  vb = rotr<u64>(vb ^ vc, 24);
  va += vb + y;
  vd = rotr<u64>(vd ^ va, 16);
  vc += vd;
  vb = rotr<u64>(vb ^ vc, 63);
  store<u64>(WORK + (a << 3), va);
  store<u64>(WORK + (b << 3), vb);
  store<u64>(WORK + (c << 3), vc);
  store<u64>(WORK + (d << 3), vd);
}

function compress(p: usize, soFar: u64, last: bool): void {
  memory.copy(WORK, STATE, 64);
  memory.copy(WORK + 64, IV, 64);
  store<u64>(WORK, at(WORK, 12) ^ soFar, 96);
  if (last) store<u64>(WORK, ~at(WORK, 14), 112);
  for (let round: u32 = 0; round < 12; round++) {
    const order = ORDER + (<usize>(round % 10) << 4);
    for (let i: u32 = 0; i < 8; i++) {
      const column = i & 3;
      const turn = i >> 2;
      mix(
        column,
        4 + ((column + turn) & 3),
        8 + ((column + (turn << 1)) & 3),
        12 + ((column + turn * 3) & 3),
        at(p, load<u8>(order + (i << 1))),
        at(p, load<u8>(order + (i << 1), 1)),
      );
    }
  }
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(STATE + (i << 3), at(STATE, i) ^ at(WORK, i) ^ at(WORK, i + 8));
  }
}

/** The digest of `size` bytes at `p`, to BLAKE2_DIGEST. */
export function blake2b(p: usize, size: u32): void {
  memory.copy(STATE, IV, 64);
  store<u64>(STATE, at(STATE, 0) ^ 0x01010020);
  let done: u64 = 0;
  // The last chunk, even a whole one, is compressed as last.
  for (; size - <u32>done > 128; done += 128) compress(p + <usize>done, done + 128, false);
  const rest = size - <u32>done;
  memory.fill(LAST, 0, 128);
  memory.copy(LAST, p + <usize>done, rest);
  compress(LAST, size, true);
  memory.copy(BLAKE2_DIGEST, STATE, 32);
}
