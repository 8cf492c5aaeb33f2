import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The Python that duplicity itself runs with: another one on the path may lack its modules. */
function pythonOfPeer(): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const program = folders.map((folder) => join(folder, 'duplicity')).find((path) => existsSync(path));
  const firstLine = program === undefined ? '' : readFileSync(program, 'utf8').split('\n', 1)[0]!;
  return /^#!\s*(\S*python\S*)\s*$/.exec(firstLine)?.[1] ?? 'python3';
}

/**
 * Runs a Python program that has duplicity's modules at hand, with `input` in the variable `given`, and returns what it
 * assigned to `answer`.
 */
export function askPeer<T>(program: string, input: unknown, environment: Record<string, string> = {}): T {
  const script = [
    'import json, sys',
    'import duplicity',
    'from duplicity import log',
    'log.setup()',
    'given = json.load(sys.stdin)',
    program,
    'json.dump(answer, sys.stdout)',
  ].join('\n');
  const run = spawnSync(pythonOfPeer(), ['-c', script], {
    input: JSON.stringify(input),
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw new Error(`python3 failed: ${run.stderr}`);
  return JSON.parse(run.stdout) as T;
}
