import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from './measure.js';

/** What a tool is called for. */
export type Operation = 'full' | 'incremental' | 'restore' | 'one-file' | 'list' | 'verify';

/** How the stored files are sealed: encrypted with a passphrase, or only compressed. */
export type Sealing = 'passphrase' | 'gzip';

/** Where a tool works. Everything lies on one file system. */
export interface Ground {
  source: string;
  /** Its own folder: repository, caches and temporary files. */
  folder: string;
  /** Absent folder to restore into. */
  target: string;
  /** The one file to restore, as a path below the source. */
  oneFile: string;
  sealing: Sealing;
  /** Backups made so far. */
  sets: number;
}

/** A backup program: how it is called for each operation. */
export interface Tool {
  name: string;
  /** Its version, or undefined if it is not installed. */
  version(): string | undefined;
  /** Where it stores the backup, for a size. */
  repository(ground: Ground): string;
  /** Makes what must be there before the first backup. Not timed. */
  prepare(ground: Ground): Command[];
  command(operation: Operation, ground: Ground): Command;
  /** The only operation it takes part in; all of them if absent. */
  only?: Operation;
  /** What must be run before an operation. Not timed. */
  before?(operation: Operation, ground: Ground): Command[];
  /** Prints its version. */
  start: Command;
  /** Where the one restored file is afterwards; undefined if the command writes it to standard output. */
  oneFileAt(ground: Ground): string | undefined;
}

const passphrase = 'correct horse battery staple';

/** The program of this project as it was built, for every tool that speaks duplicity's command line. */
export const tundraProgram = fileURLToPath(new URL('../../bin/tundra', import.meta.url));

/** Everything that is compared; the last is no backup program, but the floor of a restore. */
export const tools: readonly Tool[] = [
  duplicityLike('tundra', tundraProgram),
  duplicityLike('duplicity', 'duplicity'),
  resticTool(),
  borgTool(),
  tarTool(),
];

/** A program with duplicity's command line. */
export function duplicityLike(name: string, program: string): Tool {
  const url = (ground: Ground) => `file://${join(ground.folder, 'repository')}`;
  const command = (ground: Ground, args: string[]): Command => ({
    program,
    args: [
      ...args,
      '--no-print-statistics',
      ...['--archive-dir', join(ground.folder, 'cache'), '--tempdir', join(ground.folder, 'temporary')],
      ...(ground.sealing === 'gzip' ? ['--no-encryption'] : []),
    ],
    env: { PASSPHRASE: passphrase, GNUPGHOME: join(ground.folder, 'gnupg') },
  });
  return {
    name,
    version: () => (program.includes('/') && !existsSync(program) ? undefined : versionOf(program)),
    start: { program, args: ['--version'] },
    repository: (ground) => join(ground.folder, 'repository'),
    prepare: ({ folder }) => {
      for (const inner of ['repository', 'temporary', 'gnupg']) {
        mkdirSync(join(folder, inner), { recursive: true, mode: 0o700 });
      }
      return [];
    },
    command: (operation, ground) => {
      switch (operation) {
        case 'full':
          return command(ground, ['full', ground.source, url(ground)]);
        case 'incremental':
          return command(ground, ['incremental', ground.source, url(ground)]);
        case 'restore':
          return command(ground, ['restore', url(ground), ground.target]);
        case 'one-file':
          return command(ground, [
            'restore',
            '--file-to-restore',
            ground.oneFile,
            url(ground),
            ground.target,
          ]);
        case 'list':
          return command(ground, ['list-current-files', url(ground)]);
        case 'verify':
          return command(ground, ['verify', '--compare-data', url(ground), ground.source]);
      }
    },
    oneFileAt: (ground) => ground.target,
  };
}

