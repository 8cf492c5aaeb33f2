import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/** Programs that some suites talk to, and the Debian package that brings each. */
const packages: Record<string, string> = {
  duplicity: 'duplicity',
  gpg: 'gnupg',
  rdiff: 'rdiff',
  tar: 'tar',
  python3: 'python3',
  gzip: 'gzip',
};

const found = new Map<string, boolean>();

/** Whether a program can be run. */
export function hasProgram(program: string): boolean {
  let known = found.get(program);
  if (known === undefined) {
    known = spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
    found.set(program, known);
  }
  return known;
}

/**
 * Says whether a test can talk to the programs it needs. Where one is missing the test is skipped with a message that
 * names the package to install; with `TUNDRA_REQUIRE=all` that is a failure instead.
 */
export function needs(t: TestContext, ...programs: string[]): boolean {
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length === 0) return true;
  const text = `needs ${missing.map((program) => `${program} (Debian package ${packages[program] ?? program})`).join(', ')}`;
  if (process.env.TUNDRA_REQUIRE === 'all') throw new Error(text);
  t.skip(text);
  return false;
}
