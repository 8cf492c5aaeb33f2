import type { PathKey } from '../base/path-key.js';
import { xattrCalls } from '../base/xattrs.js';
import type { RecordKinds } from '../format/tar/records.js';
import type { Owners } from '../source/owners.js';
import { RecordReader } from '../source/records.js';

/** Reads the records of what is on disk, to compare them with those of a backup. Hard links are not compared. */
export function comparingReader(
  { recordKinds, followLinks }: { recordKinds: RecordKinds; followLinks: boolean },
  owners: Owners,
  onWarning: (key: PathKey, text: string) => void,
): RecordReader {
  const calls = xattrCalls();
  return new RecordReader({
    ...recordKinds,
    ...{ hardLinks: false, calls, owners, followLinks, rootDevice: -1, onWarning },
  });
}
