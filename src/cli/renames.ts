import { TundraError } from '../base/errors.js';
import { keyOfSlashPath, type Latin1, latin1OfNative, type PathKey } from '../base/path-key.js';
import type { OptionValues } from './arguments.js';

/** What `--rename` asks for, and what it is to tell of it. */
export interface RenameOption {
  /** By the path in what is restored. */
  renames: Map<PathKey, PathKey>;
  warnings: string[];
}

/**
 * `--rename FROM TO`, as often as it is given; of two for the same path the last counts. A path that begins with `/` is
 * below the target like any other. Error: `command-line` for a TO that may lead out of it.
 */
export function renameOption(options: OptionValues): RenameOption {
  const renames = new Map<PathKey, PathKey>();
  const warnings: string[] = [];
  for (const [from, to] of options.pairs('rename')) {
    const parts = partsOf(latin1OfNative(to));
    if (parts.includes('..')) {
      throw new TundraError('command-line', `--rename: "${to}" may lead out of the target`, {
        advice: 'Give a path below the target, without "..".',
      });
    }
    const key = pathInBackup(latin1OfNative(from));
    if (key === undefined) {
      warnings.push(`--rename: "${from}" is no path below the source folder, and changes nothing.`);
    } else renames.set(key, keyOfSlashPath(parts.join('/')));
  }
  return { renames, warnings };
}

/** Undefined for what is absolute, leads out of the source folder, or is the source folder itself. */
function pathInBackup(path: Latin1): PathKey | undefined {
  if (path.startsWith('/')) return undefined;
  const resolved: Latin1[] = [];
  for (const part of partsOf(path)) {
    if (part !== '..') resolved.push(part);
    else if (resolved.pop() === undefined) return undefined;
  }
  return resolved.length === 0 ? undefined : keyOfSlashPath(resolved.join('/'));
}

function partsOf(path: Latin1): Latin1[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
