import { argumentMeanings, environmentVariables } from '../config/meanings.js';
import {
  type CommandName,
  type CommandSchema,
  commandSchemas,
  type OptionSchema,
  optionSchemas,
  optionsOf,
} from '../config/options.js';
import { type OptionGroup, optionGroups } from '../config/schema.js';
import type { CommandLine } from './arguments.js';

const column = 36;
const width = 100;

/** The help that a command line asks for: all of it, that of a command, or the short one. */
export function helpText({ command, options }: CommandLine): string {
  if (options.flag('help-all')) return wholeHelp();
  return command === undefined ? shortHelp() : commandHelp(command);
}

const title = "tundra: encrypted, incremental backups for cold storage, in duplicity's format";
const usage = [
  'Usage: tundra [COMMAND] ARGUMENTS [OPTIONS]',
  'Without a command, SOURCE URL backs up and URL TARGET restores.',
];

/** Commands, and the options that most users need. */
function shortHelp(): string {
  return [
    title,
    '',
    ...usage,
    '',
    'Commands',
    ...commandLines(),
    '',
    'The options that are used most',
    ...schemas.filter(({ isCommon }) => isCommon).map((option) => optionEntry(option)),
    '',
    'Environment',
    ...environmentVariables.slice(0, 2).map(([name, help]) => entry(name, help)),
    '',
    '"tundra COMMAND --help" tells all options of a command, "tundra --help-all" all there are, and',
    '"man tundra" more.',
  ].join('\n');
}

/** A command, its arguments and the options that say something to it. */
function commandHelp(name: CommandName): string {
  const command: CommandSchema = commandSchemas.find((schema) => schema.name === name)!;
  const options = optionsOf(name).filter(({ missing, group }) => missing === undefined && group !== 'tests');
  const { aliases } = command;
  return [
    `Usage: tundra ${name} ${command.arguments.join(' ')} [OPTIONS]`,
    '',
    ...wrapped(sentence(command.help), width),
    ...(aliases.length === 0 ? [] : [`Other names: ${aliases.join(', ')}`]),
    '',
    'Arguments',
    ...[...new Set(command.arguments)].map((argument) => entry(argument, argumentMeanings[argument])),
    ...byGroup(options),
    '',
    'Other options are taken and do nothing here; "tundra --help-all" tells all.',
  ].join('\n');
}

/** Every command and option. */
function wholeHelp(): string {
  return [
    title,
    '',
    ...usage,
    '',
    'Commands',
    ...commandLines(),
    ...byGroup(schemas),
    '',
    'Environment',
    ...environmentVariables.map(([name, help]) => entry(name, help)),
  ].join('\n');
}

const schemas: readonly OptionSchema[] = optionSchemas;

function commandLines(): string[] {
  return commandSchemas.map((command: CommandSchema) => {
    const names = [command.name, ...command.aliases].join(', ');
    return entry(`${names} ${command.arguments.join(' ')}`, command.help);
  });
}

function byGroup(options: readonly OptionSchema[]): string[] {
  return (Object.keys(optionGroups) as OptionGroup[]).flatMap((group) => {
    const own = options.filter((option) => option.group === group);
    if (own.length === 0) return [];
    const title = optionGroups[group];
    const isAbsent = own.every(({ missing }) => missing !== undefined);
    const entries = own.map((option) => optionEntry(option, remarksOn(option)));
    return ['', isAbsent ? `${title} (not in this build: refused)` : title, ...entries];
  });
}

function remarksOn({ oldNames = [], ignored }: OptionSchema): string[] {
  const old = oldNames.map((name) => `--${name}`).join(', ');
  return [...(old === '' ? [] : [`before: ${old}`]), ...(ignored === undefined ? [] : ['does nothing here'])];
}

function optionEntry(option: OptionSchema, remarks: readonly string[] = []): string {
  const { name, short, aliases = [], value, help } = option;
  const long = [name, ...aliases].map((spelling) => `--${spelling}`);
  const names = [...(short === undefined ? [] : [`-${short}`]), ...long].join(', ');
  return entry(
    value === undefined ? names : `${names} ${value}`,
    remarks.length === 0 ? help : `${help} (${remarks.join('; ')})`,
  );
}

function entry(left: string, right: string): string {
  const lines = wrapped(right, width - column);
  const indent = ' '.repeat(column);
  if (left.length + 4 > column) return [`  ${left}`, ...lines.map((line) => indent + line)].join('\n');
  return lines.map((line, at) => (at === 0 ? `  ${left}`.padEnd(column) : indent) + line).join('\n');
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
