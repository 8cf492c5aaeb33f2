/** Compresses a chunk: parses it segment by segment and decides where one block ends and the next begins. */
import { bitCount, openBits, outputAt, putStored } from './bits';
import { putBlock } from './block';
import { addUp, BLOCK, BOTH, clearHistogram, SEGMENT, symbolBits, takeBoth, takeSegment } from './histogram';
import { OUTPUT, ROWS, ROWS_SIZE, SEQUENCES, WINDOW } from './memory';
import { insertRange, openRows, parseBalanced, parseFast } from './rows';
import { sequencesEnd, setSequencesEnd } from './sequences';

const SEGMENT_SIZE: usize = 0x2000;
const MAX_BLOCK_SIZE: usize = 0x30000;

/** Bits that a new block must save to be worth its head. */
let headBits: f32 = 600;
export function tune(a: f32): void {
  headBits = a;
}

/**
 * Compresses `size` bytes, 1 to 1 MiB, that stand behind `windowSize` bytes, up to 32 KiB, at WINDOW. Returns the size
 * of the blocks at OUTPUT. None is marked last, and they end on a byte boundary.
 */
export function compress(windowSize: u32, size: u32, level: u32): u32 {
  let p = WINDOW + windowSize;
  const end = p + size;
  store<u64>(end, 0);
  memory.fill(ROWS, 0, ROWS_SIZE);
  openBits();
  openRows(p);
  setSequencesEnd(SEQUENCES);
  clearHistogram(BLOCK);
  insertRange(WINDOW, p);
  let blockFrom = p;
  let blockBits: f32 = 0;
  while (p < end) {
    const segmentFrom = p;
    const segmentSequences = sequencesEnd;
    clearHistogram(SEGMENT);
    const stop = min<usize>(p + SEGMENT_SIZE, end);
    p = level == 0 ? parseFast(p, stop, end) : parseBalanced(p, stop, end);
    const segmentBits = symbolBits(SEGMENT);
    addUp();
    const bothBits = symbolBits(BOTH);
    const isFull = p - blockFrom > MAX_BLOCK_SIZE;
    if (segmentFrom > blockFrom && (isFull || bothBits - blockBits - segmentBits > headBits)) {
      putBlock(SEQUENCES, segmentSequences, blockFrom, segmentFrom - blockFrom);
      memory.copy(SEQUENCES, segmentSequences, sequencesEnd - segmentSequences);
      setSequencesEnd(SEQUENCES + (sequencesEnd - segmentSequences));
      takeSegment();
      blockFrom = segmentFrom;
      blockBits = segmentBits;
    } else {
      takeBoth();
      blockBits = bothBits;
    }
  }
  putBlock(SEQUENCES, sequencesEnd, blockFrom, end - blockFrom);
  if (bitCount != 0) putStored(end, 0);
  return <u32>(outputAt - OUTPUT);
}
