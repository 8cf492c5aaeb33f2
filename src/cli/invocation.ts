import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import type { Level } from '../base/events.js';
import { onBackups } from '../config/commands.js';
import type { Configuration, Target } from '../config/config-file.js';
import { expandPath } from '../config/expand-path.js';
import { type CommandSchema, commandSchemas, type OptionName, optionSchemas } from '../config/options.js';
import { layered, refusedOptions } from '../config/settings.js';
import { parseUserTime } from '../format/times.js';
import { type CommandLine, commandLineError, parseCommandLine } from './arguments.js';
import { calledDuplicity } from './version.js';

/** What a run was asked for: by the command line, the configuration file and the environment together. */
export interface Invocation {
  line: CommandLine;
  environment: NodeJS.ProcessEnv;
  /** To be told before anything else. */
  messages: { level: Level; text: string }[];
}

/**
 * Reads the command line and, unless it only asks for help, the configuration file; a target `@name` among the arguments
 * becomes its source and address. Nearer settings win: command line, target, general options of the file. Errors:
 * `command-line`, `user-error` for the file, `not-implemented` for options of storages that are not there.
 */
export async function readInvocation(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Invocation> {
  const line = parseCommandLine(argv, environment);
  // Of the duplicity that a wrapper takes this for, the old names are the names.
  const notices = calledDuplicity() ? [] : line.notices;
  const messages: Invocation['messages'] = notices.map((text) => ({ level: 'notice', text }));
  if (asksForHelp(line) || isApart(line)) return { line, environment, messages };
  const file = await readConfiguration(line.options.text('config'), environment);
  if (file?.warning !== undefined) messages.push({ level: 'warning', text: file.warning });
  const named = targetOf(line, file);
  const layers = [line, ...(named ? [named.target.settings] : []), ...(file ? [file.settings] : [])];
  const merged: CommandLine = { ...line, ...layered(...layers) };
  if (named !== undefined) merged.arguments = withTarget(line, named);
  refuseWhatIsMissing(merged);
  checkTimes(merged);
  const own = named === undefined ? {} : Object.fromEntries(named.target.environment);
  return { line: merged, environment: { ...environment, ...own }, messages };
}

export function asksForHelp({ options }: CommandLine): boolean {
  return options.flag('help') || options.flag('help-all') || options.flag('version');
}

/** Whether the command opens no backup: then no settings of one are read, nor is a mistake in them told. */
function isApart({ command }: CommandLine): boolean {
  return command !== undefined && !onBackups.includes(command);
}

const largestFileBytes = 1 << 20;
const othersMayRead = 0o044;

interface ConfigurationFile extends Configuration {
  path: string;
  /** What is dangerous about the file. */
  warning: string | undefined;
}

/** Where the configuration file is, if no option names one. */
function defaultPath(environment: NodeJS.ProcessEnv): string {
  const folder = environment.XDG_CONFIG_HOME || join(environment.HOME ?? homedir(), '.config');
  return join(folder, 'tundra', 'config.json');
}

/** The configuration file: the one that was named, which must be there, or the default one, which need not. */
export async function readConfiguration(
  given: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<ConfigurationFile | undefined> {
  const path = given ?? defaultPath(environment);
  const file = readFile(path, given === undefined);
  if (file === undefined) return undefined;
  const { parseConfiguration } = await import('../config/config-file.js');
  const configuration = parseConfiguration(file.text, path, (text) => expandPath(text, environment));
  const hasSecrets = [...configuration.targets.values()].some(
    (target) => target.environment.size > 0 || /^[^:/]+:\/\/[^/@]*:[^/@]*@/.test(target.url),
  );
  const warning =
    hasSecrets && (file.mode & othersMayRead) !== 0
      ? `${path} holds secrets, and others can read it: chmod 600 ${path}`
      : undefined;
  return { ...configuration, path, warning };
}

function readFile(path: string, mayBeAbsent: boolean): { text: string; mode: number } | undefined {
  const refuse = (reason: string, cause?: unknown) =>
    new TundraError('user-error', `could not read the configuration file ${path}: ${reason}`, { cause });
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (mayBeAbsent && (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR')) return undefined;
    throw refuse(messageOf(error), error);
  }
  try {
    // A pipe, as a shell's <(…) makes one, tells no size.
    const bytes = Buffer.alloc(largestFileBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > largestFileBytes) throw refuse('it is larger than 1 MB');
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length));
    return { text, mode: fstatSync(fd).isFile() ? fstatSync(fd).mode : 0 };
  } catch (error) {
    throw error instanceof TundraError ? error : refuse(messageOf(error), error);
  } finally {
    closeSync(fd);
  }
}

interface NamedTarget {
  name: string;
  target: Target;
}

function targetOf(line: CommandLine, file: ConfigurationFile | undefined): NamedTarget | undefined {
  const names = line.arguments.filter((text) => text.startsWith('@'));
  const [first, second] = names;
  if (first === undefined) return undefined;
  if (second !== undefined) throw commandLineError(`${first} and ${second}: only one target can be named`);
  const name = first.slice(1);
  const target = file?.targets.get(name);
  if (target !== undefined) return { name, target };
  const known = [...(file?.targets.keys() ?? [])].map((known) => `@${known}`);
  throw commandLineError(`there is no target ${first}`, {
    advice:
      file === undefined
        ? 'Targets stand in the configuration file, and there is none; --config names one.'
        : `${file.path} has ${known.length === 0 ? 'no targets' : known.join(', ')}. Write ./${first} for a file of this name.`,
  });
}

/** The arguments with the target's address, and its folder where one is missing for the command. */
function withTarget(line: CommandLine, { name, target }: NamedTarget): string[] {
  const at = line.arguments.indexOf(`@${name}`);
  const schema: CommandSchema | undefined = commandSchemas.find((command) => command.name === line.command);
  const wanted = schema?.arguments ?? ['SOURCE', 'URL'];
  const isShort = line.arguments.length < wanted.length;
  const before = [...line.arguments.slice(0, at)];
  const after = [...line.arguments.slice(at + 1)];
  if (isShort && wanted.includes('SOURCE')) before.push(folderOf(name, target));
  // A backup is compared with what it was made of; where a restore goes must be said.
  if (isShort && line.command === 'verify') after.unshift(folderOf(name, target));
  return [...before, target.url, ...after];
}

function folderOf(name: string, { source }: Target): string {
  if (source !== undefined) return source;
  throw commandLineError(`the target @${name} has no "source" in the configuration file`, {
    advice: 'Name the folder on the command line, or add "source" to the target.',
  });
}

function refuseWhatIsMissing(line: CommandLine): void {
  const [option] = refusedOptions(line);
  if (option !== undefined) {
    throw new TundraError(
      'not-implemented',
      `--${option.name} is for what this build does not have: ${option.missing}.`,
      {
        advice: 'Leave the option out, or use duplicity for this storage.',
      },
    );
  }
}

function checkTimes({ options }: CommandLine): void {
  for (const { name, kind } of optionSchemas) {
    const text = kind === 'time' ? options.text(name as OptionName) : undefined;
    if (text === undefined) continue;
    try {
      parseUserTime(text, 0);
    } catch (error) {
      if (!(error instanceof TundraError)) throw error;
      throw new TundraError('command-line', `--${name}: ${error.message}`, { advice: error.advice });
    }
  }
}
