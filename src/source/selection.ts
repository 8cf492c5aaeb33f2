import { TundraError } from '../base/errors.js';
import { displayBytes, type Latin1 } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import { compileGlob } from './glob.js';
import { pathText } from './source-path.js';

/**
 * One include or exclude as plain data: it can be sent to a worker, which makes its own Selection of it. A new kind of
 * rule is a member here and a case in `compileRule`.
 */
export type SelectionRule = { kind: 'include' | 'exclude'; glob: Latin1 };

/** `scan`: a directory that is in if something below it is; anything else of this verdict is out. */
export type Verdict = 'include' | 'exclude' | 'scan';

/** What one rule says of an entry whose whole path reads `text`; undefined: nothing. */
export type Rule = (text: string, entry: SourceEntry) => Verdict | undefined;

/** The decision of all rules on one entry. The root itself is never asked about. */
export type Selection = (entry: SourceEntry) => Verdict;

/** Where the walk begins: the path (canonical) with which those of all entries begin. */
export interface SelectionRoot {
  path: Latin1;
  isDirectory: boolean;
}

/** Takes everything. */
export const selectAll: Selection = () => 'include';

/**
 * Makes the decision from rules in their order: the first that says include or exclude stands; without one, the entry
 * is in. A directory that an earlier include may still need is scanned even where a later rule excludes it.
 *
 * Throws `selection-prefix` (a glob that can match nothing below the root), `selection-glob`, and `redundant-include`
 * (a last rule that includes what is in anyway).
 */
export function createSelection(rules: readonly SelectionRule[], root: SelectionRoot): Selection {
  const compiled = rules.map((rule) => compileRule(rule, root));
  const last = rules.at(-1);
  if (last === undefined) return selectAll;
  if (last.kind === 'include') {
    throw new TundraError(
      'redundant-include',
      `Last selection expression: include ${displayBytes(last.glob)} isn't an exclude: it changes nothing, since files are included by default.`,
      { advice: "End the selection with an exclude, such as --exclude '**'." },
    );
  }
  return (entry) => decide(compiled, entry);
}

function decide(rules: readonly Rule[], entry: SourceEntry): Verdict {
  const text = pathText(entry.path);
  let scan = false;
  for (const rule of rules) {
    const verdict = rule(text, entry);
    if (verdict === 'include') return 'include';
    if (verdict === 'exclude') return scan ? 'scan' : 'exclude';
    if (verdict === 'scan') scan = true;
  }
  return scan ? 'scan' : 'include';
}

function compileRule(rule: SelectionRule, root: SelectionRoot): Rule {
  switch (rule.kind) {
    case 'include':
    case 'exclude':
      return globRule(rule.kind, rule.glob, root);
  }
}

function globRule(kind: 'include' | 'exclude', expression: Latin1, root: SelectionRoot): Rule {
  if (expression === '**') return () => kind;
  const glob = compileGlob(pathText(expression));
  if (glob(pathText(root.path), root.isDirectory) === 'none') {
    throw new TundraError(
      'selection-prefix',
      `The file specification "${displayBytes(expression)}" cannot match any file in the source folder ${displayBytes(root.path)}.`,
      {
        advice: "Begin it with the source folder, or with a pattern that matches that folder, such as '**'.",
      },
    );
  }
  const verdicts = {
    match: kind,
    parent: kind === 'include' ? ('scan' as const) : undefined,
    none: undefined,
  };
  return (text, entry) => verdicts[glob(text, entry.attributes.type === 'directory')];
}
