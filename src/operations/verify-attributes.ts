import type { Attributes } from '../base/attributes.js';
import { displayKey, isWithin, type Latin1, type PathKey } from '../base/path-key.js';
import { attributesDifference, missingFile, newFile, recordsDifference } from '../change/difference.js';
import type { RecordKinds } from '../format/tar/records.js';
import type { EpochSeconds } from '../format/times.js';
import { Owners } from '../source/owners.js';
import { createSelection, type SelectionRule } from '../source/selection.js';
import { walk } from '../source/walk.js';
import { comparingReader } from './comparing-reader.js';
import { listFiles } from './list.js';
import { type Session, tell } from './session.js';
import { cannotProcess, selectionRoot, walkEvent } from './source-events.js';

export interface AttributeOptions {
  /** What to compare with: canonical. */
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  recordKinds: RecordKinds;
  path: PathKey;
  time: EpochSeconds | undefined;
}

/**
 * Compares a folder with what the signatures tell of the backup: which paths there are, and their attributes. Reads no
 * volume.
 */
export async function verifyAttributes(
  session: Session,
  { root, rules, followLinks, recordKinds, path, time }: AttributeOptions,
): Promise<{ entries: number; failures: number }> {
  const owners = new Owners();
  const result = { entries: 0, failures: 0 };
  const differs = (text: string) => {
    result.failures++;
    tell(session, 'notice', text);
  };
  const current = walk(root, createSelection(rules, selectionRoot(root)), {
    followLinks,
    owners,
    onWarning: (kind, key, text) => session.events(walkEvent(kind, root, key, text)),
  });
  const records = comparingReader({ recordKinds, followLinks }, owners, (key, text) =>
    session.events({ kind: 'file-warning', key, code: cannotProcess, text: `${displayKey(key)}: ${text}` }),
  );
  const next = () => {
    const { done, value } = current.next();
    return done === true ? undefined : value;
  };
  let local = next();
  const countNew = () => {
    result.entries++;
    if (local !== undefined) differs(newFile(local.key));
    local = next();
  };
  for await (const entries of listFiles(session, time)) {
    for (const known of entries) {
      if (!isWithin(known.key, path)) continue;
      const key = path === '' ? known.key : known.key.slice(path.length + 1);
      while (local !== undefined && local.key < key) countNew();
      result.entries++;
      if (local?.key !== key) {
        differs(missingFile(key));
        continue;
      }
      const entry = local;
      const { attributes } = entry;
      const difference =
        attributesDifference(key, withOwnTime(known.attributes, attributes), attributes, owners) ??
        recordsDifference(key, records.ofThese(known.attributes.records), () => records.read(entry), owners);
      if (difference !== undefined) differs(difference);
      local = next();
    }
  }
  while (local !== undefined) countNew();
  return result;
}

/** A file that changed within two seconds of its backup has a second less in the signatures, so that the next backup looks
 *  at it again: that is no difference. */
function withOwnTime(known: Attributes, local: Attributes): Attributes {
  const isOneLess = known.type === 'file' && known.mtimeSeconds + 1 === local.mtimeSeconds;
  return isOneLess ? { ...known, mtimeSeconds: local.mtimeSeconds } : known;
}
