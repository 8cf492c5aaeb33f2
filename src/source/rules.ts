import { lstatSync, readdirSync, statSync } from 'node:fs';
import { errnoOf, TundraError } from '../base/errors.js';
import { diskPath, displayBytes, type Latin1, type PathKey } from '../base/path-key.js';
import type { TextTest } from './bounded-regexp.js';
import type { SourceEntry } from './entry.js';
import { compileGlob } from './glob.js';
import { compilePythonRegExp } from './python-regexp.js';
import { childPath, pathText } from './source-path.js';

/** `scan`: a directory that is in if something below it is; anything else of this verdict is out. */
export type Verdict = 'include' | 'exclude' | 'scan';

/** What one rule says of an entry whose whole path reads `text`; undefined: nothing. */
export type Rule = (text: string, entry: SourceEntry) => Verdict | undefined;

type IncludeOrExclude = 'include' | 'exclude';

/**
 * One rule as plain data: it can be sent to a worker, which makes its own Selection of it. A new kind of rule is a member
 * here and a case in `compileRule`.
 */
export type SelectionRule =
  | { kind: IncludeOrExclude; glob: Latin1 }
  /** A path as it is, with all below it. */
  | { kind: IncludeOrExclude; literal: Latin1; ignoreCase: boolean }
  /** An expression of Python's `re`, found anywhere in the whole path. */
  | { kind: IncludeOrExclude; regexp: Latin1; ignoreCase: boolean }
  /** Excludes a folder in which there is something of this name. */
  | { kind: 'exclude-if-present'; name: Latin1 }
  | { kind: 'exclude-device-files' }
  /** Excludes what is not on the file system of the root. */
  | { kind: 'exclude-other-filesystems' }
  /** Excludes regular files with an mtime before this, in seconds. */
  | { kind: 'exclude-older-than'; seconds: number }
  /** Excludes all but these paths; the folders that they lie in are to be among them. */
  | { kind: 'only-listed'; keys: readonly PathKey[] };

/** Where the walk begins: the path (canonical) with which those of all entries begin. */
export interface SelectionRoot {
  path: Latin1;
  isDirectory: boolean;
}

/** Throws `selection-prefix`, `selection-glob`, and `unexpected` for a regular expression that is none. */
export function compileRule(rule: SelectionRule, root: SelectionRoot): Rule {
  switch (rule.kind) {
    case 'include':
    case 'exclude':
      if ('glob' in rule) return globRule(rule.kind, rule.glob, root);
      if ('literal' in rule) return literalRule(rule.kind, rule.literal, rule.ignoreCase, root);
      return regExpRule(rule.kind, compilePythonRegExp(pathText(rule.regexp), rule.ignoreCase));
    case 'exclude-if-present':
      return presenceRule(rule.name);
    case 'exclude-device-files':
      return excludeIf(({ attributes: { type } }) => type === 'char-device' || type === 'block-device');
    case 'exclude-other-filesystems': {
      const device = statSync(diskPath(root.path), { throwIfNoEntry: false })?.dev;
      return excludeIf((entry) => entry.device !== device);
    }
    case 'exclude-older-than':
      return excludeIf(
        ({ attributes: { type, mtimeSeconds } }) => type === 'file' && mtimeSeconds < rule.seconds,
      );
    case 'only-listed': {
      const keys = new Set(rule.keys);
      return excludeIf(({ key }) => !keys.has(key));
    }
  }
}

/** The pattern of a rule for people; empty where it has none. */
export function ruleText(rule: SelectionRule): string {
  if ('glob' in rule) return displayBytes(rule.glob);
  if ('literal' in rule) return displayBytes(rule.literal);
  return 'regexp' in rule ? displayBytes(rule.regexp) : '';
}

function excludeIf(test: (entry: SourceEntry) => boolean): Rule {
  return (_text, entry) => (test(entry) ? 'exclude' : undefined);
}

function regExpRule(kind: IncludeOrExclude, isFoundIn: TextTest): Rule {
  return (text) => (isFoundIn(text) ? kind : undefined);
}

function globRule(kind: IncludeOrExclude, expression: Latin1, root: SelectionRoot): Rule {
  if (expression === '**') return () => kind;
  const glob = compileGlob(pathText(expression));
  if (glob(pathText(root.path), root.isDirectory) === 'none') throw cannotMatch(expression, root);
  const verdicts = {
    match: kind,
    parent: kind === 'include' ? ('scan' as const) : undefined,
    none: undefined,
  };
  return (text, entry) => verdicts[glob(text, entry.attributes.type === 'directory')];
}

function literalRule(kind: IncludeOrExclude, path: Latin1, ignoreCase: boolean, root: SelectionRoot): Rule {
  if (path === '') throw new TundraError('selection-glob', 'An empty file specification cannot be used.');
  const fold = (text: string) => (ignoreCase ? text.toLowerCase().toUpperCase().toLowerCase() : text);
  const wanted = fold(pathText(path === '/' ? path : path.replace(/\/$/, '')));
  const relate = (given: string) => {
    const text = fold(given);
    if (liesWithin(text, wanted)) return 'match';
    return liesWithin(wanted, text) ? 'parent' : 'none';
  };
  if (relate(pathText(root.path)) === 'none') throw cannotMatch(path, root);
  return (text) => {
    const relation = relate(text);
    if (relation === 'match') return kind;
    return relation === 'parent' && kind === 'include' ? 'scan' : undefined;
  };
}

function liesWithin(path: string, folder: string): boolean {
  if (!path.startsWith(folder)) return false;
  return path.length === folder.length || folder === '/' || path[folder.length] === '/';
}

function cannotMatch(pattern: Latin1, root: SelectionRoot): TundraError {
  return new TundraError(
    'selection-prefix',
    `The file specification "${displayBytes(pattern)}" cannot match any file in the source folder ${displayBytes(root.path)}.`,
    { advice: "Begin it with the source folder, or with a pattern that matches that folder, such as '**'." },
  );
}

function presenceRule(name: Latin1): Rule {
  // Only what a folder lists is in it.
  if (name === '.' || name === '..' || name.includes('/') || name === '') return () => undefined;
  return excludeIf(({ path, attributes }) => attributes.type === 'directory' && holds(path, name));
}

/** Whether a folder holds a name; not, where the folder cannot be read: the walk tells of that. */
function holds(folder: Latin1, name: Latin1): boolean {
  try {
    return lstatSync(diskPath(childPath(folder, name)), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return errnoOf(error) === 'EACCES' && lists(folder, name);
  }
}

/** A folder that may be read but not entered still tells its names. */
function lists(folder: Latin1, name: Latin1): boolean {
  try {
    return readdirSync(diskPath(folder), { encoding: 'latin1' }).includes(name);
  } catch {
    return false;
  }
}
