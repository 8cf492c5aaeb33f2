import { TundraError } from '../base/errors.js';
import { displayBytes, type Latin1, type PathKey, rootKey, slashPath } from '../base/path-key.js';
import { keyOfEntryName } from './entry-name.js';

/** What an entry of a signature file holds: a file's signature, another type of entry, or that the path is gone. */
export type SigtarKind = 'signature' | 'snapshot' | 'deleted';

/** The name of an entry, as a tar header holds it. The root is `snapshot/`, without the `./` it has in volumes. */
export function formatSigtarName(kind: SigtarKind, key: PathKey, isDirectory: boolean): Latin1 {
  return key === rootKey ? `${kind}/` : `${kind}/${slashPath(key)}${isDirectory ? '/' : ''}`;
}

const form = /^(signature|snapshot|deleted)\/(.*)$/s;

/** What the name of an entry says; the inverse of `formatSigtarName`. Error: `format`, as for the names in volumes. */
export function parseSigtarName(name: Latin1): { kind: SigtarKind; key: PathKey } {
  const [, kind, path] = form.exec(name) ?? [];
  if (kind === undefined || path === undefined) {
    throw new TundraError('format', `This entry is none of a signature file's: ${displayBytes(name)}`);
  }
  return { kind: kind as SigtarKind, key: keyOfEntryName(path, name) };
}
