import { TundraError } from '../base/errors.js';
import { displayBytes, keyOfSlashPath, type Latin1, type PathKey, parentKey } from '../base/path-key.js';
import { pathText, textPath } from './source-path.js';

/** What ends a line of a list of files. */
export type Separator = '\n' | '\0';

/** No system takes a longer one. */
const longestPath = 4096;

/** A line of a list that includes and excludes. */
export interface ListedPattern {
  kind: 'include' | 'exclude';
  pattern: Latin1;
}

/**
 * Reads a list of patterns, one in a line. `+ ` or `- ` before one says whether it includes or excludes; without, it does
 * what the whole list does. Blanks around a line, and one pair of quotes around a pattern, are no part of it. Lines that are
 * empty or begin with `#` say nothing.
 */
export function parsePatternList(
  content: Latin1,
  separator: Separator,
  kind: ListedPattern['kind'],
): ListedPattern[] {
  const patterns: ListedPattern[] = [];
  for (const bytes of linesOf(content, separator)) {
    const line = trimBlanks(pathText(bytes));
    if (line === '' || line.startsWith('#')) continue;
    const sign = line.startsWith('+ ') ? 'include' : line.startsWith('- ') ? 'exclude' : undefined;
    const pattern = withoutQuotes(sign === undefined ? line : line.slice(2));
    if (pattern !== '') patterns.push({ kind: sign ?? kind, pattern: textPath(pattern) });
  }
  return patterns;
}

/**
 * Reads a list of paths below the source folder, one in a line of which every character counts. Returns the keys of all
 * of them and of the folders that they lie in. Throws `bad-file-list` for a path that is absolute, climbs with `..` or is
 * longer than any, and for a list without paths.
 */
export function parsePathList(content: Latin1, separator: Separator): PathKey[] {
  const keys = new Set<PathKey>();
  for (const line of linesOf(content, separator)) {
    if (line === '') continue;
    if (line.length > longestPath) {
      throw new TundraError('bad-file-list', `The list of files has a path of ${line.length} bytes.`, {
        advice: 'Where NULs end its paths, give --null-separator too.',
      });
    }
    const parts = line.split('/').filter((part) => part !== '' && part !== '.');
    if (line.startsWith('/') || parts.includes('..')) {
      throw new TundraError(
        'bad-file-list',
        `The list of files has a path that is not below the source folder: ${displayBytes(line)}`,
        {
          advice: 'All its paths are to be relative to the source folder.',
        },
      );
    }
    let key: PathKey | undefined = keyOfSlashPath(parts.join('/'));
    for (; key !== undefined && key !== '' && !keys.has(key); key = parentKey(key)) keys.add(key);
  }
  if (keys.size === 0) {
    throw new TundraError('bad-file-list', 'The list of files has no files: the backup would be empty.');
  }
  return [...keys];
}

function linesOf(content: Latin1, separator: Separator): Latin1[] {
  // Names may hold line ends of any kind: that is what the other separator is for.
  return separator === '\0' ? content.split('\0') : content.split(/\r\n|\r|\n/);
}

function withoutQuotes(text: string): string {
  const isQuoted = /^['"]/.test(text) && text.endsWith(text.charAt(0));
  return isQuoted ? text.slice(1, -1) : text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are blanks to Python, unlike to JavaScript.
const blank = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && blank.test(text.charAt(start))) start += 1;
  while (end > start && blank.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
