/**
 * Sums of the new file's own blocks, where its signature is made first: entries as they stand in that signature. A window
 * that begins with such a block need not be summed up, and one that need not be looked at need not even come.
 */
import { ensureMemory } from './memory';
import { ENTRY } from './signature';

const ROOM: usize = 0x10000;

let area: usize = 0;
let used: usize = 0;
/** Number of the block in the new file whose entry comes first. */
let firstBlock: u64 = 0;

/** Nothing is known yet. The entries will lie at `at`; returns where they end at most, 0 if there is no memory. */
export function openKnown(at: usize): usize {
  area = at;
  used = 0;
  firstBlock = 0;
  return ensureMemory(at + ROOM) ? at + ROOM : 0;
}

/** Drops the entries before a block and says how many bytes of them may come. */
export function dropKnown(before: u64): u32 {
  const dropped = <usize>min<u64>((before - firstBlock) * ENTRY, used);
  memory.copy(area, area + dropped, used - dropped);
  used -= dropped;
  firstBlock += dropped / ENTRY;
  return <u32>(ROOM - used);
}

/** Where the next entries go. */
export function knownAt(): usize {
  return area + used;
}

/** `size` bytes were put at `knownAt()`. */
export function knownCame(size: u32): void {
  used += size;
}

/** The entry of a block, if those of `count` blocks from it on are known; else 0. */
@inline
export function knownEntry(block: u64, count: u32): usize {
  const at = (block - firstBlock) * ENTRY;
  return block >= firstBlock && at + <u64>count * ENTRY <= used ? area + <usize>at : 0;
}
