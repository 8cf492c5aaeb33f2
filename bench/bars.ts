import { type Findings, medianOf, peakOf, runsOf, timesAsFast } from './findings.js';
import { median } from './table.js';
import { type WorkName, works } from './works.js';

/** What tundra is to reach. */
export type Bar =
  /** At least so many times as fast as a peer. */
  | { kind: 'speed'; work: WorkName; than: string; atLeast: number }
  /** At most so many times as slow as a floor. */
  | { kind: 'time'; work: WorkName; than: string; atMost: number }
  /** Stores at most so many times as much as a peer. */
  | { kind: 'stored'; work: WorkName; than: string; atMost: number }
  /** At most so many milliseconds, the median. */
  | { kind: 'milliseconds'; work: WorkName; atMost: number }
  /** Less than so many megabytes in any run, its threads and the programs it calls included. */
  | { kind: 'memory'; under: number };

export const bars: readonly Bar[] = [
  { kind: 'speed', work: 'full', than: 'duplicity', atLeast: 8 },
  { kind: 'speed', work: 'full', than: 'restic', atLeast: 1 },
  { kind: 'stored', work: 'full', than: 'duplicity', atMost: 1.02 },
  { kind: 'speed', work: 'gzip', than: 'duplicity', atLeast: 9 },
  { kind: 'speed', work: 'unchanged', than: 'duplicity', atLeast: 10 },
  { kind: 'speed', work: 'unchanged', than: 'restic', atLeast: 4 },
  { kind: 'speed', work: 'changes', than: 'duplicity', atLeast: 8 },
  { kind: 'speed', work: 'restore', than: 'duplicity', atLeast: 3 },
  { kind: 'time', work: 'restore', than: 'tar', atMost: 1.5 },
  { kind: 'speed', work: 'one-file', than: 'duplicity', atLeast: 8 },
  { kind: 'speed', work: 'list', than: 'duplicity', atLeast: 10 },
  { kind: 'speed', work: 'verify', than: 'duplicity', atLeast: 4 },
  { kind: 'speed', work: 'photos', than: 'duplicity', atLeast: 8 },
  { kind: 'speed', work: 'photos', than: 'restic', atLeast: 1.2 },
  { kind: 'speed', work: 'large-file', than: 'duplicity', atLeast: 5 },
  { kind: 'milliseconds', work: 'start', atMost: 120 },
  { kind: 'memory', under: 250 },
];

/** What each case that strains memory may take. */
export const caseBarsMb = { files: 300, chain: 250, holes: 250, largeFile: 250 } as const;

/** How a bar was met. */
export interface Verdict {
  work: string;
  bar: string;
  found: string;
  verdict: 'PASS' | 'short' | 'not measured' | 'smaller data';
}

/** A verdict for every bar of which something was measured. A work with smaller data than the bars are for gets none. */
export function judge(findings: Findings): Verdict[] {
  return [...bars.flatMap((bar) => judgeBar(bar, findings)), ...judgeCases(findings)];
}

function judgeBar(bar: Bar, findings: Findings): Verdict[] {
  if (bar.kind === 'memory') return judgeMemory(bar.under, findings);
  const runs = runsOf(findings, bar.work, 'tundra');
  if (runs.length === 0) return [];
  const { text, value, holds } = measured(bar, findings);
  const verdict = value === undefined ? 'not measured' : verdictOf(holds, isReduced(bar.work, findings));
  return [{ work: titleOf(bar.work), bar: text, found: value ?? '-', verdict }];
}

function measured(
  bar: Exclude<Bar, { kind: 'memory' }>,
  findings: Findings,
): { text: string; value: string | undefined; holds: boolean } {
  const { work } = bar;
  if (bar.kind === 'milliseconds') {
    const milliseconds = 1000 * median(runsOf(findings, work, 'tundra').map(({ seconds }) => seconds));
    return {
      text: `at most ${bar.atMost} ms`,
      value: `${milliseconds.toFixed(0)} ms`,
      holds: milliseconds <= bar.atMost,
    };
  }
  if (bar.kind === 'speed') {
    const ratio = timesAsFast(findings, work, 'tundra', bar.than);
    const text = bar.atLeast === 1 ? `faster than ${bar.than}` : `${bar.atLeast} times ${bar.than}`;
    const holds = bar.atLeast === 1 ? (ratio ?? 0) > 1 : (ratio ?? 0) >= bar.atLeast;
    return { text, value: figure(ratio, 2, ' times'), holds };
  }
  if (bar.kind === 'time') {
    const faster = timesAsFast(findings, work, 'tundra', bar.than);
    const ratio = faster === undefined ? undefined : 1 / faster;
    return {
      text: `at most ${bar.atMost} times the time of ${bar.than}`,
      value: figure(ratio, 2, ' times'),
      holds: (ratio ?? Number.POSITIVE_INFINITY) <= bar.atMost,
    };
  }
  const own = medianOf(runsOf(findings, work, 'tundra'), 'storedMb');
  const other = medianOf(runsOf(findings, work, bar.than), 'storedMb');
  const ratio = own !== undefined && other !== undefined ? own / other : undefined;
  return {
    text: `stores at most ${bar.atMost} of ${bar.than}`,
    value: figure(ratio, 3),
    holds: (ratio ?? Number.POSITIVE_INFINITY) <= bar.atMost,
  };
}

function judgeMemory(underMb: number, findings: Findings): Verdict[] {
  const peaks = findings.results
    .filter(({ tool }) => tool === 'tundra')
    .map(({ work, runs }) => ({ work, peakMb: peakOf(runs)! }))
    .sort((a, b) => b.peakMb - a.peakMb);
  const worst = peaks[0];
  if (worst === undefined) return [];
  return [
    {
      work: 'peak memory of each',
      bar: `under ${underMb} MB`,
      found: `${worst.peakMb.toFixed(0)} MB (${worst.work})`,
      verdict: verdictOf(
        worst.peakMb < underMb,
        peaks.some(({ work }) => isReduced(work, findings)),
      ),
    },
  ];
}

/** The worst operation of each case. */
function judgeCases(findings: Findings): Verdict[] {
  const cases = [...new Set(findings.peaks.map((peak) => peak.case))];
  return cases.map((name) => {
    const peaks = findings.peaks.filter((peak) => peak.case === name).sort((a, b) => b.peakMb - a.peakMb);
    const { work, operation, peakMb, barMb } = peaks[0]!;
    return {
      work: `peak memory, ${name}`,
      bar: `under ${barMb} MB`,
      found: `${peakMb.toFixed(0)} MB (${operation})`,
      verdict: verdictOf(peakMb < barMb, isReduced(work, findings)),
    };
  });
}

function verdictOf(holds: boolean, reduced: boolean): Verdict['verdict'] {
  return reduced ? 'smaller data' : holds ? 'PASS' : 'short';
}

function isReduced(work: WorkName, findings: Findings): boolean {
  return findings.reduced.includes(work);
}

function titleOf(work: WorkName): string {
  return works.find(({ name }) => name === work)!.title;
}

function figure(value: number | undefined, digits: number, unit = ''): string | undefined {
  return value === undefined ? undefined : value.toFixed(digits) + unit;
}
