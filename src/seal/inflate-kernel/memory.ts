/**
 * Where things lie in the kernel's linear memory: three pages, 192 KiB, that never grow. An instance serves one stream,
 * so that every address is a constant.
 *
 * | offset  | size    | meaning                                                                   |
 * |---------|---------|---------------------------------------------------------------------------|
 * | 0       | 8 KiB   | static data: bases of symbols, patterns, work space                       |
 * | 0x2000  | 19 KiB  | table of literals and lengths (table.ts)                                  |
 * | 0x6c00  | 5 KiB   | table of distances                                                        |
 * | 0x8000  | 32 KiB  | compressed bytes, and 64 more that may be looked at but mean nothing      |
 * | 0x10000 | 128 KiB | 32 KiB of output that matches refer to, new output, 1 KiB to write beyond |
 */
export const LITLEN_TABLE: usize = 0x2000;
export const DISTANCE_TABLE: usize = 0x6c00;
export const INPUT: usize = 0x8000;
export const INPUT_SIZE: usize = 0x8000 - 64;
export const OUTPUT: usize = 0x10000;
/** Output that has come so far ends a call: from here on a symbol and what wide copies write too much find room. */
export const OUTPUT_LIMIT: usize = 0x30000 - 1024;
export const MEMORY_END: usize = 0x30000;
export const WINDOW_SIZE: usize = 0x8000;

/** Called once, before anything else. */
export function layOut(): void {
  const pages = <i32>(MEMORY_END >> 16) - memory.size();
  if (pages > 0) memory.grow(pages);
}
