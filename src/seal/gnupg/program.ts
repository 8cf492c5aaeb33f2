import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { TundraError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { gnupgMissing } from '../refusals.js';
import { type GnupgReport, parseStatus } from './status.js';

/** Which gpg to run and how the user wants it run. */
export interface GnupgSettings {
  /** Name or path; `gpg` if absent. */
  program?: string | undefined;
  /** Options for every run, separated by white space. */
  userOptions?: string | undefined;
  /** Passphrases come from gpg-agent, never from us. */
  useAgent?: boolean | undefined;
}

/** Most of gpg's log that is kept: its end says why it failed. */
const LOG_CHARS = 16 * 1024;
/** gpg writes a few status lines for a file. */
const STATUS_CHARS = 1024 * 1024;

/** A gpg that was started. */
export interface GnupgRun {
  /** Absent where gpg reads from a file. */
  stdin: Writable | undefined;
  stdout: Readable;
  /** Settles when gpg is gone and its output has been read. */
  ended: Promise<GnupgReport>;
  kill(): void;
}

export interface RunOptions {
  /** Given where the agent is not used; without one gpg gets an empty one, so that it never asks. */
  passphrase?: Secret | undefined;
  /** Descriptor of a file to read; else `stdin` is a pipe. */
  inputFd?: number | undefined;
}

/** The gpg program. Nothing runs before the first call. */
export class Gnupg {
  readonly settings: GnupgSettings;
  #version: Promise<readonly number[]> | undefined;

  constructor(settings: GnupgSettings) {
    this.settings = settings;
  }

  get program(): string {
    return this.settings.program ?? 'gpg';
  }

  /** Its version, found out once. Errors: TundraError `encryption` when it cannot be run. */
  version(): Promise<readonly number[]> {
    this.#version ??= this.#askVersion();
    return this.#version;
  }

  /**
   * Starts gpg with the options that every run has.
   * @param commands what follows the options: commands and their own options
   */
  async run(commands: readonly string[], options: RunOptions): Promise<GnupgRun> {
    const args = ['--status-fd', '3', ...commonOptions(await this.version(), this.settings), ...commands];
    if (this.settings.useAgent) return this.#start(args, options.inputFd, undefined);
    const passphrase = options.passphrase?.reveal() ?? '';
    return this.#start(['--passphrase-fd', '4', ...args], options.inputFd, passphrase);
  }

  async #askVersion(): Promise<readonly number[]> {
    const run = this.#start([...splitOptions(this.settings.userOptions), '--version'], undefined, undefined);
    run.stdin?.end();
    let text = '';
    run.stdout.setEncoding('latin1').on('data', (piece: string) => {
      text = (text + piece).slice(0, LOG_CHARS);
    });
    const report = await run.ended;
    const version = /^gpg.*\(GnuPG(?:\/\w+)?\) (\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number);
    if (version === undefined) {
      throw new TundraError('encryption', `${this.program} does not say which version of GnuPG it is`, {
        advice: 'Name the gpg program with --gpg-binary, and see whether it takes what --gpg-options says.',
        cause: new Error(report.log || text),
      });
    }
    return version;
  }

  #start(args: string[], inputFd: number | undefined, passphrase: string | undefined): GnupgRun {
    const child = spawn(this.program, args, {
      stdio: [
        inputFd ?? 'pipe',
        'pipe',
        'pipe',
        'pipe',
        ...(passphrase === undefined ? [] : ['pipe' as const]),
      ],
    });
    // A gpg that dies early breaks its pipes; why it died stands in its report.
    for (const pipe of child.stdio) pipe?.on('error', () => {});
    if (passphrase !== undefined) (child.stdio[4] as Writable).end(passphrase);
    const ended = this.#watch(child);
    ended.catch(() => {});
    return { stdin: child.stdin ?? undefined, stdout: child.stdout!, ended, kill: () => void child.kill() };
  }

  #watch(child: ChildProcess): Promise<GnupgReport> {
    let log = '';
    let status = '';
    child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
      log = (log + piece).slice(-LOG_CHARS);
    });
    (child.stdio[3] as Readable).setEncoding('utf8').on('data', (piece: string) => {
      status = (status + piece).slice(0, STATUS_CHARS);
    });
    return new Promise((resolve, reject) => {
      child.once('error', (error) => reject(gnupgMissing(this.program, error)));
      child.once('close', (code) => {
        resolve({ exitStatus: code ?? undefined, statusLines: parseStatus(status), log: log.trim() });
      });
    });
  }
}

/** The options of every run: never a question on the terminal, and the user's own. */
function commonOptions([major = 0, minor = 0]: readonly number[], settings: GnupgSettings): string[] {
  const options = ['--batch', '--no-tty', '--no-secmem-warning'];
  if (major === 1 && settings.useAgent) options.push('--use-agent');
  // From 2.1 on the agent asks for passphrases; loopback makes gpg take the one we pass.
  if ((major > 2 || (major === 2 && minor >= 1)) && !settings.useAgent)
    options.push('--pinentry-mode=loopback');
  return [...options, ...splitOptions(settings.userOptions)];
}

/** Where the secret keys are, for gpg 1. */
export function keyringCommands(secretKeyring: string | undefined): string[] {
  return secretKeyring === undefined ? [] : ['--secret-keyring', secretKeyring];
}

function splitOptions(options: string | undefined): string[] {
  return (options ?? '').split(/\s+/).filter((option) => option !== '');
}
