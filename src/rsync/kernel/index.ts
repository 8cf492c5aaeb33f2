/**
 * The old file's signature, laid out for search: entries as they stand in the signature file, a hash table from rolling
 * sum to entry, and a Bloom filter that turns nearly every other sum away before the table is touched.
 *
 * Of a file with very many blocks only every second, fourth, ... entry is held and can be found (`thinEntries`). All of
 * them lie outside then; those around the block that is looked at are fetched from there (pages.ts).
 *
 * A block that repeats an earlier one is left out of the table, so that a file of a million equal blocks is no slower
 * than any other; a sum shared by very many different blocks finds only some of them.
 */
import { BLAKE2_DIGEST, blake2b } from './blake2b';
import { DIGESTS, md4 } from './md4';
import { ensureMemory } from './memory';
import { PAGE_AREA, openPages, pagedEntry } from './pages';

/** Slots looked at before giving up, so that sums made to collide cannot make search or filling slow. */
const MAX_PROBES: u32 = 32;
export const MIX: u32 = 0x9e3779b1;

let entries: usize = 0;
let entrySize: usize = 0;
let strongSize: u32 = 0;
let useBlake2: bool = false;
let entriesSize: usize = 0;

/** Number of blocks; final once the index is built. */
export let blockCount: u32 = 0;
/** Of as many blocks the first is held. */
export let step: u32 = 1;

/**
 * The filter: 32-bit words, chosen by the high bits of a sum's mix. In its word a sum sets one bit of each byte,
 * chosen by the low three bits of its own byte.
 */
export let filter: usize = 0;
export let filterShift: u32 = 0;

/** The table: slots of 32 bits, entry number + 1 or 0. */
let table: usize = 0;
let tableMask: u32 = 0;
let tableShift: u32 = 0;

/** An empty index whose entries will begin at `at`. */
export function openIndex(at: usize, strong: u32, blake2: bool): void {
  entries = at;
  entrySize = 4 + strong;
  strongSize = strong;
  useBlake2 = blake2;
  entriesSize = 0;
  blockCount = 0;
}

/** Where to put the next `size` bytes of the signature's entries; 0 if there is no memory for them. */
export function growEntries(size: u32): usize {
  const at = entries + entriesSize;
  if (!ensureMemory(<u64>at + size)) return 0;
  entriesSize += size;
  return at;
}

/**
 * Of the entries from number `from` on keeps number `from + first` and every `every`th from there. Returns how many there are
 * then, with those before.
 */
export function thinEntries(from: u32, first: u32, every: u32): u32 {
  const end = entries + entriesSize;
  let to = heldAt(from);
  for (let p = to + <usize>first * entrySize; p < end; p += <usize>every * entrySize, to += entrySize) {
    memory.copy(to, p, entrySize);
  }
  entriesSize = to - entries;
  return <u32>(entriesSize / entrySize);
}

/**
 * Builds filter and table over the entries that are held: the first of `every` ones, of so many blocks in all. False: no memory
 * for them.
 */
export function buildIndex(blocks: u32, every: u32): bool {
  const count = <u32>(entriesSize / entrySize);
  // One filter word per block up to 8 MiB; a table at most two thirds full.
  const filterBits = min<u32>(max<u32>(32 - clz<u32>(count), 8), 21);
  const tableBits = max<u32>(32 - clz<u32>(count + (count >> 1)), 4);
  const filterSize = <u64>4 << filterBits;
  const tableSize = <u64>4 << tableBits;
  const pagesSize: usize = every > 1 ? PAGE_AREA : 0;
  const start = ((<u64>entries + entriesSize) + 63) & ~63;
  if (!ensureMemory(start + filterSize + tableSize + pagesSize)) return false;
  filter = <usize>start;
  filterShift = 32 - filterBits;
  table = filter + <usize>filterSize;
  tableMask = (1 << tableBits) - 1;
  tableShift = 32 - tableBits;
  memory.fill(filter, 0, <usize>(filterSize + tableSize));
  blockCount = blocks;
  step = every;
  openPages(table + <usize>tableSize, entrySize, blocks);
  for (let i: u32 = 0; i < count; i++) insert(i);
  return true;
}

