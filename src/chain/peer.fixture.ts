import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';

/** The interpreter that the installed duplicity runs in, where its modules can be imported. */
function peerInterpreter(): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const program = folders.map((folder) => join(folder, 'duplicity')).find((path) => existsSync(path));
  const firstLine = program === undefined ? '' : readFileSync(program, 'utf8').split('\n', 1)[0]!;
  return firstLine.startsWith('#!') ? firstLine.slice(2).trim() : 'python3';
}

/** Runs a Python program that may import duplicity's modules; what it prints. */
export function runPeerPython(
  program: string,
  input: string,
  environment: Record<string, string> = {},
): string {
  const [command, ...options] = peerInterpreter().split(' ');
  const { status, stdout, stderr } = spawnSync(command!, [...options, '-c', program], {
    input,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`python ended with ${status}: ${stderr}`);
  return stdout;
}

export interface PeerRun {
  status: number;
  stdout: string;
  stderr: string;
  /** What it wrote with `--log-file`. */
  log: string;
}

/** One collection that duplicity keeps in a folder of its own: a source, a target, an archive folder. */
export class PeerCollection {
  readonly folder: string;
  readonly source: string;
  readonly target: string;
  readonly url: string;
  /** `--archive-dir` and `--name` together. */
  readonly archive: string;
  readonly #options: readonly string[];

  /** @param options given to every run, such as `--no-encryption` */
  constructor(
    folder: string,
    options: readonly string[],
    places: { source?: string; target?: string; archive?: string } = {},
  ) {
    this.folder = folder;
    this.source = places.source ?? join(folder, 'source');
    this.target = places.target ?? join(folder, 'target');
    this.url = `file://${this.target}`;
    this.archive = places.archive ?? join(folder, 'archive', 'name');
    this.#options = options;
    for (const place of [this.source, this.target]) mkdirSync(place, { recursive: true });
  }

  /** A copy to change, with a target and an archive folder of its own. The source is the same: the peer insists. */
  copyTo(folder: string): PeerCollection {
    const copy = new PeerCollection(folder, this.#options, { source: this.source });
    cpSync(this.target, copy.target, { recursive: true });
    if (existsSync(this.archive)) cpSync(this.archive, copy.archive, { recursive: true });
    return copy;
  }

  /** The same collection, seen through another archive folder, whose last part must be `name`. */
  withArchive(archive: string): PeerCollection {
    const { folder, source, target } = this;
    return new PeerCollection(folder, this.#options, { source, target, archive });
  }

  run(...args: string[]): PeerRun {
    const logFile = join(this.folder, 'log');
    rmSync(logFile, { force: true });
    const places = ['--archive-dir', join(this.archive, '..'), '--name', 'name', '--log-file', logFile];
    const { status, stdout, stderr } = spawnSync('duplicity', [...args, ...this.#options, ...places], {
      cwd: this.folder,
      env: {
        ...process.env,
        TZ: 'Europe/Berlin',
        PASSPHRASE: 'secret',
        HOME: this.folder,
        TMPDIR: this.folder,
      },
      encoding: 'utf8',
    });
    return {
      status: status ?? -1,
      stdout,
      stderr,
      log: existsSync(logFile) ? readFileSync(logFile, 'utf8') : '',
    };
  }

  /** Writes a file of the source, so that its time shows that it changed. */
  write(name: string, content: string | Uint8Array): void {
    const path = join(this.source, name);
    const before = existsSync(path) ? Math.floor(statSync(path).mtimeMs / 1000) : 1500000000;
    writeFileSync(path, content);
    utimesSync(path, before + 1, before + 1);
  }

  /** A backup at a time of our choice; it must succeed unless `--fail` is among the options. */
  backUp(kind: 'full' | 'inc', time: number, ...options: string[]): void {
    const run = this.run(kind, this.source, this.url, '--current-time', String(time), ...options);
    const expected = options.includes('--fail') ? 30 : 0;
    if (run.status !== expected) throw new Error(`duplicity ended with ${run.status}: ${run.stderr}`);
  }

  names(): string[] {
    return readdirSync(this.target);
  }

  archiveNames(): string[] {
    return existsSync(this.archive) ? readdirSync(this.archive) : [];
  }

  /** Removes the files of the target and of the archive whose names match. */
  lose(pattern: RegExp, from: 'target' | 'archive' | 'both' = 'both'): void {
    const folders = { target: [this.target], archive: [this.archive], both: [this.target, this.archive] }[
      from
    ];
    for (const folder of folders) {
      for (const name of readdirSync(folder)) if (pattern.test(name)) rmSync(join(folder, name));
    }
  }
}
