import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { displayBytes } from '../src/base/path-key.js';
import { compareTrees, describeTree, type TreeDescription } from '../test/trees/describe.js';
import type { Run } from './findings.js';
import { measure, settleDisk } from './measure.js';
import type { Ground, Operation, Sealing, Tool } from './tools.js';
import { sizeOfFolder } from './tree.js';

/** A tool with its place. */
export interface Runner {
  tool: Tool;
  /** Its target lies beside the others': each operation restores into one of its own. */
  ground: Ground;
  /** Where runs leave their output. */
  logs: string;
  /** When its newest backup began, in milliseconds. */
  backupBeganAt: number;
}

/** Gives a tool its place in a folder, with an empty repository. */
export async function prepareRunner(
  tool: Tool,
  folder: string,
  source: string,
  sealing: Sealing,
  oneFile = '',
): Promise<Runner> {
  const own = join(folder, tool.name.replace(' ', '-'));
  const logs = `${own}-logs`;
  for (const made of [own, logs]) mkdirSync(made, { recursive: true });
  const ground: Ground = { source, folder: own, target: '', oneFile, sealing, sets: 0 };
  for (const command of tool.prepare(ground)) await measure(command, logs);
  return { tool, ground, logs, backupBeganAt: 0 };
}

/** Runs an operation. Throws an Error with the end of what was printed if it fails. */
export async function runOperation(runner: Runner, operation: Operation): Promise<Run> {
  const { tool, ground, logs } = runner;
  const isBackup = operation === 'full' || operation === 'incremental';
  if (isBackup) ground.sets++;
  ground.target = `${ground.folder}-${operation}`;
  for (const command of tool.before?.(operation, ground) ?? []) await measure(command, logs);
  const command = tool.command(operation, ground);
  const storedBefore = isBackup ? storedBytes(runner) : 0;
  settleDisk(ground.folder);
  if (isBackup) {
    // Sets are named by whole seconds: two of them must not fall into one.
    await setTimeout(Math.max(0, runner.backupBeganAt + 1100 - Date.now()));
    runner.backupBeganAt = Date.now();
  }
  const measurement = await measure(command, logs);
  return isBackup ? { ...measurement, storedMb: (storedBytes(runner) - storedBefore) / 1e6 } : measurement;
}

function storedBytes({ tool, ground }: Runner): number {
  const repository = tool.repository(ground);
  return existsSync(repository) ? sizeOfFolder(repository) : 0;
}

/**
 * Throws unless the operation did what it was timed for.
 * @param files how many are in the source
 * @param source what the source is, for a restore
 */
export function checkResult(
  { tool, ground, logs }: Runner,
  operation: Operation,
  files: number,
  source: TreeDescription | undefined,
): void {
  if (operation === 'restore') {
    const differences = compareTrees(source!, describeForCheck(ground.target));
    if (differences.length > 0) {
      throw new Error(
        `restored wrongly, ${differences.length} differences:\n${differences.slice(0, 5).join('\n')}`,
      );
    }
  } else if (operation === 'one-file') {
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
export function describeForCheck(folder: string): TreeDescription {
  const description = describeTree(folder, { leaveOut: ['owner', 'mtime'] });
  description.delete('.');
  return description;
}

/** The tools in another order each time, so that nobody is always first. */
export function turned<T>(all: readonly T[], times: number): T[] {
  return all.map((_, index) => all[(index + times) % all.length]!);
}
