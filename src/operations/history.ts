import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { allSets, type BackupSet, type Catalog } from '../chain/catalog.js';
import { type ListedFile, listedFiles } from '../chain/metadata.js';
import type { FileChange } from '../format/manifest.js';
import type { Session } from './session.js';

/** The sets of the newest chain, oldest first. */
export function newestSets(catalog: Catalog): BackupSet[] {
  return catalog.primary === undefined ? [] : allSets(catalog.primary.chain);
}

/** The files that a set's manifest lists, streamed from the local archive. */
export function filesOfSet(session: Session, set: BackupSet): AsyncIterable<ListedFile> {
  if (set.localManifestName === undefined) {
    throw new TundraError('no-manifests', 'a backup set has no manifest in the local archive');
  }
  return listedFiles(session.archive.read(set.localManifestName));
}

/** The sets of the newest chain in which a regular file was new, changed or deleted. */
export async function changesOfFile(
  session: Session,
  catalog: Catalog,
  path: PathKey,
): Promise<{ set: BackupSet; change: FileChange }[]> {
  const found: { set: BackupSet; change: FileChange }[] = [];
  for (const set of newestSets(catalog)) {
    for await (const { key, change } of filesOfSet(session, set)) {
      if (key === path) found.push({ set, change });
    }
  }
  return found;
}
