import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { diskPath, type Latin1, latin1OfNative } from '../../src/base/path-key.js';
import type { Outcome } from '../interop/programs.js';
import { compareTrees, type DescribeOptions, describeTree, type TreeDescription } from '../trees/describe.js';
import { removeTree } from '../trees/writer.js';

export const tundraProgram = fileURLToPath(new URL('../../../bin/tundra', import.meta.url));
export const isRoot = process.geteuid?.() === 0;

/** Nobody types this by accident: found anywhere but in the environment it has leaked. */
export const passphrase = 'pass-7c1f and 0e5d-phrase';

/** How the files of a trial are sealed. */
export type Seal = 'plain' | 'gzip' | 'passphrase';

const sealOptions: Record<Seal, string[]> = {
  plain: ['--no-encryption', '--no-compression'],
  gzip: ['--no-encryption'],
  passphrase: [],
};

export interface RunOptions {
  /** The status it must end with: 0 unless given; `any` for none in particular. */
  status?: number | 'any';
  /** What the environment has more, or, where undefined, less. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Runs as another user; only root can. */
  uid?: number;
  /** Without `--archive-dir`. */
  ownArchive?: boolean;
}

/** What a run of tundra printed: apart, and all of it. */
export interface TrialOutcome extends Outcome {
  told: string;
}

/** A program that runs. */
export interface Running {
  child: ChildProcess;
  ended: Promise<TrialOutcome & { signal: NodeJS.Signals | null }>;
}

/**
 * A folder of its own for a test: a home, a source, a store, a local archive, a place for temporary files. Runs the real
 * program there. After every run that was not killed it checks what holds for all of them: that no passphrase and no
 * stack came out, and that no temporary file stayed.
 */
export class Trial {
  readonly folder = mkdtempSync(join(tmpdir(), 'tundra-trial-'));
  readonly seal: Seal;
  readonly source = this.path('source');
  readonly store = this.path('store');
  readonly url = `file://${this.store}`;
  archive = this.path('archive');
  temp = this.path('temp');
  readonly home = this.path('home');
  #targets = 0;
  #accepted: readonly string[] = [];

  constructor(seal: Seal = 'plain') {
    this.seal = seal;
    for (const folder of [this.source, this.store, this.archive, this.temp, this.home]) mkdirSync(folder);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A path at which nothing is yet. */
  newTarget(): string {
    return this.path(`target-${this.#targets++}`);
  }

  /** Starts tundra. */
  start(args: readonly string[], options: RunOptions = {}): Running {
    const { env = {}, uid } = options;
    const archive = options.ownArchive ? [] : ['--archive-dir', this.archive, '--name', 'trial'];
    const user = uid === undefined ? {} : { uid, gid: uid };
    if (uid !== undefined) chmodSync(this.folder, 0o755);
    const child = spawn(process.execPath, [tundraProgram, ...sealOptions[this.seal], ...archive, ...args], {
      env: {
        PATH: process.env.PATH,
        HOME: this.home,
        TZ: 'UTC',
        LC_ALL: 'C.UTF-8',
        TMPDIR: this.temp,
        ...(this.seal === 'passphrase' ? { PASSPHRASE: passphrase } : {}),
        ...env,
      },
      cwd: options.cwd ?? this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    return { child, ended: outcomeOf(child) };
  }

  /** Runs tundra to its end, which must be as expected. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<TrialOutcome> {
    const outcome = await this.start(args, options).ended;
    this.check(args, outcome, options.status ?? 0);
    return outcome;
  }

  /** Checks a run that was not killed. */
  check(args: readonly string[], outcome: Outcome, status: number | 'any'): void {
    const { stdout, stderr } = outcome;
    const problems: string[] = [];
    if (status !== 'any' && outcome.status !== status)
      problems.push(`status ${outcome.status} instead of ${status}`);
    if (outcome.status === null) problems.push('it was killed');
    const text = stdout + stderr;
    if (/Unexpected failure|^ {4}at |This is a defect/m.test(text)) problems.push('it broke down');
    if (text.includes(passphrase)) problems.push('the passphrase came out');
    const left = this.leftovers();
    if (left.length > 0) problems.push(`temporary files stayed: ${left.join(' ')}`);
    if (problems.length === 0) return;
    throw new Error(`tundra ${args.join(' ')}: ${problems.join('; ')}\n${stdout}\n${stderr}`);
  }

  /** Temporary files of runs, wherever they put them. */
  leftovers(): string[] {
    const found = namesIn(this.temp);
    for (const folder of [this.archive, join(this.archive, 'trial'), this.store]) {
      found.push(
        ...namesIn(folder).filter((name) => name.startsWith('.tundra-') || name.startsWith('lockfile')),
      );
    }
    return found.filter((name) => !this.#accepted.includes(name));
  }

  /** What a killed run has left may stay. */
  acceptLeftovers(): void {
    this.#accepted = [...this.#accepted, ...this.leftovers()];
  }

  full(...options: string[]): Promise<TrialOutcome> {
    return this.run(['full', ...options, this.source, this.url]);
  }

  incremental(...options: string[]): Promise<TrialOutcome> {
    return this.run(['incremental', ...options, this.source, this.url]);
  }

  /** Restores to a new place and tells how that differs from a state; of all fields but those left out. */
  async restoredDifferences(
    state: TreeDescription,
    args: readonly string[] = [],
    describe: DescribeOptions = {},
  ): Promise<string[]> {
    const target = this.newTarget();
    await this.run(['restore', ...args, this.url, target]);
    return compareTrees(state, describeTree(target, describe));
  }

  dispose(): void {
    removeTree(this.folder);
  }
}

/** Runs `act` with a trial that is removed afterwards. */
export async function withTrial<T>(seal: Seal, act: (trial: Trial) => Promise<T>): Promise<T> {
  const trial = new Trial(seal);
  try {
    return await act(trial);
  } finally {
    trial.dispose();
  }
}

function outcomeOf(child: ChildProcess): Promise<TrialOutcome & { signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('latin1').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('latin1').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr, told: stdout + stderr }));
  });
}

/** Names in a folder, sorted; none if there is no such folder. */
export function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** What a folder holds: paths and bytes of its regular files, as one value to compare. */
export function contentsOf(folder: string): Map<Latin1, Latin1> {
  const found = new Map<Latin1, Latin1>();
  const visit = (onDisk: Latin1, below: Latin1) => {
    for (const name of readdirSync(diskPath(onDisk), { encoding: 'latin1' }).sort()) {
      const path = `${onDisk}/${name}`;
      const stats = lstatSync(diskPath(path));
      if (stats.isDirectory()) visit(path, `${below}${name}/`);
      else if (stats.isFile()) found.set(below + name, readFileSync(diskPath(path), 'latin1'));
    }
  };
  visit(latin1OfNative(folder), '');
  return found;
}

/** What a run said beside how it brought the local archive up to date. */
export function remarksIn(told: string): string {
  return told.replace(
    /^(?:Local and Remote metadata are synchronized, no sync needed\.|Synchronizing remote metadata to local cache\.\.\.|Copying \S+ to local cache\.|Last full backup date: .*)\n/gm,
    '',
  );
}
