import { join } from 'node:path';
import { removeTree } from '../../test/trees/writer.js';
import { touchMemory } from '../measure.js';
import {
  checkResult,
  describeForCheck,
  prepareRunner,
  type Runner,
  runOperation,
  turned,
} from '../runner.js';
import { attempt, note, type Stage, toolsFor } from '../stage.js';
import { type Operation, stopAgents } from '../tools.js';
import { buildTree, changeTree, type TreeFile } from '../tree.js';
import type { WorkName } from '../works.js';

/** A step of a round: every tool takes it before the next step begins. */
interface Step {
  work: WorkName;
  operation: Operation;
}

const changes: Step = { work: 'changes', operation: 'incremental' };

/** What follows the changes works on a full backup and three incremental ones (and an empty one, from `unchanged`). */
const steps: readonly Step[] = [
  { work: 'full', operation: 'full' },
  { work: 'unchanged', operation: 'incremental' },
  changes,
  changes,
  changes,
  { work: 'restore', operation: 'restore' },
  { work: 'one-file', operation: 'one-file' },
  { work: 'list', operation: 'list' },
  { work: 'verify', operation: 'verify' },
];

/** The tree as it is at the time, and how it changes. */
interface Subject {
  source: string;
  files: TreeFile[];
  oneFile: string;
  smallChanges: number;
  largeChanges: number;
  /** How often it was changed. */
  changed: number;
}

/** One tree of real files: backups of it, restores and what else is done with it. */
export async function benchTree(stage: Stage): Promise<void> {
  const { options, folder, findings } = stage;
  stage.progress('building the tree');
  const source = join(folder, 'tree');
  const files = buildTree(source, options);
  const subject: Subject = {
    source,
    files,
    oneFile: pickOneFile(files),
    smallChanges: Math.min(500, Math.ceil(files.length / 10)),
    largeChanges: Math.min(15, Math.ceil(files.length / 1000)),
    changed: 0,
  };
  findings.subjects.tree = describeSubject(subject, options.rounds);
  for (let round = 1; round <= options.rounds; round++) {
    const roundFolder = join(folder, `round-${round}`);
    if (options.works.has('gzip')) await fullWithoutEncryption(stage, subject, round);
    if (neededSteps(options.works).length > 0) await runRound(stage, subject, roundFolder, round);
    // Not earlier: some file systems create files slowly for minutes after many were removed.
    if (!options.keep) removeTree(roundFolder);
  }
}

function describeSubject({ files, smallChanges, largeChanges }: Subject, rounds: number): string {
  const megabytes = files.reduce((sum, file) => sum + file.sizeBytes, 0) / 1e6;
  const changes = `${smallChanges} small and ${largeChanges} large changes before each of three incremental backups`;
  return `${files.length} files, ${megabytes.toFixed(0)} MB, ${changes}; rounds: ${rounds}`;
}

/** The steps that were asked for and those they build on. */
export function neededSteps(asked: ReadonlySet<WorkName>): Step[] {
  const onChain = steps.slice(steps.indexOf(changes)).some(({ work }) => asked.has(work));
  const onFull = steps.some(({ work }) => asked.has(work));
  return steps.filter(
    ({ work }) => asked.has(work) || (work === 'full' && onFull) || (work === 'changes' && onChain),
  );
}

async function runRound(stage: Stage, subject: Subject, folder: string, round: number): Promise<void> {
  const { options } = stage;
  const { source, oneFile } = subject;
  let runners: Runner[] = [];
  for (const tool of stage.tools) {
    const prepare = () => prepareRunner(tool, folder, source, options.sealing, oneFile);
    const runner = await attempt(stage, 'full', tool, prepare);
    if (runner) runners.push(runner);
  }
  const grounds = runners.map(({ ground }) => ground.folder);
  try {
    for (const [index, step] of neededSteps(options.works).entries()) {
      if (step === changes) {
        const change = { ...subject, spare: oneFile, round: ++subject.changed };
        subject.files = changeTree(source, subject.files, change);
      }
      const working = await takeStep(stage, subject, step, turned(runners, round + index - 1), folder);
      runners = runners.filter((runner) => working.includes(runner));
    }
  } finally {
    stopAgents(grounds);
  }
}

/** Lets every tool take a step. Returns those that succeeded, and those it is not for. */
async function takeStep(
  stage: Stage,
  subject: Subject,
  { work, operation }: Step,
  runners: readonly Runner[],
  folder: string,
): Promise<Runner[]> {
  const { options } = stage;
  const isChecked = operation === 'restore' && options.check;
  const expected = isChecked ? describeForCheck(subject.source) : undefined;
  const working: Runner[] = [];
  for (const runner of runners) {
    const { tool } = runner;
    if (tool.only !== undefined && tool.only !== operation) {
      working.push(runner);
      continue;
    }
    const run = await attempt(stage, work, tool, async () => {
      if (operation === 'full' || operation === 'restore') touchMemory(folder, 1.3 * options.sizeBytes);
      const run = await runOperation(runner, operation);
      if (options.check) checkResult(runner, operation, subject.files.length, expected);
      return run;
    });
    if (run === undefined) continue;
    if (options.works.has(work)) note(stage, work, tool, run);
    working.push(runner);
  }
  return working;
}

/** A full backup into repositories of its own, which do not stay. */
async function fullWithoutEncryption(stage: Stage, subject: Subject, round: number): Promise<void> {
  for (const tool of turned(toolsFor(stage, 'gzip'), round - 1)) {
    const folder = join(stage.folder, 'gzip');
    const run = await attempt(stage, 'gzip', tool, async () => {
      const runner = await prepareRunner(tool, folder, subject.source, 'gzip');
      touchMemory(folder, 1.3 * stage.options.sizeBytes);
      return runOperation(runner, 'full');
    });
    if (run) note(stage, 'gzip', tool, run);
    removeTree(folder);
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
