import type { Findings, Run } from './findings.js';
import { addRun } from './findings.js';
import type { Options } from './options.js';
import type { Tool } from './tools.js';
import { takesPart, type WorkName } from './works.js';

/** What a course is given: where it works, who takes part, and where its results go. */
export interface Stage {
  options: Options;
  /** The tools that are installed and asked for. */
  tools: readonly Tool[];
  /** An empty folder. */
  folder: string;
  findings: Findings;
  progress(text: string): void;
}

/** The tools that back up, and take part in a work. */
export function toolsFor(stage: Stage, work: WorkName): Tool[] {
  return stage.tools.filter(({ name, only }) => only === undefined && takesPart(name, work));
}

/** Keeps a run and says it. */
export function note(stage: Stage, work: WorkName, tool: Tool, run: Run): void {
  addRun(stage.findings, work, tool.name, run);
  const { seconds, peakMb, storedMb } = run;
  const stored = storedMb === undefined ? '' : `, ${storedMb.toFixed(1)} MB stored`;
  stage.progress(
    `${work.padEnd(12)} ${tool.name.padEnd(10)} ${seconds.toFixed(2)} s, ${peakMb.toFixed(0)} MB${stored}`,
  );
}

/** Does something that may fail for one tool without ending the others. Undefined if it failed. */
export async function attempt<T>(
  stage: Stage,
  work: WorkName,
  tool: Tool,
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    const text = `${tool.name}, ${work}: ${error instanceof Error ? error.message : error}`;
    stage.findings.failures.push(text);
    stage.progress(text);
    return undefined;
  }
}
