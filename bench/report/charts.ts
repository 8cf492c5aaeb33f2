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
import { median } from '../table.js';
import type { WorkName } from '../works.js';
import { type Bar, type Chart, type Group, renderChart } from './chart.js';
import { figure, timedWorks } from './tables.js';

/** The charts as SVG documents with their titles, by their file names. What was not measured has none. */
export function charts(findings: Findings): Map<string, { title: string; svg: string }> {
  const all: [string, Chart][] = [
    ['time.svg', timeChart(findings)],
    ['stored.svg', storedChart(findings)],
    ['memory.svg', memoryChart(findings)],
    ['kernels.svg', kernelChart(findings.comparisons.filter(({ work }) => work === 'kernels'))],
  ];
  return new Map(
    all
      .filter(([, { groups }]) => groups.length > 0)
      .map(([file, chart]) => [file, { title: chart.title, svg: renderChart(chart) }]),
  );
}

function timeChart(findings: Findings): Chart {
  const groups = groupsOf(
    findings,
    ({ seconds }) => seconds,
    (work, tool, runs) => {
      const ratio = timesAsFast(findings, work, tool, reference);
      const compared =
        ratio === undefined || tool === reference ? '' : `, ${ratio.toFixed(ratio < 10 ? 1 : 0)}x`;
      const seconds = medianOf(runs, 'seconds')!;
      return work === 'start'
        ? `${(seconds * 1000).toFixed(0)} ms${compared}`
        : `${figure(seconds)} s${compared}`;
    },
  );
  const title = `Time: less is better (Nx: so many times as fast as ${reference})`;
  return { title, description: describe(groups), groups };
}

function storedChart(all: Findings): Chart {
  // What a backup of no changes stores is no size to compare.
  const findings = { ...all, results: all.results.filter(({ work }) => work !== 'unchanged') };
  const groups = groupsOf(
    findings,
    ({ storedMb }) => storedMb,
    (_, __, runs) => `${figure(medianOf(runs, 'storedMb'))} MB`,
  );
  return { title: 'Stored by each backup: less is better', description: describe(groups), groups };
}

function memoryChart(findings: Findings): Chart {
  const groups = groupsOf(
    findings,
    ({ peakMb }) => peakMb,
    (_, __, runs) => `${peakOf(runs)!.toFixed(0)} MB`,
  );
  return { title: 'Peak memory: less is better', description: describe(groups), groups };
}

function kernelChart(comparisons: readonly Comparison[]): Chart {
  const groups = comparisons.flatMap(({ contenders, rows }) =>
    rows.map(({ what, speeds }): Group => {
      const bars = contenders.flatMap((name, index): Bar[] => {
        const own = speeds[index]!;
        if (own.length === 0) return [];
        const value = median(own);
        return [
          {
            name,
            value,
            label: `${value.toFixed(0)} MB/s`,
            spread: [Math.min(...own), Math.max(...own)],
            isOwn: index === 0,
          },
        ];
      });
      return { title: what, bars };
    }),
  );
  return { title: 'Kernels, MB/s: more is better', description: describe(groups), groups };
}

/** A group for each work, a bar for each tool that has the figure. */
function groupsOf(
  findings: Findings,
  figureOf: (run: Run) => number | undefined,
  labelOf: (work: WorkName, tool: string, runs: readonly Run[]) => string,
): Group[] {
  return timedWorks(findings).flatMap(({ name: work, title }): Group[] => {
    const bars = toolsIn(findings).flatMap((tool): Bar[] => {
      const runs = runsOf(findings, work, tool);
      const values = runs.map(figureOf).filter((value) => value !== undefined);
      if (values.length === 0) return [];
      const spread = [Math.min(...values), Math.max(...values)] as const;
      return [
        {
          name: tool,
          value: median(values),
          label: labelOf(work, tool, runs),
          spread,
          isOwn: tool === 'tundra',
        },
      ];
    });
    return bars.length === 0 ? [] : [{ title, bars }];
  });
}

/** All figures in words. */
function describe(groups: readonly Group[]): string {
  return groups
    .map(({ title, bars }) => `${title}: ${bars.map(({ name, label }) => `${name} ${label}`).join('; ')}.`)
    .join(' ');
}
