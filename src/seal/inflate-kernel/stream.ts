/** The stream as a whole: block behind block, as far as input and room allow. */
import { readCodes } from './codes';
import { forgetTables, readHead } from './head';
import { INPUT, OUTPUT, OUTPUT_LIMIT, WINDOW_SIZE } from './memory';
import {
  bitAt,
  bitsEnd,
  CODES,
  ENDED,
  GO_ON,
  HEAD,
  isLastBlock,
  mode,
  openState,
  OUTPUT_FULL,
  outputAt,
  setBitAt,
  setBitsEnd,
  setMode,
  setOutputAt,
  setStoredLeft,
  STORED,
  storedLeft,
  WANTS_INPUT,
} from './state';

/** Where the output of the last call begins. */
let start: usize = OUTPUT;

/** Begins a new stream. */
export function open(): void {
  openState();
  start = OUTPUT;
  forgetTables();
}

/**
 * Goes on with so many more bytes behind `inputEnd`. What was put out before has been taken. Returns how it ended; new
 * output lies from `outputStart` to `outputEnd`.
 */
export function inflate(moreInput: u32): u32 {
  setBitsEnd(bitsEnd + (<usize>moreInput << 3));
  if (outputAt >= OUTPUT_LIMIT) slide();
  start = outputAt;
  let result = GO_ON;
  while (result == GO_ON) {
    if (mode == CODES) {
      result = readCodes();
    } else if (mode == STORED) {
      result = readStored();
    } else {
      if (isLastBlock) return ENDED;
      result = readHead();
      continue;
    }
    if (result == GO_ON) setMode(HEAD);
  }
  return result;
}

function readStored(): u32 {
  if (storedLeft > 0 && outputAt >= OUTPUT_LIMIT) return OUTPUT_FULL;
  const at = bitAt >> 3;
  const size = min<usize>(storedLeft, min<usize>((bitsEnd >> 3) - at, OUTPUT_LIMIT - outputAt));
  memory.copy(outputAt, at, size);
  setBitAt((at + size) << 3);
  setOutputAt(outputAt + size);
  setStoredLeft(storedLeft - size);
  if (storedLeft == 0) return GO_ON;
  return outputAt >= OUTPUT_LIMIT ? OUTPUT_FULL : WANTS_INPUT;
}

/** Keeps what matches may refer to, and makes room for more. */
function slide(): void {
  memory.copy(OUTPUT, outputAt - WINDOW_SIZE, WINDOW_SIZE);
  setOutputAt(OUTPUT + WINDOW_SIZE);
}

/** Moves what is left of the input to the front; returns where more goes. */
export function makeRoom(): u32 {
  const at = bitAt >> 3;
  const size = (bitsEnd >> 3) - at;
  memory.copy(INPUT, at, size);
  setBitAt((INPUT << 3) + (bitAt & 7));
  setBitsEnd((INPUT + size) << 3);
  return <u32>(INPUT + size);
}

/** Bytes that have come and of which no bit is used. */
export function unusedInput(): u32 {
  return <u32>((bitsEnd >> 3) - ((bitAt + 7) >> 3));
}

export function outputStart(): u32 {
  return <u32>start;
}

export function outputEnd(): u32 {
  return <u32>outputAt;
}
