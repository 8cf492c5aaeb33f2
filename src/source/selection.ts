import { TundraError } from '../base/errors.js';
import type { SourceEntry } from './entry.js';
import {
  compileRule,
  type Rule,
  ruleText,
  type SelectionRoot,
  type SelectionRule,
  type Verdict,
} from './rules.js';
import { pathText } from './source-path.js';

export type { SelectionRoot, SelectionRule, Verdict } from './rules.js';

/** The decision of all rules on one entry. The root itself is never asked about. */
export type Selection = (entry: SourceEntry) => Verdict;

/** Takes everything. */
export const selectAll: Selection = () => 'include';

/**
 * Makes the decision from rules in their order: the first that says include or exclude stands; without one, the entry
 * is in. A directory that an earlier include may still need is scanned even where a later rule excludes it.
 *
 * Throws `selection-prefix` (a pattern that can match nothing below the root), `selection-glob`, `unexpected` (no regular
 * expression), and `redundant-include` (a last rule that includes what is in anyway).
 */
export function createSelection(rules: readonly SelectionRule[], root: SelectionRoot): Selection {
  if (rules.length === 0) return selectAll;
  const inOrder = [...rules.filter(comesFirst), ...rules.filter((rule) => !comesFirst(rule))];
  const compiled = inOrder.map((rule) => compileRule(rule, root));
  const last = inOrder.at(-1);
  if (last?.kind === 'include') {
    throw new TundraError(
      'redundant-include',
      `Last selection expression: include ${ruleText(last)} isn't an exclude: it changes nothing, since files are included by default.`,
      { advice: "End the selection with an exclude, such as --exclude '**'." },
    );
  }
  return (entry) => decide(compiled, entry);
}

/** No include gets round these, wherever they stand. */
function comesFirst({ kind }: SelectionRule): boolean {
  return kind === 'exclude-if-present' || kind === 'exclude-device-files' || kind === 'only-listed';
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
