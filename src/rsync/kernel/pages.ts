/**
 * Entries of the old signature where they are too many to be held: a page of them at a time, fetched from outside. A search
 * goes from one block to the next, and so from page to page, or jumps to a block found elsewhere.
 */

/** Has entries put at an address: those of `count` blocks from `first` on, which are there. */
@external("env", "fetchEntries")
declare function fetchEntries(at: usize, first: u32, count: u32): void;

/** Size of a page. */
export const PAGE_AREA: usize = 0x10000;
/** Entries fetched around a block that was jumped to: half of them before it. */
const AROUND: u32 = 256;

let page: usize = 0;
let entrySize: usize = 0;
let mostEntries: u32 = 0;
let blocks: u32 = 0;
let first: u32 = 0;
let count: u32 = 0;

/** Begins with an empty page at an address. */
export function openPages(at: usize, size: usize, all: u32): void {
  page = at;
  entrySize = size;
  mostEntries = <u32>(PAGE_AREA / size);
  blocks = all;
  first = 0;
  count = 0;
}

/** The entries of so many blocks, 4 at most, that are there. Valid until the next call. */
@inline
export function pagedEntry(block: u32, wanted: u32): usize {
  if (block < first || block - first + wanted > count) turnTo(block);
  return page + <usize>(block - first) * entrySize;
}

function turnTo(block: u32): void {
  const follows = block >= first && block - first <= count;
  const half = AROUND >> 1;
  first = follows || block < half ? block : block - half;
  count = min<u32>(follows ? mostEntries : AROUND, blocks - first);
  fetchEntries(page, first, count);
}
