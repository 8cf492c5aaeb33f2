/**
 * Where things lie in the kernel's linear memory. Nothing is allocated: every region has a fixed place, and the one
 * that grows with the file (delta.ts) comes last.
 *
 * | offset  | size    | meaning                                              |
 * |---------|---------|------------------------------------------------------|
 * | 0       | 64 KiB  | static data of the compiler and small scratch areas  |
 * | 0x10000 | 128 KiB | signature: bytes of the file                         |
 * | 0x30000 | 64 KiB  | signature: finished entries                          |
 * | 0x40000 | 256 KiB | delta: finished commands                             |
 * | 0x80000 | grows   | delta: window of the new file, index of the old file |
 */
export const SIGN_INPUT: usize = 0x10000;
export const SIGN_INPUT_SIZE: usize = 0x20000;
export const SIGN_OUTPUT: usize = 0x30000;
export const SIGN_OUTPUT_SIZE: usize = 0x10000;
export const DELTA_OUTPUT: usize = 0x40000;
export const DELTA_OUTPUT_SIZE: usize = 0x40000;
export const DELTA_AREA: usize = 0x80000;

/** Linear memory never grows past this, so that 32-bit addresses cannot overflow. */
const LIMIT: u64 = 0xe0000000;

/** Grows the memory until it reaches `end`, by a megabyte at least. False: the system or the limit says no. */
export function ensureMemory(end: u64): bool {
  const sizeBytes = (<u64>memory.size()) << 16;
  if (end <= sizeBytes) return true;
  if (end > LIMIT) return false;
  const pages = <i32>((end - sizeBytes + 0xffff) >> 16);
  if (sizeBytes > DELTA_AREA && pages < 16 && memory.grow(16) >= 0) return true;
  return memory.grow(pages) >= 0;
}
