/**
 * Buffers of a few sizes that are used again and again, and may be with another thread in between. What nobody gives back
 * is the garbage collector's, which can take its time: it knows little of memory outside its heap.
 */
const free = new Map<number, Uint8Array<ArrayBuffer>[]>();

/** More than these are seldom in use at once. */
const keptPerSize = 32;

/** A buffer that nobody else has; what is in it is anything. */
export function takeBuffer(sizeBytes: number): Uint8Array<ArrayBuffer> {
  let kept = free.get(sizeBytes);
  if (kept === undefined) {
    kept = [];
    free.set(sizeBytes, kept);
  }
  return kept.pop() ?? new Uint8Array(sizeBytes);
}

/** For whoever takes one of this size next. Of sizes that nobody ever took, none is kept. */
export function giveBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  const kept = free.get(buffer.length);
  if (kept !== undefined && kept.length < keptPerSize) kept.push(buffer);
}
