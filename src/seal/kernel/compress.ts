/** Compresses a chunk: parses it segment by segment and decides where one block ends and the next begins. */
import { bitCount, openBits, outputAt, putStored } from './bits';
import { putBlock } from './block';
import { addUp, BLOCK, BOTH, clearHistogram, SEGMENT, symbolBits, takeBoth, takeSegment } from './histogram';
import { openLazy, parseBalanced } from './lazy';
import { OUTPUT, ROWS, ROWS_SIZE, SEQUENCES, WINDOW } from './memory';
import { openOptimal, parseOptimal } from './optimal';
import { dropAllLiterals, dropLiterals, LITERALS, literalsEnd, openQuick, parseQuick, passNoise } from './quick';
import { insertRange } from './rows';
import { sequencesEnd, setSequencesEnd } from './sequences';

const FAST: u32 = 0;
const BALANCED: u32 = 1;

/** What is parsed, and then added to the block or begins the next one. */
const SEGMENT_SIZE: usize = 0x2000;
/** The same for `fast`: a look at a segment costs time. */
const FAST_SEGMENT_SIZE: usize = 0x4000;
/** The sequences of a block and a segment must find room. */
const MAX_BLOCK_SIZE: usize = 0x30000;
/** Bits that a new block must save to be worth its head. */
const HEAD_BITS: f32 = 600;
const FAST_HEAD_BITS: f32 = 1100;
/** A segment that takes more bits for a byte is not compressed; neither will be the next, most often. */
const NOISE_BITS: f32 = 7.9;

/**
 * Compresses `size` bytes, 1 to 1 MiB, that stand behind `windowSize` bytes, up to 32 KiB, at WINDOW. Returns the size
 * of the blocks at OUTPUT. None is marked last, and they end on a byte boundary. Effort: 0 fast, 1 balanced, 2 small.
 */
export function compress(windowSize: u32, size: u32, effort: u32): u32 {
  let p = WINDOW + windowSize;
  const end = p + size;
  store<u64>(end, 0);
  const isFast = effort == FAST;
  let isNoise = false;
  if (isFast) {
    isNoise = openQuick(p, end);
  } else {
    memory.fill(ROWS, 0, ROWS_SIZE);
    insertRange(WINDOW, p);
    openLazy(p);
    if (effort > BALANCED) openOptimal(p);
  }
  const segmentSize = isFast ? FAST_SEGMENT_SIZE : SEGMENT_SIZE;
  const headBits = isFast ? FAST_HEAD_BITS : HEAD_BITS;
  const literals: usize = isFast ? LITERALS : 0;
  openBits();
  setSequencesEnd(SEQUENCES);
  clearHistogram(BLOCK);
  const from = p;
  let blockFrom = p;
  let blockBits: f32 = 0;
  while (p < end) {
    if (isFast && isNoise) {
      const noiseFrom = p;
      p = passNoise(p, end);
      if (p > noiseFrom) {
        if (blockFrom < noiseFrom)
          putBlock(SEQUENCES, sequencesEnd, blockFrom, noiseFrom - blockFrom, literals);
        putStored(noiseFrom, p - noiseFrom);
        setSequencesEnd(SEQUENCES);
        dropAllLiterals(p);
        clearHistogram(BLOCK);
        blockFrom = p;
        blockBits = 0;
        isNoise = false;
        continue;
      }
    }
    const segmentFrom = p;
    const segmentSequences = sequencesEnd;
    const segmentLiterals = literalsEnd;
    const stop = min<usize>(p + segmentSize, end);
    clearHistogram(SEGMENT);
    if (isFast) p = parseQuick(p, stop, end);
    else if (effort == BALANCED || isNoise) p = parseBalanced(p, stop, end);
    else p = parseOptimal(p, stop, end, p == from);
    const segmentBits = symbolBits(SEGMENT);
    isNoise = segmentBits > NOISE_BITS * <f32>(p - segmentFrom);
    addUp();
    const bothBits = symbolBits(BOTH);
    const isFull = p - blockFrom > MAX_BLOCK_SIZE;
    if (segmentFrom > blockFrom && (isFull || bothBits - blockBits - segmentBits > headBits)) {
      putBlock(SEQUENCES, segmentSequences, blockFrom, segmentFrom - blockFrom, literals);
      if (isFast) dropLiterals(segmentLiterals);
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
  if (blockFrom < end) putBlock(SEQUENCES, sequencesEnd, blockFrom, end - blockFrom, literals);
  if (bitCount != 0) putStored(end, 0);
  return <u32>(outputAt - OUTPUT);
}