/** restic cannot store without encryption: it is the same for both sealings. */
function resticTool(): Tool {
  const command = (ground: Ground, args: string[], cwd?: string): Command => ({
    program: 'restic',
    args: [
      ...args,
      ...[
        '--quiet',
        '--repo',
        join(ground.folder, 'repository'),
        '--cache-dir',
        join(ground.folder, 'cache'),
      ],
    ],
    env: { RESTIC_PASSWORD: passphrase, TMPDIR: ground.folder },
    ...(cwd === undefined ? {} : { cwd }),
  });
  return {
    name: 'restic',
    version: () => versionOf('restic', 'version'),
    start: { program: 'restic', args: ['version'] },
    repository: (ground) => join(ground.folder, 'repository'),
    // Version 2 is the repository format that compresses.
    prepare: (ground) => [command(ground, ['init', '--repository-version', '2'])],
    command: (operation, ground) => {
      switch (operation) {
        case 'full':
        case 'incremental':
          return command(ground, ['backup', '.'], ground.source);
        case 'restore':
          return command(ground, ['restore', 'latest', '--target', ground.target]);
        case 'one-file':
          return command(ground, ['dump', 'latest', `/${ground.oneFile}`]);
        case 'list':
          return command(ground, ['ls', 'latest']);
        case 'verify':
          return command(ground, ['check', '--read-data']);
      }
    },
    oneFileAt: () => undefined,
  };
}

function borgTool(): Tool {
  const repository = (ground: Ground) => join(ground.folder, 'repository');
  const command = (ground: Ground, args: string[], cwd?: string): Command => ({
    program: 'borg',
    args,
    env: {
      BORG_PASSPHRASE: passphrase,
      BORG_BASE_DIR: join(ground.folder, 'cache'),
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      TMPDIR: ground.folder,
    },
    ...(cwd === undefined ? {} : { cwd }),
  });
  /** The newest. */
  const archive = (ground: Ground) => `${repository(ground)}::set-${ground.sets}`;
  const intoTarget = (ground: Ground, args: string[]): Command => {
    mkdirSync(ground.target, { recursive: true });
    return command(ground, args, ground.target);
  };
  return {
    name: 'borg',
    version: () => versionOf('borg'),
    start: { program: 'borg', args: ['--version'] },
    repository,
    prepare: (ground) => {
      mkdirSync(join(ground.folder, 'cache'), { recursive: true });
      const mode = ground.sealing === 'gzip' ? 'none' : 'repokey';
      return [command(ground, ['init', '--encryption', mode, repository(ground)])];
    },
    command: (operation, ground) => {
      switch (operation) {
        case 'full':
        case 'incremental':
          return command(ground, ['create', archive(ground), '.'], ground.source);
        case 'restore':
          return intoTarget(ground, ['extract', archive(ground)]);
        case 'one-file':
          return intoTarget(ground, ['extract', archive(ground), ground.oneFile]);
        case 'list':
          return command(ground, ['list', archive(ground)]);
        case 'verify':
          return command(ground, ['check', '--verify-data', repository(ground)]);
      }
    },
    oneFileAt: (ground) => join(ground.target, ground.oneFile),
  };
}

/** Unpacks a tar of the tree as it is then. */
function tarTool(): Tool {
  const archive = (ground: Ground) => join(ground.folder, 'tree.tar');
  return {
    name: 'tar',
    version: () => versionOf('tar'),
    start: { program: 'tar', args: ['--version'] },
    only: 'restore',
    repository: archive,
    prepare: () => [],
    before: (_, ground) => [
      { program: 'tar', args: ['--create', '--file', archive(ground), '.'], cwd: ground.source },
    ],
    command: (_, ground) => {
      mkdirSync(ground.target, { recursive: true });
      return { program: 'tar', args: ['--extract', '--file', archive(ground)], cwd: ground.target };
    },
    oneFileAt: () => undefined,
  };
}

/** Ends the agents that gpg left running for the given tools' folders. */
export function stopAgents(folders: readonly string[]): void {
  for (const folder of folders) {
    const home = join(folder, 'gnupg');
    if (!existsSync(home)) continue;
    spawnSync('gpgconf', ['--kill', 'all'], { stdio: 'ignore', env: { ...process.env, GNUPGHOME: home } });
  }
}

/** The version a program tells; undefined if it cannot be run. */
export function versionOf(program: string, argument = '--version'): string | undefined {
  const { status, stdout } = spawnSync(program, [argument], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  return /\d+(\.\d+)+[^\s)]*/.exec(stdout)?.[0] ?? stdout.trim();
}
