import fc from 'fast-check';
import type { Attributes } from '../base/attributes.js';
import type { PathKey } from '../base/path-key.js';

/** Attributes of a regular file, with what differs. */
export function attributes(values: Partial<Attributes> = {}): Attributes {
  return {
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 100,
    uname: '',
    gname: '',
    mtimeSeconds: 1_600_000_000,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...values,
  };
}

/** Users `me` (1000) and `moved` (2000 here), group `us` (100). */
export const owners = {
  userId: (name: string) =>
    new Map([
      ['me', 1000],
      ['moved', 2000],
    ]).get(name),
  groupId: (name: string) => new Map([['us', 100]]).get(name),
};

/** Paths of which some are inside others, and whose order differs from that of their text. */
export const paths: readonly PathKey[] = [
  '',
  'a',
  'a\0b',
  'a\0b\0c',
  'a\0\xff',
  'a b',
  'a-b',
  'b',
  'b\0a',
  '\xff',
];

/** Different paths, in order. */
export const orderedPaths = fc.subarray([...paths]).map((some) => some.sort());

export async function collectAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
