import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { displayBytes } from '../src/base/path-key.js';
import { compareTrees, describeTree, type TreeDescription } from '../test/trees/describe.js';
import { removeTree } from '../test/trees/writer.js';
import { type Measurement, measure, settleDisk, touchMemory } from './measure.js';
import type { Options } from './options.js';
import type { Findings } from './report.js';
import { type Ground, type Operation, operations, stopAgents, type Tool } from './tools.js';
import { changeTree, sizeOfFolder, type TreeFile } from './tree.js';

/** A tool in this round, with its place. */
interface Runner {
  tool: Tool;
  /** Its target lies beside the others': each operation restores into one of its own. */
  ground: Ground;
  /** Where measured runs leave their output. */
  logs: string;
}

/** What the rounds work on. */
export interface Course extends Omit<Options, 'files'> {
  source: string;
  files: TreeFile[];
  smallChanges: number;
  largeChanges: number;
}

/** All rounds: in each, every operation is run by every tool before the next operation begins. */
export async function runRounds(
  findings: Findings,
  present: readonly Tool[],
  course: Course,
  progress: (text: string) => void,
): Promise<void> {
  const spare = pickOneFile(course.files);
  let files = course.files;
  for (let round = 1; round <= course.rounds; round++) {
    // Nobody is always first.
    const order = present.map((_, index) => present[(index + round - 1) % present.length]!);
    const folder = join(course.work, `round-${round}`);
    try {
      let runners: Runner[] = [];
      for (const tool of order) runners.push(await prepare(tool, course, folder, spare));
      for (const operation of neededOperations(course.only)) {
        if (operation === 'changed') files = changeTree(course.source, files, { ...course, spare, round });
        const expected =
          operation === 'restore' && course.check ? describeForCheck(course.source) : undefined;
        const working: Runner[] = [];
        for (const runner of runners) {
          try {
            if (operation === 'restore') touchMemory(folder, 1.3 * course.sizeBytes);
            const measurement = await run(runner, operation);
            if (course.check) checkResult(runner, operation, files.length, expected);
            if (course.only.has(operation)) {
              progress(`${round}: ${note(findings, runner, operation, measurement)}`);
            }
            working.push(runner);
          } catch (error) {
            const text = `${runner.tool.name}, ${operation}: ${error instanceof Error ? error.message : error}`;
            findings.failures.push(text);
            progress(text);
          }
        }
        runners = working;
      }
    } finally {
      stopAgents(order.map(({ name }) => join(folder, name)));
    }
    // Not earlier: some file systems create files slowly for minutes after many were removed.
    if (!course.keep) removeTree(folder);
  }
}

/** A file of middling size in the middle of the tree. */
function pickOneFile(files: readonly TreeFile[]): string {
  const middling = files.filter(
    ({ path, sizeBytes }) => sizeBytes >= 4096 && sizeBytes < 65_536 && /^[\w/.-]+$/.test(path),
  );
  const file = middling[middling.length >> 1];
  if (!file) throw new Error('the tree has no file of 4 to 64 KB: ask for a larger one');
  return file.path;
}

/** The operations that were asked for and those they build on. */
function neededOperations(only: ReadonlySet<Operation>): Operation[] {
  const afterChange = operations.slice(operations.indexOf('changed'));
  const changes = afterChange.some((operation) => only.has(operation));
  return operations.filter(
    (operation) => only.has(operation) || operation === 'full' || (operation === 'changed' && changes),
  );
}

/** Gives a tool its place for a round, with an empty repository. */
async function prepare(tool: Tool, course: Course, round: string, oneFile: string): Promise<Runner> {
  const folder = join(round, tool.name);
  const logs = join(round, `${tool.name}-logs`);
  for (const made of [folder, logs]) mkdirSync(made, { recursive: true });
  const ground = { source: course.source, folder, target: '', oneFile, sealing: course.sealing };
  for (const command of tool.prepare(ground)) await measure(command, logs);
  return { tool, ground, logs };
}

async function run({ tool, ground, logs }: Runner, operation: Operation): Promise<Measurement> {
  ground.target = `${ground.folder}-${operation.replace(' ', '-')}`;
  const command = tool.command(operation, ground);
  settleDisk();
  // duplicity's sets are named by whole seconds: two of them must not fall into one.
  await new Promise((later) => setTimeout(later, 1100));
  return measure(command, logs);
}

/** Adds a measurement to the findings, and says it. */
function note(
  findings: Findings,
  { tool, ground }: Runner,
  operation: Operation,
  measurement: Measurement,
): string {
  let runs = findings.runs.find((each) => each.tool === tool.name && each.operation === operation);
  if (!runs) {
    runs = { tool: tool.name, operation, measurements: [] };
    findings.runs.push(runs);
  }
  runs.measurements.push(measurement);
  if (operation === 'full') findings.storedMb[tool.name] = sizeOfFolder(tool.repository(ground)) / 1e6;
  const { seconds, peakMb } = measurement;
  return `${operation.padEnd(12)} ${tool.name.padEnd(10)} ${seconds.toFixed(2)} s, ${peakMb.toFixed(0)} MB`;
}

/** Throws unless the operation did what it was timed for. */
function checkResult(
  runner: Runner,
  operation: Operation,
  files: number,
  source: TreeDescription | undefined,
): void {
  const { tool, ground, logs } = runner;
  if (operation === 'restore') {
    const differences = compareTrees(source!, describeForCheck(ground.target));
    if (differences.length > 0) {
      throw new Error(
        `restored wrongly, ${differences.length} differences:\n${differences.slice(0, 5).join('\n')}`,
      );
    }
  } else if (operation === 'restore one') {
    const restored = readFileSync(tool.oneFileAt(ground) ?? join(logs, 'stdout'));
    if (!restored.equals(readFileSync(join(ground.source, ground.oneFile)))) {
      throw new Error(`restored ${displayBytes(ground.oneFile)} wrongly`);
    }
  } else if (operation === 'list') {
    const lines = readFileSync(join(logs, 'stdout'), 'latin1').split('\n').length - 1;
    if (lines < files) throw new Error(`listed ${lines} lines for ${files} files`);
  }
}

/** What every tool restores, whoever runs it: types, modes and contents of everything below the root. */
function describeForCheck(folder: string): TreeDescription {
  const description = describeTree(folder, { leaveOut: ['owner', 'mtime'] });
  description.delete('.');
  return description;
}
