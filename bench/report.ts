import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import type { Measurement } from './measure.js';
import { median, renderMarkdown, renderText, type Table } from './table.js';
import { type Operation, operations, type Sealing, type Tool } from './tools.js';

/** Everything a benchmark found. */
export interface Findings {
  sealing: Sealing;
  rounds: number;
  tree: { files: number; sizeBytes: number; smallChanges: number; largeChanges: number };
  /** Versions of the tools that took part, by name. */
  versions: Record<string, string>;
  missing: string[];
  /** All runs of a tool's operation, in the order of the rounds. */
  runs: { tool: string; operation: Operation; measurements: Measurement[] }[];
  /** Stored size after the full backup, by tool. */
  storedMb: Record<string, number>;
  failures: string[];
  machine: Record<string, string>;
}

/** The tool others are compared with. */
export const reference = 'duplicity';

const titles: Record<Operation, (findings: Findings) => string> = {
  full: () => 'full',
  unchanged: () => 'incremental, nothing changed',
  changed: ({ tree }) => `incremental, ${tree.smallChanges} small and ${tree.largeChanges} large changes`,
  restore: () => 'restore',
  'restore one': () => 'restore one file',
  list: () => 'list files',
  verify: () => 'verify (compare data)',
};

export const notes = [
  `(Nx): so many times as fast as ${reference}; [a-b]: fastest and slowest of the rounds.`,
  'restic and borg cannot compare with the source: their verify is "check --read-data" and "check --verify-data".',
  'restic always encrypts. restore, one file, list and verify work on the full and both increments.',
];

/** What the machine is, for a reader of the figures. */
export function machineFacts(work: string): Record<string, string> {
  const { stdout } = spawnSync('stat', ['-f', '-c', '%T', work], { encoding: 'utf8' });
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: String(cpus().length),
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GB`,
    'file system': stdout?.trim() || 'unknown',
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** The tables as text, with the notes below. */
export function textReport(findings: Findings, tools: readonly Tool[]): string {
  const parts = tablesOf(findings, tools).map(({ title, table }) => `${title}\n${renderText(table)}`);
  return [...parts, notes.join('\n'), ...findings.failures].join('\n\n');
}

/** The tables as Markdown, with the machine's facts above. */
export function markdownReport(findings: Findings, tools: readonly Tool[]): string {
  const facts = Object.entries({ ...findings.machine, ...findings.versions }).map(
    ([name, value]) => `- ${name}: ${value}`,
  );
  const { files, sizeBytes } = findings.tree;
  const subject = `- data: ${files} files, ${megabytes(sizeBytes)} MB; ${findings.sealing}; rounds: ${findings.rounds}`;
  const parts = tablesOf(findings, tools).map(({ title, table }) => `${title}:\n\n${renderMarkdown(table)}`);
  return `${[[...facts, subject].join('\n'), ...parts, notes.map((note) => `- ${note}`).join('\n')].join('\n\n')}\n`;
}

/** The figures for programs: medians, ratios and every single run. */
export function jsonReport(findings: Findings): string {
  const results = findings.runs.map(({ tool, operation, measurements }) => ({
    tool,
    operation,
    seconds: medianOf(measurements, 'seconds'),
    cpuSeconds: medianOf(measurements, 'cpuSeconds'),
    peakMb: Math.max(...measurements.map(({ peakMb }) => peakMb)),
    timesAsFast: ratioOf(findings, tool, operation),
    runs: measurements,
  }));
  const { runs: _, ...facts } = findings;
  return `${JSON.stringify({ ...facts, results }, undefined, 2)}\n`;
}

function tablesOf(findings: Findings, tools: readonly Tool[]): { title: string; table: Table }[] {
  const names = tools.map(({ name }) => name);
  const timed = operations.filter((operation) => findings.runs.some((run) => run.operation === operation));
  const rows = (cell: (tool: string, operation: Operation) => string) =>
    timed.map((operation) => [titles[operation](findings), ...names.map((tool) => cell(tool, operation))]);
  const stored = ['stored after full', ...names.map((name) => figure(findings.storedMb[name]))];
  return [
    {
      title: 'Seconds',
      table: [['', ...names], ...rows((tool, operation) => timeCell(findings, tool, operation))],
    },
    {
      title: 'Processor seconds',
      table: [
        ['', ...names],
        ...rows((tool, operation) => figure(medianOf(runsOf(findings, tool, operation), 'cpuSeconds'))),
      ],
    },
    {
      title: 'Megabytes: peak memory, and what is stored',
      table: [['', ...names], ...rows((tool, operation) => peakCell(findings, tool, operation)), stored],
    },
  ];
}

function runsOf(findings: Findings, tool: string, operation: Operation): Measurement[] {
  return findings.runs.find((run) => run.tool === tool && run.operation === operation)?.measurements ?? [];
}

function medianOf(runs: readonly Measurement[], key: 'seconds' | 'cpuSeconds'): number | undefined {
  const values = runs.map((run) => run[key]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

function ratioOf(findings: Findings, tool: string, operation: Operation): number | undefined {
  const own = medianOf(runsOf(findings, tool, operation), 'seconds');
  const other = medianOf(runsOf(findings, reference, operation), 'seconds');
  return own === undefined || other === undefined ? undefined : other / own;
}

function timeCell(findings: Findings, tool: string, operation: Operation): string {
  const runs = runsOf(findings, tool, operation);
  const ratio = ratioOf(findings, tool, operation);
  let cell = figure(medianOf(runs, 'seconds'));
  if (ratio !== undefined && tool !== reference) cell += ` (${ratio.toFixed(ratio < 10 ? 1 : 0)}x)`;
  if (runs.length > 1) {
    const seconds = runs.map((run) => run.seconds);
    cell += ` [${figure(Math.min(...seconds))}-${figure(Math.max(...seconds))}]`;
  }
  return cell;
}

function peakCell(findings: Findings, tool: string, operation: Operation): string {
  const peaks = runsOf(findings, tool, operation).map(({ peakMb }) => peakMb);
  return peaks.length === 0 ? '-' : Math.max(...peaks).toFixed(0);
}

function figure(value: number | undefined): string {
  if (value === undefined) return '-';
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function megabytes(sizeBytes: number): string {
  return (sizeBytes / 1e6).toFixed(0);
}
