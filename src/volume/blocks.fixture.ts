import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { Attributes } from '../base/attributes.js';
import type { ByteStream } from '../base/bytes.js';
import type { PathKey } from '../base/path-key.js';
import { blockSizeBytes } from '../format/difftar.js';
import { BlockPacker, largestBlockBytes } from './packer.js';

/** A block of a difftar, as it goes into a volume. */
export interface Block {
  key: PathKey;
  piece: number;
  bytes: Buffer;
}

/** What a set holds for a path. */
export interface TestEntry {
  key: PathKey;
  kind: 'snapshot' | 'diff' | 'deleted';
  attributes: Attributes;
  data: Buffer;
}

export function attributes(values: Partial<Attributes> = {}): Attributes {
  return {
    type: 'file',
    mode: 0o640,
    uid: 1000,
    gid: 100,
    uname: 'me',
    gname: 'us',
    mtimeSeconds: 1_600_000_000,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...values,
  };
}

export function fileEntry(
  key: PathKey,
  data: Buffer | string,
  kind: 'snapshot' | 'diff' = 'snapshot',
): TestEntry {
  return { key, kind, attributes: attributes(), data: Buffer.from(data) };
}

export function deletedEntry(key: PathKey): TestEntry {
  return { key, kind: 'deleted', attributes: attributes(), data: Buffer.alloc(0) };
}

/** Gives data out as a file is read. */
export function dataReader(data: Uint8Array): (target: Uint8Array) => number {
  let at = 0;
  return (target) => {
    const part = data.subarray(at, at + target.length);
    target.set(part);
    at += part.length;
    return part.length;
  };
}

/** Packs by way of slots that are overwritten as soon as a batch was taken. */
export function blocksOf(
  pack: (packer: BlockPacker) => void,
  slotBytes: number = largestBlockBytes,
): Block[] {
  const slots = [0, 1].map(() => Buffer.alloc(slotBytes, 0xee));
  const blocks: Block[] = [];
  let taken = 0;
  const take = () => {
    const index = taken++ % slots.length;
    return { index, bytes: slots[index]! };
  };
  const packer = new BlockPacker({ take }, ({ slot, ends, keys, pieces }) => {
    let start = 0;
    for (const [i, end] of ends.entries()) {
      blocks.push({
        key: keys[i]!,
        piece: pieces[i]!,
        bytes: Buffer.from(slots[slot]!.subarray(start, end)),
      });
      start = end;
    }
    slots[slot]!.fill(0xee);
  });
  pack(packer);
  packer.flush();
  return blocks;
}

/** @param sizeHint what the size of an entry's data is taken for before it is read */
export function packEntry(packer: BlockPacker, entry: TestEntry, sizeHint = entry.data.length): void {
  if (entry.kind === 'deleted') packer.addDeleted(entry.key);
  else if (entry.attributes.type !== 'file') packer.addEntry(entry.key, entry.attributes);
  else packer.addFile(entry.kind, entry.key, entry.attributes, sizeHint, dataReader(entry.data));
}

export function blocksOfEntries(entries: readonly TestEntry[], slotBytes?: number): Block[] {
  return blocksOf((packer) => {
    for (const entry of entries) packEntry(packer, entry);
  }, slotBytes);
}

/** Bytes in pieces that are overwritten when the next one is asked for. */
export async function* lentPieces(bytes: Uint8Array, pieceBytes = 10_000): ByteStream {
  const lent = Buffer.alloc(pieceBytes);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    lent.set(piece);
    yield lent.subarray(0, piece.length);
  }
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const noise = randomBytes(300_000);

/** Sizes on either side of where data is split. */
const size = fc.oneof(
  fc.nat(2000),
  fc.constantFrom(0, 512, blockSizeBytes - 1, blockSizeBytes, blockSizeBytes + 1, 2 * blockSizeBytes),
  fc.nat(200_000),
);

/** Names up to where headers grow, and those on either side of `/` in order. */
const name = fc.oneof(
  fc.constantFrom('a', 'a-', 'b', '\xff', 'new\nline'),
  fc.integer({ min: 60, max: 110 }).map((length) => 'n'.repeat(length)),
  fc.constant('m'.repeat(255)),
);

const entry: fc.Arbitrary<Omit<TestEntry, 'key'>> = fc.oneof(
  fc
    .tuple(fc.constantFrom('snapshot' as const, 'diff' as const), size, fc.nat(1000))
    .map(([kind, length, from]) => ({
      kind,
      attributes: attributes(),
      data: noise.subarray(from, from + length),
    })),
  fc
    .constantFrom<Partial<Attributes>>(
      { type: 'directory', mode: 0o1777 },
      { type: 'symlink', linkTarget: 'to/\xfe' },
      { type: 'symlink', linkTarget: 't'.repeat(1000), uname: 'u'.repeat(40) },
      { type: 'fifo' },
      { type: 'char-device', deviceMajor: 1, deviceMinor: 3 },
    )
    .map((values) => ({ kind: 'snapshot' as const, attributes: attributes(values), data: Buffer.alloc(0) })),
  fc.constant({ kind: 'deleted' as const, attributes: attributes(), data: Buffer.alloc(0) }),
);

/** The entries of a set, in path order. */
export const entriesInOrder: fc.Arbitrary<TestEntry[]> = fc
  .uniqueArray(
    fc.array(name, { maxLength: 3 }).map((parts) => parts.join('\0')),
    { maxLength: 8 },
  )
  .chain((keys) => fc.tuple(...keys.sort().map((key) => entry.map((values) => ({ key, ...values })))));
