import type { Measurement } from './measure.js';
import { median } from './table.js';
import { tools } from './tools.js';
import type { WorkName } from './works.js';

/** The tool others are compared with. */
export const reference = 'duplicity';

/** One run of a work. */
export interface Run extends Measurement {
  /** By how much a backup made the repository grow. */
  storedMb?: number;
}

/** All runs of a work by a tool, in the order of the rounds. */
export interface Result {
  work: WorkName;
  tool: string;
  runs: Run[];
}

/** What an operation took at most, over all runs in a case that strains memory. */
export interface Peak {
  work: WorkName;
  case: string;
  operation: string;
  runs: number;
  /** Of the slowest. */
  seconds: number;
  peakMb: number;
  /** What it may take. */
  barMb: number;
}

/** Speeds of a few contenders in MB/s, which took turns. More is better. */
export interface Comparison {
  work: WorkName;
  title: string;
  contenders: string[];
  /** Speeds of each contender in the order of the rounds; empty where one cannot do it. */
  rows: { what: string; speeds: number[][] }[];
}

/** What a program of its own printed. */
export interface Printed {
  work: WorkName;
  title: string;
  text: string;
}

/** Everything a benchmark found. */
export interface Findings {
  /** What the machine is. */
  machine: Record<string, string>;
  /** Versions of the programs that took part, by name. */
  versions: Record<string, string>;
  /** What each course worked on, in words. */
  subjects: Record<string, string>;
  results: Result[];
  peaks: Peak[];
  comparisons: Comparison[];
  printed: Printed[];
  /** Works with other sizes than the bars are for. */
  reduced: WorkName[];
  failures: string[];
}

export function noFindings(machine: Record<string, string>): Findings {
  return {
    machine,
    versions: {},
    subjects: {},
    results: [],
    peaks: [],
    comparisons: [],
    printed: [],
    reduced: [],
    failures: [],
  };
}

export function addRun(findings: Findings, work: WorkName, tool: string, run: Run): void {
  const found = findings.results.find((result) => result.work === work && result.tool === tool);
  if (found) found.runs.push(run);
  else findings.results.push({ work, tool, runs: [run] });
}

export function runsOf(findings: Findings, work: WorkName, tool: string): Run[] {
  return findings.results.find((result) => result.work === work && result.tool === tool)?.runs ?? [];
}

/** The median of a figure; undefined if no run has it. */
export function medianOf(
  runs: readonly Run[],
  key: 'seconds' | 'cpuSeconds' | 'storedMb',
): number | undefined {
  const values = runs.map((run) => run[key]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

/** The largest peak; undefined without a run. */
export function peakOf(runs: readonly Run[]): number | undefined {
  return runs.length === 0 ? undefined : Math.max(...runs.map(({ peakMb }) => peakMb));
}

/** So many times as fast as the other one a tool is; undefined unless both have run. */
export function timesAsFast(
  findings: Findings,
  work: WorkName,
  tool: string,
  other: string,
): number | undefined {
  const own = medianOf(runsOf(findings, work, tool), 'seconds');
  const others = medianOf(runsOf(findings, work, other), 'seconds');
  return own === undefined || others === undefined ? undefined : others / own;
}

/** The medians of all results, and how many times as fast as duplicity each is. */
export function medians(findings: Findings): object[] {
  return findings.results.map(({ work, tool, runs }) => ({
    work,
    tool,
    seconds: medianOf(runs, 'seconds'),
    cpuSeconds: medianOf(runs, 'cpuSeconds'),
    storedMb: medianOf(runs, 'storedMb'),
    peakMb: peakOf(runs),
    timesAsFast: timesAsFast(findings, work, tool, reference),
  }));
}

/** The tools that have results, in the order in which they are shown. */
export function toolsIn(findings: Findings): string[] {
  return tools.map(({ name }) => name).filter((name) => findings.results.some(({ tool }) => tool === name));
}

/** The works with figures. */
function worksIn({ results, comparisons, printed, peaks }: Findings): Set<WorkName> {
  return new Set([...results, ...comparisons, ...printed, ...peaks].map(({ work }) => work));
}

/**
 * Adds the works of an earlier run that the later one has no figures of. Tools of one work were measured in one run, so
 * that every ratio still is of one run. Throws an Error if the runs were on other machines or of other versions.
 */
export function mergeFindings(later: Findings, earlier: Findings): Findings {
  const { date, ...machine } = later.machine;
  const { date: earlierDate, ...earlierMachine } = earlier.machine;
  refuseDifferences(machine, earlierMachine);
  refuseDifferences(later.versions, earlier.versions);
  const known = worksIn(later);
  const isNew = ({ work }: { work: WorkName }) => !known.has(work);
  const dates = [...new Set([earlierDate, date].flatMap((each) => each?.split(' to ') ?? []))].sort();
  return {
    machine: { ...machine, date: dates.length > 1 ? `${dates[0]} to ${dates.at(-1)}` : (dates[0] ?? '') },
    versions: { ...earlier.versions, ...later.versions },
    subjects: { ...earlier.subjects, ...later.subjects },
    results: [...later.results, ...earlier.results.filter(isNew)],
    peaks: [...later.peaks, ...earlier.peaks.filter(isNew)],
    comparisons: [...later.comparisons, ...earlier.comparisons.filter(isNew)],
    printed: [...later.printed, ...earlier.printed.filter(isNew)],
    reduced: [...later.reduced, ...earlier.reduced.filter((work) => !known.has(work))],
    failures: [...later.failures, ...earlier.failures],
  };
}

function refuseDifferences(own: Record<string, string>, other: Record<string, string>): void {
  for (const [name, value] of Object.entries(own)) {
    if (name in other && other[name] !== value) {
      throw new Error(
        `an earlier run had ${name} ${other[name]}, this one has ${value}: they do not compare`,
      );
    }
  }
}
