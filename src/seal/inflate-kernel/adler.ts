/** Adler-32 (RFC 1950, 8.2). */

const MODULUS: u32 = 65521;
/** Sums of so many bytes fit into 32 bits: a multiple of 32 below zlib's 5552. */
const RUN: usize = 4096;

/** Goes on from `adler`, which is 1 at the beginning. */
export function adler32(p: usize, size: usize, adler: u32): u32 {
  let a = adler & 0xffff;
  let b = adler >> 16;
  const end = p + size;
  while (p < end) {
    const runEnd = min<usize>(p + RUN, end);
    const vectors = (runEnd - p) >> 4;
    const weights = i8x16(16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1);
    const lowWeights = i16x8.extend_low_i8x16_u(weights);
    const highWeights = i16x8.extend_high_i8x16_u(weights);
    // Of all vectors: their sums, the sums that stood before each of them, and their bytes by weight.
    let sums = i32x4.splat(0);
    let earlier = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    const vectorsEnd = p + (vectors << 4);
    b += a * <u32>(vectors << 4);
    for (; p < vectorsEnd; p += 16) {
      const bytes = v128.load(p);
      earlier = i32x4.add(earlier, sums);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(bytes), lowWeights));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(bytes), highWeights));
    }
    a += lanes(sums);
    b += (lanes(earlier) << 4) + lanes(weighted);
    for (; p < runEnd; p++) {
      a += load<u8>(p);
      b += a;
    }
    a %= MODULUS;
    b %= MODULUS;
  }
  return (b << 16) | a;
}

@inline
function lanes(v: v128): u32 {
  return (
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3)
  );
}
