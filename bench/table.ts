/** A table of texts: the first row is the head, the first column names the rows. */
export type Table = readonly (readonly string[])[];

/** Aligned columns for a terminal: the first to the left, the others to the right. */
export function renderText(table: Table): string {
  const widths = columnWidths(table);
  return table
    .map((row) => row.map((cell, column) => pad(cell, widths[column]!, column)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}

/** The same as a Markdown table. */
export function renderMarkdown(table: Table): string {
  const widths = columnWidths(table);
  const lines = table.map(
    (row) => `| ${row.map((cell, column) => pad(cell, widths[column]!, column)).join(' | ')} |`,
  );
  const rule = `|${widths.map((width, column) => `${'-'.repeat(width + 1)}${column === 0 ? '-' : ':'}`).join('|')}|`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

function columnWidths(table: Table): number[] {
  const columns = Math.max(...table.map((row) => row.length));
  return Array.from({ length: columns }, (_, column) =>
    Math.max(3, ...table.map((row) => row[column]?.length ?? 0)),
  );
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
