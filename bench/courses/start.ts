import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { addRun, runsOf } from '../findings.js';
import { measure } from '../measure.js';
import { turned } from '../runner.js';
import { attempt, type Stage, toolsFor } from '../stage.js';
import { median } from '../table.js';

const rounds = 21;

/** How long a program takes to say its version. */
export async function start(stage: Stage): Promise<void> {
  const tools = toolsFor(stage, 'start');
  stage.findings.subjects.start = `whole processes; rounds: ${rounds}`;
  const logs = join(stage.folder, 'logs');
  mkdirSync(logs);
  for (let round = 0; round < rounds; round++) {
    for (const tool of turned(tools, round)) {
      const run = await attempt(stage, 'start', tool, () => measure(tool.start, logs));
      if (run) addRun(stage.findings, 'start', tool.name, run);
    }
  }
  for (const { name } of tools) {
    const seconds = runsOf(stage.findings, 'start', name).map((run) => run.seconds);
    if (seconds.length > 0) {
      stage.progress(`start        ${name.padEnd(10)} ${(1000 * median(seconds)).toFixed(0)} ms`);
    }
  }
}
