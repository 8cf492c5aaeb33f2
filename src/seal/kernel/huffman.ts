/** Canonical Huffman codes of limited length. */

/** Symbols in use, rarest first: count << 10 | symbol. */
const SORTED: usize = memory.data(288 * 4, 16);
/** Counts of the tree's inner nodes, in the order they are made; then their parents. */
const NODES: usize = memory.data(288 * 4);
const PARENTS: usize = memory.data(288 * 4);
/** Counters of a coarse sort: 16 bins for each power of two. */
const BINS: usize = memory.data(512 * 2, 16);
/** Number of codes of each length, 32 bits each. */
const LENGTH_COUNTS: usize = memory.data(320 * 4, 16);
const NEXT_CODES: usize = memory.data(16 * 4, 16);

@inline
function binOf(count: u32): u32 {
  const high = 31 - clz<u32>(count | 16);
  return ((high - 4) << 4) + (count >> (high - 4));
}

/** Sorts the symbols in use and returns their number. */
function sortSymbols(counts: usize, symbols: u32): u32 {
  memory.fill(BINS, 0, 512 * 2);
  for (let i: u32 = 0; i < symbols; i++) {
    const bin = BINS + (<usize>binOf(load<u32>(counts + (i << 2))) << 1);
    store<u16>(bin, load<u16>(bin) + 1);
  }
  // Bin 0 holds those that do not occur.
  let used: u32 = 0;
  for (let bin: usize = BINS + 2; used + load<u16>(BINS) < symbols; bin += 2) {
    const size = <u32>load<u16>(bin);
    store<u16>(bin, used);
    used += size;
  }
  for (let i: u32 = 0; i < symbols; i++) {
    const count = load<u32>(counts + (i << 2));
    if (count == 0) continue;
    const bin = BINS + (<usize>binOf(count) << 1);
    const at = <u32>load<u16>(bin);
    store<u16>(bin, at + 1);
    store<u32>(SORTED + (<usize>at << 2), (count << 10) | i);
  }
  for (let i: usize = SORTED + 4; i < SORTED + (<usize>used << 2); i += 4) {
    const item = load<u32>(i);
    let at = i;
    for (; at > SORTED && load<u32>(at - 4) > item; at -= 4) store<u32>(at, load<u32>(at - 4));
    store<u32>(at, item);
  }
  return used;
}

/** Huffman's algorithm over the sorted symbols: leaves how many codes there are of each length, without limit. */
function countLengths(used: u32): void {
  let leaf = SORTED;
  const leavesEnd = SORTED + (<usize>used << 2);
  let node: usize = 0;
  const nodesEnd = <usize>(used - 1) << 2;
  for (let made: usize = 0; made < nodesEnd; made += 4) {
    let sum: u32 = 0;
    for (let i = 0; i < 2; i++) {
      if (leaf < leavesEnd && (node == made || load<u32>(leaf) >> 10 <= load<u32>(NODES + node))) {
        sum += load<u32>(leaf) >> 10;
        leaf += 4;
      } else {
        sum += load<u32>(NODES + node);
        store<u32>(PARENTS + node, made);
        node += 4;
      }
    }
    store<u32>(NODES + made, sum);
  }
  // Depths take the place of the nodes' counts. Two nodes hang below each inner one: those that are not inner are codes.
  memory.fill(LENGTH_COUNTS, 0, 320 * 4);
  let at: usize = nodesEnd - 4;
  store<u32>(NODES + at, 0);
  store<u32>(LENGTH_COUNTS, <u32>-1);
  store<u32>(LENGTH_COUNTS, 2, 4);
  while (at > 0) {
    at -= 4;
    const depth = load<u32>(NODES + load<u32>(PARENTS + at)) + 1;
    store<u32>(NODES + at, depth);
    const here = LENGTH_COUNTS + (<usize>depth << 2);
    store<u32>(here, load<u32>(here) - 1);
    store<u32>(here, load<u32>(here, 4) + 2, 4);
  }
}

/** Makes the longest codes `limit` long, and others longer until all fit. */
function limitLengths(used: u32, limit: u32): void {
  let room: i32 = 1 << limit;
  for (let length: u32 = 1; length <= used; length++) {
    const at = LENGTH_COUNTS + (<usize>length << 2);
    const count = load<u32>(at);
    if (count == 0) continue;
    if (length > limit) {
      const longest = LENGTH_COUNTS + (<usize>limit << 2);
      store<u32>(longest, load<u32>(longest) + count);
      store<u32>(at, 0);
      room -= count;
    } else {
      room -= count << (limit - length);
    }
  }
  for (; room < 0; room++) {
    // One of the longest codes becomes the sibling of a shorter one, which gets one bit more.
    let at = LENGTH_COUNTS + (<usize>limit << 2);
    store<u32>(at, load<u32>(at) - 1);
    do at -= 4;
    while (load<u32>(at) == 0);
    store<u32>(at, load<u32>(at) - 1);
    store<u32>(at, load<u32>(at, 4) + 2, 4);
  }
}

/**
 * Code lengths, a byte each, for symbols with these counts; 0 for a symbol that does not occur. There are always two
 * codes at least, because some decoders want a complete code.
 */
export function codeLengths(counts: usize, symbols: u32, limit: u32, lengths: usize): void {
  memory.fill(lengths, 0, symbols);
  const used = sortSymbols(counts, symbols);
  if (used < 2) {
    const only = used == 0 ? 0 : load<u32>(SORTED) & 0x3ff;
    store<u8>(lengths + only, 1);
    store<u8>(lengths + (only == 0 ? 1 : 0), 1);
    return;
  }
  countLengths(used);
  limitLengths(used, limit);
  let next = SORTED;
  for (let length = limit; length > 0; length--) {
    for (let left = load<u32>(LENGTH_COUNTS + (<usize>length << 2)); left > 0; left--) {
      store<u8>(lengths + (load<u32>(next) & 0x3ff), length);
      next += 4;
    }
  }
}

@inline
function reversed(code: u32, length: u32): u32 {
  let v = code << (16 - length);
  v = ((v & 0x5555) << 1) | ((v >> 1) & 0x5555);
  v = ((v & 0x3333) << 2) | ((v >> 2) & 0x3333);
  v = ((v & 0x0f0f) << 4) | ((v >> 4) & 0x0f0f);
  return ((v & 0xff) << 8) | (v >> 8);
}

/** Codes as they go into the bit stream: 32 bits each, the length in the highest 8. */
export function assignCodes(lengths: usize, symbols: u32, codes: usize): void {
  memory.fill(LENGTH_COUNTS, 0, 64);
  for (let i: u32 = 0; i < symbols; i++) {
    const at = LENGTH_COUNTS + (<usize>load<u8>(lengths + i) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  store<u32>(LENGTH_COUNTS, 0);
  let code: u32 = 0;
  for (let length: usize = 1; length < 16; length++) {
    code = (code + load<u32>(LENGTH_COUNTS + ((length - 1) << 2))) << 1;
    store<u32>(NEXT_CODES + (length << 2), code);
  }
  for (let i: u32 = 0; i < symbols; i++) {
    const length = <u32>load<u8>(lengths + i);
    const next = NEXT_CODES + (<usize>length << 2);
    const value = load<u32>(next);
    store<u32>(next, value + 1);
    store<u32>(codes + (i << 2), length == 0 ? 0 : reversed(value, length) | (length << 24));
  }
}
