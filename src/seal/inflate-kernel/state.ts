/** Where the stream stands between calls, and how a call ends. */
import { INPUT, OUTPUT } from './memory';

/** How a call ended. From DAMAGED on it is the number of a message. */
export const WANTS_INPUT: u32 = 0;
export const OUTPUT_FULL: u32 = 1;
export const ENDED: u32 = 2;
export const BAD_BLOCK_TYPE: u32 = 3;
export const BAD_STORED_LENGTHS: u32 = 4;
export const TOO_MANY_SYMBOLS: u32 = 5;
export const BAD_LENGTHS_CODE: u32 = 6;
export const BAD_REPEAT: u32 = 7;
export const NO_END_OF_BLOCK: u32 = 8;
export const BAD_LITLEN_CODE: u32 = 9;
export const BAD_DISTANCE_CODE: u32 = 10;
export const NO_SUCH_LITLEN: u32 = 11;
export const NO_SUCH_DISTANCE: u32 = 12;
export const TOO_FAR_BACK: u32 = 13;

/** What a step returns that came to its end: the next one can follow. */
export const GO_ON: u32 = 0xff;

/** What the stream is in the middle of. */
export const HEAD: u32 = 0;
export const STORED: u32 = 1;
export const CODES: u32 = 2;

/** Where the next bit stands: eight times the address of its byte, and its number there, lowest first. */
export let bitAt: usize = INPUT << 3;
/** Behind the last bit that has come. */
export let bitsEnd: usize = INPUT << 3;
/** Where the next byte of output goes. */
export let outputAt: usize = OUTPUT;
export let mode: u32 = HEAD;
export let isLastBlock: bool = false;
/** Bytes of a stored block that are still to come. */
export let storedLeft: usize = 0;

export function openState(): void {
  bitAt = INPUT << 3;
  bitsEnd = INPUT << 3;
  outputAt = OUTPUT;
  mode = HEAD;
  isLastBlock = false;
  storedLeft = 0;
}

/** Bits from a place on, 57 of them at least. Those behind the end mean nothing. */
@inline
export function bitsFrom(at: usize): u64 {
  return load<u64>(at >> 3) >> (at & 7);
}

export function setBitAt(at: usize): void {
  bitAt = at;
}

export function setBitsEnd(end: usize): void {
  bitsEnd = end;
}

export function setOutputAt(at: usize): void {
  outputAt = at;
}

export function setMode(next: u32): void {
  mode = next;
}

export function setLastBlock(isLast: bool): void {
  isLastBlock = isLast;
}

export function setStoredLeft(size: usize): void {
  storedLeft = size;
}
