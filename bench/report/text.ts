import type { Findings } from '../findings.js';
import { renderText } from '../table.js';
import { comparisonNote, marksTable, notes, peaksTable, renderComparison, resultTables } from './tables.js';

/** Everything for a terminal. */
export function textReport(findings: Findings): string {
  const results = resultTables(findings);
  const peaks = peaksTable(findings);
  const marks = marksTable(findings);
  return [
    ...results.map(({ title, table }) => `${title}\n${renderText(table)}`),
    ...(results.length > 0 ? [notes.join('\n')] : []),
    ...findings.comparisons.map(renderComparison),
    ...(findings.comparisons.length > 0 ? [comparisonNote] : []),
    ...findings.printed.map(({ title, text }) => `${title}\n${text}`),
    ...(peaks ? [`Peak memory of large cases\n${renderText(peaks)}`] : []),
    ...(marks.length > 1 ? [renderText(marks)] : []),
    ...findings.failures,
  ].join('\n\n');
}
