import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compareTrees, describeTree } from '../../test/trees/describe.js';
import { removeTree } from '../../test/trees/writer.js';
import { caseBarsMb } from '../bars.js';
import type { Peak } from '../findings.js';
import type { Measurement } from '../measure.js';
import type { Options } from '../options.js';
import { prepareRunner, type Runner, runOperation } from '../runner.js';
import { attempt, type Stage } from '../stage.js';
import { type Operation, stopAgents } from '../tools.js';
import { type Case, fileWithHoles, longChain, manyFiles } from './memory-cases.js';

/** Memory that tundra takes, however much there is to back up. */
export async function memory(stage: Stage): Promise<void> {
  const { options, findings } = stage;
  const tundra = stage.tools.find(({ name }) => name === 'tundra');
  if (!tundra) return;
  for (const one of chooseCases(options)) {
    const folder = join(stage.folder, one.name);
    mkdirSync(folder);
    stage.progress(`${one.description} ...`);
    await attempt(stage, 'memory', tundra, async () => {
      const runner = await prepareRunner(tundra, folder, join(folder, 'source'), options.sealing);
      try {
        const peaks = await runCase(one, runner, options.check);
        for (const { operation, seconds, peakMb } of peaks) {
          stage.progress(
            `memory       ${operation.padEnd(11)} ${seconds.toFixed(2)} s, ${peakMb.toFixed(0)} MB`,
          );
        }
        findings.peaks.push(...peaks);
      } finally {
        stopAgents([runner.ground.folder]);
      }
    });
    removeTree(folder);
  }
}

function chooseCases(options: Options): Case[] {
  const known = [manyFiles(options.manyFiles), longChain(options.sets), fileWithHoles(options.holesBytes)];
  return (options.cases ?? known.map(({ name }) => name)).map((name) => {
    const found = known.find((each) => each.name === name);
    if (!found) throw new Error(`--cases knows ${known.map(({ name }) => name).join(', ')}, not ${name}`);
    return found;
  });
}

/** Backs a case up, restores and verifies it. */
async function runCase(one: Case, runner: Runner, check: boolean): Promise<Peak[]> {
  const { source } = runner.ground;
  const peaks: Peak[] = [];
  const run = async (operation: Operation) => {
    addPeak(peaks, one, operation, await runOperation(runner, operation));
  };
  one.make(source);
  await run('full');
  for (let set = 1; set <= one.sets; set++) {
    one.change(source, set);
    await run('incremental');
  }
  for (const operation of ['list', 'verify', 'restore'] as const) await run(operation);
  if (check) {
    const differences = compareTrees(describeTree(source), describeTree(runner.ground.target));
    if (differences.length > 0) throw new Error(`restored wrongly:\n${differences.slice(0, 10).join('\n')}`);
  }
  return peaks;
}

/** Keeps the worst of all runs. */
function addPeak(peaks: Peak[], one: Case, operation: Operation, { seconds, peakMb }: Measurement): void {
  const worst = peaks.find((peak) => peak.operation === operation);
  if (worst) {
    worst.runs++;
    worst.seconds = Math.max(worst.seconds, seconds);
    worst.peakMb = Math.max(worst.peakMb, peakMb);
  } else {
    peaks.push({
      work: 'memory',
      case: one.description,
      operation,
      runs: 1,
      seconds,
      peakMb,
      barMb: caseBarsMb[one.name],
    });
  }
}
