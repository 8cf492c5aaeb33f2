import type { Attributes } from '../../base/attributes.js';
import type { Latin1 } from '../../base/path-key.js';

/** An entry of a tar, without its data. */
export interface TarHeader extends Attributes {
  /** As in the archive: a directory's ends in `/`. */
  name: Latin1;
  /** Length of the data that follows; 0 for all but files. */
  sizeBytes: number;
}

export const blockBytes = 512;

/**
 * Where the fields of a header block begin, and their sizes. POSIX `ustar` and GNU tar share them, but for the prefix,
 * which GNU headers lack.
 *
 * | offset | size | meaning |
 * |-------:|-----:|---------|
 * |      0 |  100 | name |
 * |    100 |    8 | mode, in octal digits as all numbers |
 * |    108 |    8 | owner |
 * |    116 |    8 | group |
 * |    124 |   12 | size of the data |
 * |    136 |   12 | modification time |
 * |    148 |    8 | sum of the block's bytes, these eight taken for spaces |
 * |    156 |    1 | type |
 * |    157 |  100 | target of a link |
 * |    257 |    8 | magic and version: `ustar\0` `00`, or `ustar ` ` \0` for GNU |
 * |    265 |   32 | owner's name |
 * |    297 |   32 | group's name |
 * |    329 |    8 | major device number |
 * |    337 |    8 | minor device number |
 * |    345 |  155 | prefix of the name, joined by `/` |
 */
export const field = {
  name: 0,
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
  type: 156,
  linkTarget: 157,
  magic: 257,
  uname: 265,
  gname: 297,
  deviceMajor: 329,
  deviceMinor: 337,
  prefix: 345,
} as const;

export const nameBytes = 100;
export const ownerNameBytes = 32;
export const prefixBytes = 155;

/** `size` rounded up to whole blocks. */
export function paddedBytes(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes;
}
