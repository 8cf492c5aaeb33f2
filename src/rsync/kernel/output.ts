/** Delta commands. A copy is held back, so that one that goes on where it ended makes it longer. */
import { DELTA_OUTPUT, DELTA_OUTPUT_SIZE } from './memory';

/** Longest literal: the operand stays at two bytes. */
export const MAX_LITERAL: u32 = 0xffff;

const OP_END: u32 = 0;
const OP_LITERAL_SHORT_MAX: u32 = 64;
/** Literal with an operand of 1 byte; then 2, 4, 8. */
const OP_LITERAL: u32 = 65;
/** Copy with operands of 1 and 1 byte; then position 1 with length 2, 4, 8; then position 2 with ... */
const OP_COPY: u32 = 69;

/** Bytes ready at the output. */
let outputUsed: u32 = 0;

let copyAt: u64 = 0;
let copySize: u64 = 0;

/** Forgets everything and begins with the magic. */
export function openOutput(): void {
  copySize = 0;
  store<u32>(DELTA_OUTPUT, bswap<u32>(0x72730236));
  outputUsed = 4;
}

export function outputSize(): u32 {
  return outputUsed;
}

export function clearOutput(): void {
  outputUsed = 0;
}

/** Whether half of the output is free: room for one step of the search. */
@inline
export function hasRoom(): bool {
  return outputUsed <= (<u32>DELTA_OUTPUT_SIZE >> 1);
}

@inline
function putByte(value: u32): void {
  store<u8>(DELTA_OUTPUT + outputUsed, value);
  outputUsed++;
}

/** 0, 1, 2, 3 for a number that fits 1, 2, 4, 8 bytes. */
function widthOf(value: u64): u32 {
  if (value <= 0xff) return 0;
  if (value <= 0xffff) return 1;
  return value <= 0xffffffff ? 2 : 3;
}

function putNumber(value: u64, width: u32): void {
  for (let shift: i32 = (8 << width) - 8; shift >= 0; shift -= 8) putByte(<u32>(value >> shift) & 0xff);
}

function putCopy(): void {
  if (copySize == 0) return;
  const atWidth = widthOf(copyAt);
  const sizeWidth = widthOf(copySize);
  putByte(OP_COPY + (atWidth << 2) + sizeWidth);
  putNumber(copyAt, atWidth);
  putNumber(copySize, sizeWidth);
  copySize = 0;
}

/** `size` bytes of the old file from `at`. */
export function emitCopy(at: u64, size: u64): void {
  if (copySize != 0 && copyAt + copySize == at) {
    copySize += size;
    return;
  }
  putCopy();
  copyAt = at;
  copySize = size;
}

/** 1 to MAX_LITERAL new bytes from `p`. */
export function emitLiteral(p: usize, size: u32): void {
  putCopy();
  if (size <= OP_LITERAL_SHORT_MAX) {
    putByte(size);
  } else {
    const width = widthOf(size);
    putByte(OP_LITERAL + width);
    putNumber(size, width);
  }
  memory.copy(DELTA_OUTPUT + outputUsed, p, size);
  outputUsed += size;
}

export function emitEnd(): void {
  putCopy();
  putByte(OP_END);
}
