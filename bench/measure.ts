import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A program call. */
export interface Command {
  program: string;
  args: readonly string[];
  /** Set on top of the bare environment. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

/** What one run of a command took. */
export interface Measurement {
  seconds: number;
  /** User and system time of all its processes; undefined where GNU time is missing. */
  cpuSeconds: number | undefined;
  /**
   * Largest resident set: of any one of its processes, exactly, or of all of them together at a moment, if a look at
   * them ten times a second finds more. Threads count to their process.
   */
  peakMb: number;
}

const timeProgram = '/usr/bin/time';

/** All that tools find set. What a shell sets for one language's programs, as certificates for all of them to load, would be
 *  a burden for the tools in that language alone. */
const keptVariables = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];

function bareEnvironment(): Record<string, string> {
  const kept = keptVariables.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(kept.filter((pair): pair is [string, string] => pair[1] !== undefined));
}
let gnuTime: boolean | undefined;

/**
 * Runs a command to its end and measures it. Its standard output is left in `FOLDER/stdout`, its standard error in
 * `FOLDER/stderr`. Throws if it ends with another status than 0, with the end of what it wrote.
 */
export async function measure(command: Command, folder: string): Promise<Measurement> {
  gnuTime ??= /GNU/i.test(String(spawnSync(timeProgram, ['--version'], { encoding: 'utf8' }).output));
  const figures = join(folder, 'time');
  const [program, args] = gnuTime
    ? [timeProgram, ['-q', '-o', figures, '-f', '%M %U %S', '--', command.program, ...command.args]]
    : [command.program, command.args];
  rmSync(figures, { force: true });
  const [stdout, stderr] = [openSync(join(folder, 'stdout'), 'w'), openSync(join(folder, 'stderr'), 'w')];
  try {
    const start = process.hrtime.bigint();
    const child = spawn(program, args, {
      stdio: ['ignore', stdout, stderr],
      env: { ...bareEnvironment(), ...command.env },
      cwd: command.cwd,
    });
    const sampler = samplePeak(child, gnuTime);
    const ending = await endOf(child);
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    if (ending !== '0') throw new Error(failureText(command, ending, folder));
    if (!gnuTime) return { seconds, cpuSeconds: undefined, peakMb: sampler() / 1024 };
    const [peakKb, user, system] = readFileSync(figures, 'utf8').trim().split(' ').map(Number);
    return { seconds, cpuSeconds: user! + system!, peakMb: Math.max(peakKb!, sampler()) / 1024 };
  } finally {
    closeSync(stdout);
    closeSync(stderr);
  }
}

/** Lets earlier writes reach the disk, so that nobody pays for another's. Nothing leaves the page cache. */
export function settleDisk(folder: string): void {
  spawnSync('sync', ['--file-system', folder], { stdio: 'ignore' });
}

/**
 * Writes so many bytes to a folder and removes them. On a file system in memory, and in a virtual machine, pages that
 * nobody has used before are much slower: without this the tool that comes first to them pays.
 */
export function touchMemory(folder: string, sizeBytes: number): void {
  const path = join(folder, 'touched');
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(1 << 20, 1);
  for (let written = 0; written < sizeBytes; written += piece.length) writeSync(file, piece);
  closeSync(file);
  rmSync(path);
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve(String(status ?? signal)));
  });
}

function failureText(command: Command, ending: string, folder: string): string {
  const said = ['stdout', 'stderr'].map((name) =>
    readFileSync(join(folder, name), 'utf8').slice(-1500).trim(),
  );
  return `${command.program} ${command.args.join(' ')} ended with ${ending}\n${said.join('\n').trim()}`;
}

/**
 * Looks at the process and its descendants until it ends; the returned function gives their largest sum in KiB.
 * @param skipsFirst the process itself does not count: it only measures its child
 */
function samplePeak(child: ChildProcess, skipsFirst: boolean): () => number {
  let peakKb = 0;
  const look = () => {
    if (child.pid === undefined) return;
    const pids = skipsFirst ? childrenOf(child.pid) : [child.pid];
    peakKb = Math.max(
      peakKb,
      pids.reduce((sum, pid) => sum + residentKb(pid), 0),
    );
  };
  const timer = setInterval(look, 100);
  child.once('exit', () => clearInterval(timer));
  return () => peakKb;
}

/** Of a process and its descendants; 0 if it has ended meanwhile. */
function residentKb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const own = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    return childrenOf(pid).reduce((sum, inner) => sum + residentKb(inner), own);
  } catch {
    return 0;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}
