import {
  type CommandName,
  type CommandSchema,
  commandSchemas,
  isFlag,
  type OptionSchema,
  optionSchemas,
  optionsOf,
} from '../../config/options.js';

/** What can stand where an option wants its value. */
export type ValueWords = 'file' | 'folder' | 'program' | readonly string[];

/** An option as the shells are told of it. */
export interface OptionWords {
  long: string;
  short: string | undefined;
  help: string;
  /** Undefined for a flag. */
  value: ValueWords | undefined;
}

/** A command: all its names, and its options. */
export interface CommandWords {
  names: readonly string[];
  help: string;
  options: readonly OptionWords[];
}

/** Options that are refused or only for tests are never proposed. */
function isProposed({ missing, group }: OptionSchema): boolean {
  return missing === undefined && group !== 'tests';
}

function optionWords(option: OptionSchema): OptionWords {
  return {
    long: `--${option.name}`,
    short: option.short === undefined ? undefined : `-${option.short}`,
    help: option.help,
    value: isFlag(option) ? undefined : valueWords(option),
  };
}

function valueWords({ value, values }: OptionSchema): ValueWords {
  if (values !== undefined) return values;
  if (value === 'FILE') return 'file';
  if (value === 'FOLDER') return 'folder';
  return value === 'PROGRAM' ? 'program' : [];
}

/** The commands of this build, with the options that say something to each. */
export function commandWords(): CommandWords[] {
  return commandSchemas.map((command: CommandSchema) => ({
    names: [command.name, ...command.aliases],
    help: command.help,
    options: optionsOf(command.name as CommandName)
      .filter(isProposed)
      .map(optionWords),
  }));
}

/** Every option that is proposed where no command is named yet. */
export function allOptionWords(): OptionWords[] {
  return optionSchemas.filter(isProposed).map(optionWords);
}

/** Every spelling of every option that takes a value: the word behind it is no argument. */
export function valuedSpellings(): string[] {
  return (optionSchemas as readonly OptionSchema[])
    .filter((option) => !isFlag(option))
    .flatMap(({ name, short, aliases = [], oldNames = [] }) => [
      ...(short === undefined ? [] : [`-${short}`]),
      ...[name, ...aliases, ...oldNames].map((long) => `--${long}`),
    ]);
}

/** Options by what can stand for their value, without those of which nothing is known. */
export function optionsByValue(): { spellings: string[]; value: ValueWords }[] {
  const groups = new Map<string, { spellings: string[]; value: ValueWords }>();
  for (const { long, short, value } of allOptionWords()) {
    if (value === undefined || value.length === 0) continue;
    const key = String(value);
    const group = groups.get(key) ?? { spellings: [], value };
    group.spellings.push(long, ...(short === undefined ? [] : [short]));
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** What the argument of `completion` can be. */
export const shellWords = ['bash', 'zsh', 'fish', 'targets'] as const;
