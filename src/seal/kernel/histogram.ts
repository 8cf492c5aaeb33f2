/**
 * How often each symbol occurs: 288 counters of literals and lengths, then 32 of distances, 32 bits each. There is one
 * histogram of the block under way, one of the segment that was parsed last, and one of both together.
 */
export const HISTOGRAM_SIZE: usize = 320 * 4;
/** Offset of the distances in a histogram. */
export const DISTANCES: usize = 288 * 4;

export const BLOCK: usize = memory.data(1280, 16);
export const SEGMENT: usize = memory.data(1280, 16);
export const BOTH: usize = memory.data(1280, 16);

export function clearHistogram(at: usize): void {
  memory.fill(at, 0, HISTOGRAM_SIZE);
}

/** BOTH = BLOCK + SEGMENT. */
export function addUp(): void {
  for (let i: usize = 0; i < HISTOGRAM_SIZE; i += 16) {
    v128.store(BOTH + i, i32x4.add(v128.load(BLOCK + i), v128.load(SEGMENT + i)));
  }
}

/** The segment becomes part of the block; after `addUp`. */
export function takeBoth(): void {
  memory.copy(BLOCK, BOTH, HISTOGRAM_SIZE);
}

/** The segment becomes the block. */
export function takeSegment(): void {
  memory.copy(BLOCK, SEGMENT, HISTOGRAM_SIZE);
}

@inline
export function countLiteral(p: usize): void {
  const at = SEGMENT + (<usize>load<u8>(p) << 2);
  store<u32>(at, load<u32>(at) + 1);
}

export function countLiterals(p: usize, end: usize): void {
  for (; p + 8 <= end; p += 8) {
    let bytes = load<u64>(p);
    for (let i = 0; i < 8; i++) {
      const at = SEGMENT + ((<usize>bytes & 0xff) << 2);
      store<u32>(at, load<u32>(at) + 1);
      bytes >>= 8;
    }
  }
  for (; p < end; p++) countLiteral(p);
}

/** The binary logarithm of positive numbers, good to 0.0002; some number for others. */
@inline
export function log2(f: v128): v128 {
  const exponent = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(f, 23), i32x4.splat(127)));
  const mantissa = v128.or(v128.and(f, i32x4.splat(0x7fffff)), i32x4.splat(0x3f800000));
  const t = f32x4.sub(mantissa, f32x4.splat(1));
  let q = f32x4.splat(0.08065315847911896);
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-0.23750132506741745));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.43837932982764083));
  q = f32x4.mul(q, f32x4.mul(t, f32x4.sub(f32x4.splat(1), t)));
  return f32x4.add(exponent, f32x4.add(t, q));
}

/** f * log2(f) in each lane; 0 for 0. */
@inline
function timesLog(counts: v128): v128 {
  const f = f32x4.convert_i32x4_u(counts);
  return f32x4.mul(f, log2(f));
}

@inline
function total(sums: v128): f32 {
  return (
    f32x4.extract_lane(sums, 0) +
    f32x4.extract_lane(sums, 1) +
    f32x4.extract_lane(sums, 2) +
    f32x4.extract_lane(sums, 3)
  );
}

@inline
function totalCount(sums: v128): u32 {
  return (
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  );
}

/** Bits that an ideal code for `size / 4` counters at `at` takes. */
@inline
function entropy(at: usize, size: usize): f32 {
  let sums = f32x4.splat(0);
  let counts = i32x4.splat(0);
  for (let i: usize = 0; i < size; i += 16) {
    const f = v128.load(at + i);
    counts = i32x4.add(counts, f);
    sums = f32x4.add(sums, timesLog(f));
  }
  const all = f32x4.extract_lane(timesLog(i32x4.splat(totalCount(counts))), 0);
  return all - total(sums);
}

/** Bits that the symbols of a histogram take with codes of their own, without extra bits and the codes themselves. */
export function symbolBits(at: usize): f32 {
  return entropy(at, DISTANCES) + entropy(at + DISTANCES, HISTOGRAM_SIZE - DISTANCES);
}
