import { TundraError } from '../base/errors.js';
import { type GlobStep, parseGlob } from './glob-pattern.js';
import { GlobStates } from './glob-states.js';

/**
 * How a path stands to a glob: `match` (the glob names it, or a directory it lies in), `parent` (a directory here may
 * hold something that the glob names), or `none`.
 */
export type GlobRelation = 'match' | 'parent' | 'none';

/** Tells how a path, as text, stands to one glob. */
export type Glob = (text: string, isDirectory: boolean) => GlobRelation;

/** A path has at most 4096 bytes. */
const longestGlob = 8192;

/**
 * Compiles a shell glob over whole paths (see `GlobStep` for its characters), given as text (see `pathText`). With `/`
 * at its end it names directories only; `ignorecase:` before it makes letters match in either case. Takes time in
 * proportion to the lengths of glob and path, whatever they hold. Throws `selection-glob`.
 */
export function compileGlob(expression: string): Glob {
  if (expression.length > longestGlob) throw badGlob(expression.slice(0, 60), 'it is too long');
  const ignoreCase = /^ignorecase:/i.test(expression);
  const given = ignoreCase ? expression.slice('ignorecase:'.length).toLowerCase() : expression;
  if (given === '') throw badGlob(expression, 'it is empty');
  const directoriesOnly = given !== '/' && given.endsWith('/');
  const glob = given === '/' ? '/**' : directoriesOnly ? given.slice(0, -1) : given;
  const anywhere = glob.indexOf('**');
  const settled = anywhere < 0 ? glob : glob.slice(0, anywhere + 2);
  if (settled.split('/').slice(1, -1).includes('')) throw badGlob(expression, 'it has two slashes in a row');
  try {
    return matcher(glob, parseGlob(glob, ignoreCase), directoriesOnly, ignoreCase);
  } catch (error) {
    if (error instanceof RangeError) throw badGlob(expression, error.message);
    throw error;
  }
}

function badGlob(expression: string, reason: string): TundraError {
  return new TundraError(
    'selection-glob',
    `The file specification "${expression}" cannot be used: ${reason}.`,
  );
}

const slash = 0x2f;
const lineFeed = 0x0a;

function matcher(glob: string, steps: GlobStep[], directoriesOnly: boolean, ignoreCase: boolean): Glob {
  const firstSpecial = steps.findIndex((step) => step.kind !== 'literal');
  const literals = ignoreCase ? 0 : firstSpecial < 0 ? steps.length : firstSpecial;
  // Most globs begin with folders, and most paths are told apart there.
  const prefix = glob.slice(0, steps[literals]?.index);
  const anywhere = glob.indexOf('**');
  const states = new GlobStates(steps.slice(literals), anywhere < 0 ? glob.length : anywhere);

  /** Whether the path is a directory on the way to where the prefix ends. */
  const leadsToPrefix = (text: string): boolean => {
    const folder = text.endsWith('\n') && !prefix.startsWith(text) ? text.slice(0, -1) : text;
    if (folder === '/') return glob.startsWith('/');
    return prefix[folder.length] === '/' && prefix.startsWith(folder);
  };

  return (text, isDirectory) => {
    if (!text.startsWith(prefix)) return leadsToPrefix(text) ? 'parent' : 'none';
    let isInside = false;
    let isExact = false;
    let isParent = false;
    states.start();
    for (let at = prefix.length; ; ) {
      const code = text.codePointAt(at);
      // The peer counts a line feed at the very end as no part of a path: the glob `foo` names `foo\n` too.
      if (code === undefined || (code === lineFeed && at === text.length - 1)) {
        isExact ||= states.isComplete;
        isParent ||= states.isParent;
      } else if (code === slash && states.isComplete) {
        isInside = true;
        if (!directoriesOnly) break;
      }
      if (code === undefined || !states.read(code)) break;
      at += code > 0xffff ? 2 : 1;
    }
    if (isExact) return directoriesOnly && !isDirectory ? 'none' : 'match';
    if (isInside) return 'match';
    return isParent || leadsToPrefix(text) ? 'parent' : 'none';
  };
}
