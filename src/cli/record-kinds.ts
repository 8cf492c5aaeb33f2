import type { RecordKinds } from '../format/tar/records.js';
import type { OptionValues } from './arguments.js';

/** What of an entry is backed up, or restored, that a tar header has no field for. */
export function recordKinds(options: OptionValues): RecordKinds {
  return {
    xattrs: !options.flag('no-xattrs'),
    acls: !options.flag('no-acls'),
    hardLinks: !options.flag('no-hard-links'),
  };
}
