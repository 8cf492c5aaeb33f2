/**
 * Where things lie in the kernel's linear memory. Nothing is allocated; every region has a fixed place.
 *
 * | offset   | size     | meaning                                                        |
 * |----------|----------|----------------------------------------------------------------|
 * | 0        | 64 KiB   | static data: histograms, codes and small tables                |
 * | 0x10000  | 256 KiB  | rows of candidates (rows.ts); or addresses (quick.ts)          |
 * | 0x50000  | 64 KiB   | places of three bytes (optimal.ts)                             |
 * | 0x60000  | 768 KiB  | sequences of the block under way (sequences.ts)                |
 * | 0x120000 | 1088 KiB | the window before the chunk, then the chunk, then 64 zeros     |
 * | 0x230000 | 1088 KiB | compressed blocks                                              |
 * | 0x340000 | 704 KiB  | matches and prices of a segment (optimal.ts); or literals of   |
 * |          |          | the block under way (quick.ts)                                 |
 *
 * The rows keep the low 16 bits of addresses. That the window begins at a multiple of 64 KiB lets a table of
 * zeros stand for the window's first byte: whatever a table holds is a place in the window.
 */
export const ROWS: usize = 0x10000;
export const ROWS_SIZE: usize = 0x40000;
export const SHORTS: usize = 0x50000;
export const SHORTS_SIZE: usize = 0x10000;
export const SEQUENCES: usize = 0x60000;
export const WINDOW: usize = 0x120000;
export const OUTPUT: usize = 0x230000;
export const SEGMENT_AREA: usize = 0x340000;
export const MEMORY_END: usize = 0x3f0000;

/** Called once, before anything else. */
export function layOut(): void {
  const pages = <i32>(MEMORY_END >> 16) - memory.size();
  if (pages > 0) memory.grow(pages);
}