/** An entry that is held. */
@inline
function heldAt(index: u32): usize {
  return entries + <usize>index * entrySize;
}

/** The entries of some blocks, wherever they are. Valid until the next call. */
@inline
function entryAt(block: u32, count: u32): usize {
  return step == 1 ? heldAt(block) : pagedEntry(block, count);
}

@inline
function weakOf(entry: usize): u32 {
  return bswap<u32>(load<u32>(entry));
}

/** The rolling sum of a block. */
@inline
export function weakAt(block: u32): u32 {
  return weakOf(entryAt(block, 1));
}

@inline
function sameStrong(entry: usize, digest: usize): bool {
  if (strongSize == 8) return load<u64>(entry, 4) == load<u64>(digest);
  return memory.compare(entry + 4, digest, strongSize) == 0;
}

/** Whether a block's strong sum is the beginning of `digest`. */
@inline
export function strongMatches(block: u32, digest: usize): bool {
  return sameStrong(entryAt(block, 1), digest);
}

/** Whether the entries of four blocks, with strong sums of 8 bytes, are those at `p`. */
@inline
export function sameFour(block: u32, p: usize): bool {
  const entry = entryAt(block, 4);
  const first = v128.xor(v128.load(entry), v128.load(p));
  const second = v128.xor(v128.load(entry, 16), v128.load(p, 16));
  const third = v128.xor(v128.load(entry, 32), v128.load(p, 32));
  return !v128.any_true(v128.or(first, v128.or(second, third)));
}

/** Makes the strong sum of `size` bytes at `p` and says where it is. */
export function strongOf(p: usize, size: u32): usize {
  if (useBlake2) {
    blake2b(p, size);
    return BLAKE2_DIGEST;
  }
  md4(p, size);
  return DIGESTS;
}

/** Puts an entry that is held into filter and table. */
function insert(index: u32): void {
  const entry = heldAt(index);
  const sum = weakOf(entry);
  const mixed = sum * MIX;
  const word = filter + (<usize>(mixed >> filterShift) << 2);
  store<u32>(word, load<u32>(word) | maskOf(sum));
  let slot = mixed >> tableShift;
  for (let probe: u32 = 1; probe <= MAX_PROBES; probe++) {
    const at = table + (<usize>slot << 2);
    const holder = load<u32>(at);
    if (holder == 0) {
      store<u32>(at, index + 1);
      return;
    }
    const held = heldAt(holder - 1);
    if (weakOf(held) == sum && sameStrong(held, entry + 4)) return;
    slot = (slot + probe) & tableMask;
  }
}

function maskOf(sum: u32): u32 {
  const high = (0x100 << ((sum >> 8) & 7)) | (0x10000 << ((sum >> 16) & 7)) | (0x1000000 << ((sum >> 24) & 7));
  return (1 << (sum & 7)) | high;
}

/** Whether any block may have this rolling sum. */
export function mayHold(sum: u32): bool {
  const mask = maskOf(sum);
  return (load<u32>(filter + (<usize>((sum * MIX) >> filterShift) << 2)) & mask) == mask;
}

/** Whether the table holds a block with this rolling sum. */
export function holdsWeak(sum: u32): bool {
  let slot = (sum * MIX) >> tableShift;
  for (let probe: u32 = 1; probe <= MAX_PROBES; probe++) {
    const holder = load<u32>(table + (<usize>slot << 2));
    if (holder == 0) return false;
    if (weakOf(heldAt(holder - 1)) == sum) return true;
    slot = (slot + probe) & tableMask;
  }
  return false;
}

/** A block with these sums, or -1. */
export function find(sum: u32, digest: usize): i64 {
  let slot = (sum * MIX) >> tableShift;
  for (let probe: u32 = 1; probe <= MAX_PROBES; probe++) {
    const holder = load<u32>(table + (<usize>slot << 2));
    if (holder == 0) return -1;
    const entry = heldAt(holder - 1);
    if (weakOf(entry) == sum && sameStrong(entry, digest)) return <i64>(holder - 1) * step;
    slot = (slot + probe) & tableMask;
  }
  return -1;
}
