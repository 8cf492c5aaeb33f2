import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { caseBarsMb } from '../bars.js';
import { changeLargeFile, writeLargeFile } from '../contents.js';
import { measure } from '../measure.js';
import { prepareRunner, type Runner, runOperation, turned } from '../runner.js';
import { attempt, note, type Stage, toolsFor } from '../stage.js';
import { stopAgents } from '../tools.js';

/** Incremental backups of one large file that changes in place. The full backup before them is not timed. */
export async function largeFile(stage: Stage): Promise<void> {
  const { options, findings } = stage;
  stage.progress('making a large file');
  const source = join(stage.folder, 'source');
  mkdirSync(source);
  const path = join(source, 'large');
  writeLargeFile(path, options.largeBytes);
  const megabytes = options.largeBytes / 1e6;
  findings.subjects['large-file'] =
    `${megabytes} MB, 1 % of it changed in pieces of 10 KB before each incremental backup; rounds: ${options.rounds}`;
  let runners: Runner[] = [];
  try {
    for (const tool of toolsFor(stage, 'large-file')) {
      const runner = await attempt(stage, 'large-file', tool, async () => {
        const runner = await prepareRunner(tool, stage.folder, source, options.sealing);
        const { seconds, peakMb, storedMb } = await runOperation(runner, 'full');
        stage.progress(
          `its full backup, ${tool.name}: ${seconds.toFixed(1)} s, ${storedMb!.toFixed(0)} MB stored`,
        );
        if (tool.name === 'tundra') {
          const operation = 'full';
          const peak = { case: `one file of ${megabytes} MB`, operation, runs: 1, seconds, peakMb };
          findings.peaks.push({ work: 'large-file', ...peak, barMb: caseBarsMb.largeFile });
        }
        return runner;
      });
      if (runner) runners.push(runner);
    }
    for (let round = 1; round <= options.rounds; round++) {
      changeLargeFile(path, options.largeBytes, round);
      const working: Runner[] = [];
      for (const runner of turned(runners, round - 1)) {
        const { tool } = runner;
        const run = await attempt(stage, 'large-file', tool, () => runOperation(runner, 'incremental'));
        if (run === undefined) continue;
        note(stage, 'large-file', tool, run);
        working.push(runner);
      }
      runners = runners.filter((runner) => working.includes(runner));
    }
    const own = runners.find(({ tool }) => tool.name === 'tundra');
    if (own && options.check) {
      await attempt(stage, 'large-file', own.tool, () =>
        measure(own.tool.command('verify', own.ground), own.logs),
      );
    }
  } finally {
    stopAgents(runners.map(({ ground }) => ground.folder));
  }
}
