import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Attributes, EntryType } from '../base/attributes.js';
import { writeAllSync } from '../base/local-disk.js';
import type { PathKey } from '../base/path-key.js';

/**
 * What the signatures of a chain say of each path, without the signatures: a file beside them in the local archive, so
 * that a comparison need not unpack them. It is made of the signature files and worth nothing without them: it counts
 * only while it fits them by name, size and time, and while its checksum holds.
 *
 * | part | size | meaning |
 * |---|---|---|
 * | blocks | | each: bytes in it (4), then whole entries |
 * | trailer | 40 | `TNDRAIX3`, bytes of all blocks (8), their CRC-32 (4), digest of the signature files (20) |
 *
 * An entry is a row of numbers, 7 bits a byte, low bits first, all bytes but the last with the high bit set; texts are
 * their length and their bytes:
 *
 * | number | meaning |
 * |---|---|
 * | shared, rest | the path: how much of the one before is kept (nothing at a block's start), then the rest |
 * | type | 8 times its place in `types`, and 1 if its signature can be read, 2 with records, 4 with a change time |
 * | mode | permission bits |
 * | owner | place in the list of owners so far; a new one follows: uid, gid, and both names |
 * | time | seconds since 1970 |
 * | file | which signature file has the entry, 0 for the full set's |
 * | place | where it begins there, unpacked: tar blocks before its header |
 * | link | symbolic links: the target |
 * | major, minor | devices |
 * | records | if there are any (`format/tar/records.ts`) |
 *
 * and the change time, if there is one: 8 bytes, a double.
 */
export const magic = Buffer.from('TNDRAIX3', 'latin1');
export const trailerBytes = 40;
export const blockHeadBytes = 4;

/** The place of a type counts. */
export const types: readonly EntryType[] = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'char-device',
  'block-device',
];

/** What else the number of the type tells. */
export const formBits = { signature: 1, records: 2, changeTime: 4 } as const;
export const typeShift = 3;

/** One path, as the newest signature file that has it tells. Paths that are gone are left out. */
export interface IndexEntry {
  key: PathKey;
  kind: 'signature' | 'snapshot';
  attributes: Attributes;
  /** Which signature file of the chain that is, 0 for the full set's. */
  file: number;
  /** Where the entry begins in the plain bytes of that file. */
  startBytes: number;
  /** Milliseconds since 1970, as lstat tells: the path had exactly these records while this was its change time. 0 where
   *  that is not known. */
  changeTimeMs: number;
}

/** Whom a path belongs to, as signatures tell. */
export type IndexOwner = Pick<Attributes, 'uid' | 'gid' | 'uname' | 'gname'>;

/** What an index must fit. Errors: those of the file system. */
export function digestOfSignatures(files: readonly string[]): Buffer {
  const hash = createHash('sha1');
  for (const file of files) {
    const { size, mtimeNs } = statSync(file, { bigint: true });
    hash.update(`${basename(file)}\0${size}\0${mtimeNs}\n`);
  }
  return hash.digest();
}

/** The blocks of an index that was written. */
export interface IndexBody {
  sizeBytes: number;
  crc: number;
}

/** Writes the trailer of an index, or replaces it: from now on it counts for these signature files. Errors: those of the
 *  file system. */
export function endIndex(path: string, { sizeBytes, crc }: IndexBody, digest: Uint8Array): void {
  const trailer = Buffer.alloc(trailerBytes);
  magic.copy(trailer);
  trailer.writeBigUInt64LE(BigInt(sizeBytes), 8);
  trailer.writeUInt32LE(crc, 16);
  trailer.set(digest, 20);
  const fd = openSync(path, 'r+');
  try {
    ftruncateSync(fd, sizeBytes);
    writeAllSync(fd, trailer, sizeBytes);
  } finally {
    closeSync(fd);
  }
}
