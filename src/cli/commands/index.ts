import { statSync } from 'node:fs';
import { nearName } from '../../config/near-name.js';
import type { CommandName } from '../../config/options.js';
import type { prepareWalk } from '../../operations/prepare-walk.js';
import { isUrl } from '../../storage/url.js';
import { type CommandLine, commandLineError } from '../arguments.js';
import type { Terminal } from '../terminal.js';

/** The thread of a backup's walk, started before it is known what is to be walked. */
export type WalkThread = ReturnType<typeof prepareWalk>;

/** Runs a command and returns the exit status. */
export type Command = (
  line: CommandLine,
  environment: NodeJS.ProcessEnv,
  terminal: Terminal,
) => Promise<number>;

/** Loaded when it is run: a start pays for nothing that it does not use. */
const commands: Record<CommandName, (walkThread: WalkThread | undefined) => Promise<Command>> = {
  backup: (walkThread) => backupCommand('auto', walkThread),
  full: (walkThread) => backupCommand('full', walkThread),
  incremental: (walkThread) => backupCommand('incremental', walkThread),
  restore: async () => (await import('./restore.js')).restoreCommand,
  verify: async () => (await import('./verify.js')).verifyCommand,
  'collection-status': async () => (await import('./status.js')).statusCommand,
  'list-current-files': async () => (await import('./list.js')).listCommand,
  cleanup: async () => (await import('./remove.js')).cleanupCommand,
  'remove-older-than': async () => (await import('./remove.js')).removeOlderThanCommand,
  'remove-all-but-n-full': async () => (await import('./remove.js')).removeAllButCommand(false),
  'remove-all-inc-of-but-n-full': async () => (await import('./remove.js')).removeAllButCommand(true),
  replicate: async () => (await import('./replicate.js')).replicateCommand,
  plan: async () => (await import('./thaw.js')).planCommand,
  thaw: async () => (await import('./thaw.js')).thawCommand,
  drill: async () => (await import('./drill.js')).drillCommand,
  demo: async () => (await import('./demo.js')).demoCommand,
  completion: async () => (await import('./completion.js')).completionCommand,
};

async function backupCommand(
  mode: 'auto' | 'full' | 'incremental',
  walkThread: WalkThread | undefined,
): Promise<Command> {
  // The walk takes longest: its thread starts while all else is loaded.
  const { prepareWalk } = await import('../../operations/prepare-walk.js');
  const prepared = walkThread ?? prepareWalk();
  return (await import('./backup.js')).backupCommand(mode, prepared);
}

/** The command that a command line asks for. Without a name, where the URL stands decides: last, it is a backup. */
export function commandFor(
  line: CommandLine,
  walkThread?: WalkThread,
): { name: CommandName; command: Command } {
  const name = line.command ?? impliedCommand(line.arguments);
  return { name, command: async (...given) => (await commands[name](walkThread))(...given) };
}

function impliedCommand(given: readonly string[]): CommandName {
  const [first, second] = given;
  if (first === undefined) throw commandLineError('Too few arguments');
  if (second === undefined) {
    if (isUrl(first))
      throw commandLineError('Too few arguments: a URL alone needs a command, such as status');
    throw commandLineError(noCommand(first));
  }
  if (given.length > 2) throw commandLineError(`Too many arguments: ${noCommand(first)}`);
  if (isUrl(second)) return 'backup';
  if (isUrl(first)) return 'restore';
  const hint = isFolder(second) ? `; for a folder, write file://${second}` : '';
  throw commandLineError(`one of the two arguments must be a URL, such as file:///usr/local${hint}`);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The command of which a word is nearly the name. */
export function nearCommand(word: string): string | undefined {
  return nearName(word, Object.keys(commands));
}

function noCommand(word: string): string {
  const near = nearCommand(word);
  return `"${word}" is no command${near === undefined ? '' : `; did you mean ${near}?`}`;
}

/** The command's arguments, which must be exactly as many as it takes. */
export function takeArguments(line: CommandLine, ...names: string[]): string[] {
  const { length } = line.arguments;
  if (length < names.length) throw commandLineError(`Too few arguments: expected ${names.join(' and ')}`);
  if (length > names.length) {
    throw commandLineError(
      `Too many arguments: "${line.arguments[names.length]}" is one more than ${names.join(' and ')}`,
    );
  }
  return line.arguments;
}

/** A URL argument. */
export function requireUrl(text: string): string {
  if (!isUrl(text)) {
    throw commandLineError(`"${text}" is not a URL, such as file:///usr/local`);
  }
  return text;
}
