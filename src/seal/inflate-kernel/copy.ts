/** Copies of what was put out before. They write up to 32 bytes more than they should. */

/** For distances below 16: which bytes of the last few make 16 new ones. */
const PATTERNS: usize = memory.data(16 * 16, 16);
/** The largest multiple of the distance up to 16: after so many bytes the pattern comes again. */
const STEPS: usize = memory.data(16 * 4, 16);

export function fillPatterns(): void {
  for (let distance: usize = 1; distance < 16; distance++) {
    for (let i: usize = 0; i < 16; i++) store<u8>(PATTERNS + (distance << 4) + i, <u8>(i % distance));
    store<u32>(STEPS + (distance << 2), <u32>16 - (16 % <u32>distance));
  }
}

/** Copies `length` bytes, 3 to 258, from `distance` bytes before `to`. */
@inline
export function copyMatch(to: usize, distance: usize, length: usize): void {
  const from = to - distance;
  if (distance >= 16) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    if (length > 32) {
      v128.store(to, v128.load(from, 32), 32);
      v128.store(to, v128.load(from, 48), 48);
      const end = to + length;
      for (let p = to + 64; p < end; p += 32) {
        v128.store(p, v128.load(p - distance));
        v128.store(p, v128.load(p - distance, 16), 16);
      }
    }
  } else {
    const pattern = v128.swizzle(v128.load(from), v128.load(PATTERNS + (distance << 4)));
    const step: usize = load<u32>(STEPS + (distance << 2));
    const end = to + length;
    let p = to;
    do {
      v128.store(p, pattern);
      p += step;
    } while (p < end);
  }
}
