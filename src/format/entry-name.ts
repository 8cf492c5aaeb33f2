import { TundraError } from '../base/errors.js';
import { displayBytes, keyOfSlashPath, type Latin1, type PathKey } from '../base/path-key.js';

/** A component that is empty, `.` or `..`, or a NUL, which no path holds. */
const refused = /(?:^|\/)(?:\.\.?)?(?:\/|$)|\0/;

/**
 * The key of the path in an entry's name, with or without a closing `/`; the empty path, `.` and `./` are the root.
 * Error: `format` for a path that could lead out of the folder it is restored to.
 */
export function keyOfEntryName(path: Latin1, entryName: Latin1): PathKey {
  if (path === '' || path === '.' || path === './') return '';
  const bare = path.endsWith('/') ? path.slice(0, -1) : path;
  if (refused.test(bare)) {
    throw new TundraError('format', `The path of this entry is refused: ${displayBytes(entryName)}`, {
      advice: 'The archive was damaged or made to harm; restore from another one.',
    });
  }
  return keyOfSlashPath(bare);
}
