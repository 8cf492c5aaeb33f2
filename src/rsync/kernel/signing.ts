/** Signatures in a memory that is shared with other threads: of it, only the first 64 KiB are used here by themselves. */
import { ENTRY, signBlocksAt } from './signature';

/**
 * Entries of the blocks of `blockSize` bytes that `size` bytes at `p` begin with, to `entries`; what is left over counts as a
 * file's short last block. Returns where the entries end.
 */
export function sign(p: usize, size: u32, blockSize: u32, entries: usize): usize {
  const count = size / blockSize;
  const rest = size % blockSize;
  signBlocksAt(p, blockSize, count, entries);
  const end = entries + <usize>count * ENTRY;
  if (rest == 0) return end;
  signBlocksAt(p + (size - rest), rest, 1, end);
  return end + ENTRY;
}
