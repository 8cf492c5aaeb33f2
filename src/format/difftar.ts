import { TundraError } from '../base/errors.js';
import { displayBytes, type Latin1, type PathKey, rootKey, slashPath } from '../base/path-key.js';
import { keyOfEntryName } from './entry-name.js';

/** Data goes into a volume in blocks of this size; what does not fit one is split into pieces. */
export const blockSizeBytes = 65536;

/** What an entry of a volume holds: all of a path, a delta against the set before, or that the path is gone. */
export type DifftarKind = 'snapshot' | 'diff' | 'deleted';

/** The name of a volume's entry, as a tar header holds it. `piece` counts from 1 where data is split. */
export function formatDifftarName(
  kind: DifftarKind,
  key: PathKey,
  isDirectory: boolean,
  piece?: number | undefined,
): Latin1 {
  if (piece !== undefined) return `multivol_${kind}/${slashPath(key)}/${piece}`;
  if (isDirectory) return `${kind}/${slashPath(key)}/`;
  return key === rootKey ? `${kind}/` : `${kind}/${slashPath(key)}`;
}

const wholeForm = /^(snapshot|diff|deleted)\/(.*)$/s;
const pieceForm = /^multivol_(snapshot|diff)\/(.*)\/([0-9]{1,15})$/s;

/**
 * What the name of a volume's entry says; the inverse of `formatDifftarName`. Error: `format`, also for a path that is
 * absolute or has a component that is empty, `.` or `..`: such a name is an attack on the folder restored to.
 */
export function parseDifftarName(name: Latin1): {
  kind: DifftarKind;
  key: PathKey;
  piece: number | undefined;
} {
  const [, kind, path, piece] = wholeForm.exec(name) ?? pieceForm.exec(name) ?? [];
  if (kind === undefined || path === undefined) {
    throw new TundraError('format', `This entry is none of a volume's: ${displayBytes(name)}`);
  }
  return {
    kind: kind as DifftarKind,
    key: keyOfEntryName(path, name),
    piece: piece === undefined ? undefined : Number(piece),
  };
}
