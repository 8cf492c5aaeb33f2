import type { Findings } from '../findings.js';
import { renderMarkdown, type Table } from '../table.js';
import { works } from '../works.js';
import { comparisonNote, comparisonTable, marksTable, notes, peaksTable, resultTables } from './tables.js';

/** The parts of a document that the benchmark writes, by their names. What was not measured has no part. */
export function markdownParts(findings: Findings): Map<string, string> {
  const parts = new Map([['facts', facts(findings)]]);
  const put = (name: string, blocks: readonly string[]) => {
    if (blocks.length > 0) parts.set(name, blocks.join('\n\n'));
  };
  const marks = marksTable(findings);
  put('bars', marks.length > 1 ? [renderMarkdown(marks)] : []);
  const results = resultTables(findings).map(({ title, table }) => titled(title, table));
  put('results', results.length > 0 ? [...results, notes.map((note) => `- ${note}`).join('\n')] : []);
  const peaks = peaksTable(findings);
  put('memory', peaks ? [renderMarkdown(peaks)] : []);
  const comparisons = (work: string) => {
    const own = findings.comparisons.filter((comparison) => comparison.work === work);
    const tables = own.map((comparison) => titled(comparison.title, comparisonTable(comparison)));
    return own.length > 0 ? [...tables, comparisonNote] : [];
  };
  const printed = findings.printed.map(({ title, text }) => `${title}:\n\n\`\`\`text\n${text}\n\`\`\``);
  put('kernels', [...comparisons('kernels'), ...printed]);
  put('swift', comparisons('swift'));
  return parts;
}

function titled(title: string, table: Table): string {
  return `${title}:\n\n${renderMarkdown(table)}`;
}

/** The machine, the versions and the data, as a list. */
function facts({ machine, versions, subjects }: Findings): string {
  const courses = [...new Set(works.map(({ course }) => course))];
  const lines = [
    ...Object.entries({ ...machine, ...versions }).map(([name, value]) => `- ${name}: ${value}`),
    ...courses.filter((name) => name in subjects).map((name) => `- data of ${name}: ${subjects[name]}`),
  ];
  return lines.join('\n');
}

/**
 * A document with its generated parts replaced. A part named NAME stands between the lines `<!-- bench: NAME -->` and
 * `<!-- end -->`; all else stays, and so does a part that nothing is given for. Throws an Error if a part has no place in
 * the document.
 */
export function replaceParts(document: string, parts: ReadonlyMap<string, string>): string {
  let result = document;
  for (const [name, text] of parts) {
    const begin = `<!-- bench: ${name} -->\n`;
    const end = '<!-- end -->';
    const from = result.indexOf(begin) + begin.length;
    const to = result.indexOf(end, from);
    if (from < begin.length || to < 0)
      throw new Error(`the document has no place for ${name}: ${begin.trim()}`);
    result = `${result.slice(0, from)}\n${text}\n\n${result.slice(to)}`;
  }
  return result;
}
