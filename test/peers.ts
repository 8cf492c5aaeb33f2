import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/** Something that some suites talk to: a program, or what Debian's Python can import; and the package of it. */
interface Peer {
  package: string;
  modules?: string[];
}

const peers: Record<string, Peer> = {
  duplicity: { package: 'duplicity' },
  duply: { package: 'duply' },
  backupninja: { package: 'backupninja' },
  gpg: { package: 'gnupg' },
  rdiff: { package: 'rdiff' },
  tar: { package: 'tar' },
  python3: { package: 'python3' },
  gzip: { package: 'gzip' },
  memcached: { package: 'memcached' },
  bash: { package: 'bash' },
  zsh: { package: 'zsh' },
  fish: { package: 'fish' },
  man: { package: 'man-db' },
  swift: { package: 'python3-swift', modules: ['swift'] },
  keystone: {
    package: 'python3-keystone and python3-keystonemiddleware',
    modules: ['keystone', 'keystonemiddleware'],
  },
  swiftclient: { package: 'python3-swiftclient', modules: ['swiftclient', 'keystoneclient'] },
};

const found = new Map<string, boolean>();

function canImport(modules: string[]): boolean {
  const script = `
import importlib.util, sys
sys.exit(not all(importlib.util.find_spec(name) for name in sys.argv[1:]))`;
  return spawnSync('/usr/bin/python3', ['-c', script, ...modules], { stdio: 'ignore' }).status === 0;
}

/** Whether a program can be run, or a service of those above is installed. */
export function hasProgram(program: string): boolean {
  let known = found.get(program);
  if (known === undefined) {
    const modules = peers[program]?.modules;
    known =
      modules === undefined
        ? spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
        : canImport(modules);
    found.set(program, known);
  }
  return known;
}

/**
 * Says whether a test can talk to the programs and services it needs. Where one is missing the test is skipped with a
 * message that names the package to install; with `TUNDRA_REQUIRE=all` that is a failure instead.
 */
export function needs(t: TestContext, ...programs: string[]): boolean {
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length === 0) return true;
  const text = `needs ${missing.map((program) => `${program} (Debian package ${peers[program]?.package ?? program})`).join(', ')}`;
  if (process.env.TUNDRA_REQUIRE === 'all') throw new Error(text);
  t.skip(text);
  return false;
}
