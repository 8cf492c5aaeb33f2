import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeTree } from '../trees/writer.js';

/** What a program printed and how it ended. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The two that write and read the same format. */
export type Tool = 'tundra' | 'duplicity';

export const otherTool: Record<Tool, Tool> = { tundra: 'duplicity', duplicity: 'tundra' };

const tundraProgram = fileURLToPath(new URL('../../../bin/tundra', import.meta.url));

/** How files are sealed, as options and environment. */
export interface Sealing {
  name: string;
  options: string[];
  environment: Record<string, string>;
}

/** A folder of its own for a test, with a home and a place for keys. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'tundra-interop-'));
  readonly gnupgHome = join(this.folder, 'gnupg');

  constructor() {
    makeGnupgHome(this.gnupgHome);
    mkdirSync(this.path('home'));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get environment(): NodeJS.ProcessEnv {
    const { PATH } = process.env;
    return {
      PATH,
      HOME: this.path('home'),
      GNUPGHOME: this.gnupgHome,
      TZ: 'UTC',
      LC_ALL: 'C.UTF-8',
      TMPDIR: this.folder,
    };
  }

  /** Runs one of the tools and fails unless it ends with `expected`. */
  async run(tool: Tool, sealing: Sealing, args: readonly string[], expected = 0): Promise<Outcome> {
    const outcome = await this.outcome(tool, sealing, args);
    if (outcome.status !== expected) {
      throw new Error(
        `${tool} ${args.join(' ')} ended with ${outcome.status}\n${outcome.stdout}\n${outcome.stderr}`,
      );
    }
    return outcome;
  }

  outcome(tool: Tool, sealing: Sealing, args: readonly string[]): Promise<Outcome> {
    const [program, first] = tool === 'tundra' ? [process.execPath, [tundraProgram]] : ['duplicity', []];
    return runProgram(program, [...first, ...sealing.options, ...args], {
      ...this.environment,
      ...sealing.environment,
    });
  }

  /** Makes a key pair and returns its fingerprint. */
  makeKey(name: string, passphrase: string): string {
    return makeKey(name, passphrase, this.environment);
  }

  dispose(): void {
    spawnSync('gpgconf', ['--kill', 'all'], { env: this.environment });
    removeTree(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Makes a folder for keys. */
export function makeGnupgHome(folder: string): void {
  mkdirSync(folder, { mode: 0o700 });
  // Else each use of a key of the tests takes the agent a tenth of a second.
  writeFileSync(join(folder, 'gpg-agent.conf'), 's2k-count 65536\n');
}

/** Makes a key pair in the GNUPGHOME of an environment and returns its fingerprint. */
export function makeKey(name: string, passphrase: string, env: NodeJS.ProcessEnv): string {
  const options = ['--batch', '--pinentry-mode', 'loopback', '--passphrase', passphrase];
  const gpg = (...args: string[]) => spawnSync('gpg', [...options, ...args], { env, encoding: 'utf8' });
  const user = `${name} <${name}@example.org>`;
  const made = gpg('--quick-gen-key', user, 'future-default', 'default', 'never');
  if (made.status !== 0) throw new Error(made.stderr);
  const listed = gpg('--list-keys', '--with-colons', name).stdout;
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1];
  if (fingerprint === undefined) throw new Error(listed);
  return fingerprint;
}

/** Runs a program to its end. */
export function runProgram(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** The sealings that both tools must agree on. Keys are made as needed. */
export function sealingOf(name: string, workshop: Workshop): Sealing {
  const passphrase = 'a passphrase with spaces & signs';
  switch (name) {
    case 'plain':
      return { name, options: ['--no-encryption', '--no-compression'], environment: {} };
    case 'gzip':
      return { name, options: ['--no-encryption'], environment: {} };
    case 'passphrase':
      return { name, options: [], environment: { PASSPHRASE: passphrase } };
    case 'public key':
      return {
        name,
        options: ['--encrypt-key', workshop.makeKey('encrypt', passphrase)],
        environment: { PASSPHRASE: passphrase },
      };
    case 'public key and signature':
      return {
        name,
        options: [
          '--encrypt-key',
          workshop.makeKey('encrypt', passphrase),
          '--sign-key',
          workshop.makeKey('sign', 'another passphrase'),
        ],
        environment: { PASSPHRASE: passphrase, SIGN_PASSPHRASE: 'another passphrase' },
      };
    default:
      throw new Error(`no sealing ${name}`);
  }
}
