import { judge } from '../bars.js';
import {
  type Comparison,
  type Findings,
  medianOf,
  peakOf,
  type Run,
  reference,
  runsOf,
  timesAsFast,
  toolsIn,
} from '../findings.js';
import { median, renderText, type Table } from '../table.js';
import { type WorkName, works } from '../works.js';

/** What the figures of the tables mean. */
export const notes: readonly string[] = [
  `Seconds are medians; (Nx): so many times as fast as ${reference}; [a-b]: fastest and slowest of the rounds.`,
  'restic and borg cannot compare with the source: their verify is "check --read-data" and "check --verify-data".',
  'Restore, one file, list and verify work on a chain of one full backup and three incremental ones (and an empty one, ' +
    'where "nothing changed" was measured).',
  'Memory is that of a process with its threads and of the programs it calls; the most of all rounds.',
];

/** What the figures of a comparison mean. */
export const comparisonNote =
  'Medians in MB/s; (Nx): tundra is so many times as fast; [a-b]: slowest and fastest of the rounds.';

/** A table with its heading. */
export interface TitledTable {
  title: string;
  table: Table;
}

/** How each bar was met. */
export function marksTable(findings: Findings): Table {
  const rows = judge(findings).map(({ work, bar, found, verdict }) => [work, bar, found, verdict]);
  return [['work', 'bar', 'found', ''], ...rows];
}

/** Works that the tools did, in the order in which works are shown, with their titles. */
export function timedWorks(findings: Findings): { name: WorkName; title: string }[] {
  return works.filter(({ name }) => findings.results.some(({ work }) => work === name));
}

/** Seconds, processor seconds, stored size and peak memory of every work by every tool. */
export function resultTables(findings: Findings): TitledTable[] {
  const tools = toolsIn(findings);
  const timed = timedWorks(findings);
  const table = (cell: (work: WorkName, tool: string) => string, shown = timed): Table => [
    ['', ...tools],
    ...shown.map(({ name, title }) => [title, ...tools.map((tool) => cell(name, tool))]),
  ];
  if (timed.length === 0) return [];
  const backups = timed.filter(({ name }) =>
    tools.some((tool) => medianOf(runsOf(findings, name, tool), 'storedMb') !== undefined),
  );
  const figureOf = (key: 'cpuSeconds' | 'storedMb') => (work: WorkName, tool: string) =>
    figure(medianOf(runsOf(findings, work, tool), key));
  return [
    { title: 'Seconds', table: table((work, tool) => timeCell(findings, work, tool)) },
    { title: 'Processor seconds (user and system)', table: table(figureOf('cpuSeconds')) },
    ...(backups.length > 0
      ? [{ title: 'Stored by each backup, MB', table: table(figureOf('storedMb'), backups) }]
      : []),
    {
      title: 'Peak memory, MB',
      table: table((work, tool) => peakOf(runsOf(findings, work, tool))?.toFixed(0) ?? '-'),
    },
  ];
}

/** Peak memory of the cases that strain it; undefined if none was measured. */
export function peaksTable(findings: Findings): Table | undefined {
  if (findings.peaks.length === 0) return undefined;
  const rows = findings.peaks.map((peak) => [
    peak.case,
    peak.operation,
    String(peak.runs),
    figure(peak.seconds),
    peak.peakMb.toFixed(0),
    String(peak.barMb),
  ]);
  return [['case', 'operation', 'runs', 'slowest s', 'peak MB', 'under'], ...rows];
}

/** Medians in MB/s with their spread, and how many times as fast as each other one the first is. */
export function comparisonTable({ contenders, rows }: Comparison): Table {
  return [
    ['MB/s', ...contenders],
    ...rows.map(({ what, speeds }) => [
      what,
      ...speeds.map((own, index) => {
        if (own.length === 0) return '-';
        const speed = `${median(own).toFixed(0)}${index === 0 ? '' : ratioText(median(speeds[0]!) / median(own))}`;
        return `${speed} [${Math.min(...own).toFixed(0)}-${Math.max(...own).toFixed(0)}]`;
      }),
    ]),
  ];
}

export function renderComparison(comparison: Comparison): string {
  return `${comparison.title}\n${renderText(comparisonTable(comparison))}`;
}

function timeCell(findings: Findings, work: WorkName, tool: string): string {
  const runs = runsOf(findings, work, tool);
  const ratio = timesAsFast(findings, work, tool, reference);
  const compared = ratio === undefined || tool === reference ? '' : ratioText(ratio);
  return `${figure(medianOf(runs, 'seconds'))}${compared}${spread(runs)}`;
}

function spread(runs: readonly Run[]): string {
  if (runs.length < 2) return '';
  const seconds = runs.map((run) => run.seconds);
  return ` [${figure(Math.min(...seconds))}-${figure(Math.max(...seconds))}]`;
}

function ratioText(ratio: number): string {
  return ` (${ratio.toFixed(ratio < 10 ? 1 : 0)}x)`;
}

/** A figure with about three digits; a dash if there is none. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '-';
  return value.toFixed(value < 0.1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);
}
