import { isWithin, type PathKey, parentKey, pathTo } from '../base/path-key.js';

/** Where what lies at or below a path goes instead: paths below the target, by paths of what is restored. */
export type Renames = ReadonlyMap<PathKey, PathKey>;

/**
 * Where an entry goes. Of several renames that hold it the longest path counts, and that alone: what it leads to is not
 * renamed again. The root stays.
 */
export function renamedKey(renames: Renames, key: PathKey): PathKey {
  if (renames.size === 0 || key === '') return key;
  for (const above of pathTo(key)) {
    const to = renames.get(above);
    if (to === undefined) continue;
    const rest = key.slice(above.length);
    return to === '' ? rest.slice(1) : to + rest;
  }
  return key;
}

/**
 * The directories that entries may come to after others have been written behind them: those that renamed entries go to,
 * and those that have lost some in their midst.
 */
export function reopenedDirectories(renames: Renames): Set<PathKey> {
  const found = new Set<PathKey>();
  for (const [from, to] of renames) {
    for (const key of pathTo(to)) found.add(key);
    for (const key of pathTo(parentKey(from) ?? '')) found.add(renamedKey(renames, key));
  }
  return found;
}

/** Whether entries of several paths may come to this place, or to what is above or below it. */
export function mayMeet(renames: Renames, key: PathKey): boolean {
  for (const to of renames.values()) if (isWithin(key, to) || isWithin(to, key)) return true;
  return false;
}
