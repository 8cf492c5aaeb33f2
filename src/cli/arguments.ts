import { parseArgs } from 'node:util';
import { editDistance } from '../base/edit-distance.js';
import { TundraError } from '../base/errors.js';
import { type Level, level } from '../base/events.js';
import {
  type CommandName,
  type CommandSchema,
  commandSchemas,
  type OptionName,
  type OptionSchema,
  optionSchemas,
  type SelectionOptionName,
} from '../config/options.js';

/** A command line that was read, values checked one by one. */
export interface CommandLine {
  /** Undefined where none is named: the arguments then decide between backup and restore. */
  command: CommandName | undefined;
  arguments: string[];
  options: OptionValues;
  /** Includes, excludes and what belongs to them, in the order given. */
  selection: SelectionOption[];
}

/** A selection option; its value is empty where it takes none. */
export interface SelectionOption {
  name: SelectionOptionName;
  /** As it was written, with its dashes. */
  given: string;
  value: string;
}

/** Values by long name. */
export class OptionValues {
  readonly #values = new Map<string, string | number | true | string[]>();
  readonly #pairs = new Map<string, [string, string][]>();

  set(name: OptionName, value: string | number | true): void {
    this.#values.set(name, value);
  }

  add(name: OptionName, value: string): void {
    const list = this.#values.get(name);
    if (Array.isArray(list)) list.push(value);
    else this.#values.set(name, [value]);
  }

  addPair(name: OptionName, first: string, second: string): void {
    const pairs = this.#pairs.get(name) ?? [];
    this.#pairs.set(name, [...pairs, [first, second]]);
  }

  pairs(name: OptionName): readonly [string, string][] {
    return this.#pairs.get(name) ?? [];
  }

  flag(name: OptionName): boolean {
    return this.#values.has(name);
  }

  text(name: OptionName): string | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  number(name: OptionName): number | undefined {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : undefined;
  }

  list(name: OptionName): string[] {
    const value = this.#values.get(name);
    return Array.isArray(value) ? value : [];
  }
}

const schemas: readonly OptionSchema[] = optionSchemas;
const schemaOf = new Map<string, OptionSchema>();
for (const schema of schemas)
  for (const name of [schema.name, ...(schema.aliases ?? [])]) schemaOf.set(name, schema);

function isFlag({ kind }: OptionSchema): boolean {
  return kind === 'flag' || kind === 'selection-flag';
}

const verbosityWords: readonly Level[] = ['error', 'warning', 'notice', 'info', 'debug'];

/** Reads a command line. Errors: `command-line`, naming the option and one that is near. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      [...schemaOf].map(([name, schema]) => [
        name,
        {
          type: isFlag(schema) ? ('boolean' as const) : ('string' as const),
          multiple: true,
          ...(schema.name === name && schema.short !== undefined ? { short: schema.short } : {}),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const line: CommandLine = { command: undefined, arguments: [], options: new OptionValues(), selection: [] };
  let first: { name: OptionName; rawName: string; value: string } | undefined;
  for (const token of tokens) {
    if (first !== undefined) {
      // The second value of a pair stands behind the first, where an argument would.
      if (token.kind !== 'positional') break;
      line.options.addPair(first.name, first.value, token.value);
      first = undefined;
    } else if (token.kind === 'positional') {
      line.arguments.push(token.value);
    } else if (token.kind === 'option') {
      const schema = schemaOf.get(token.name);
      if (schema?.kind === 'pairs' && token.value !== undefined) {
        first = { name: schema.name as OptionName, rawName: token.rawName, value: token.value };
      } else readOption(line, token.name, token.rawName, token.value);
    }
  }
  if (first !== undefined) throw commandLineError(`${first.rawName} needs two values (FROM TO)`);
  const command = commandNamed(line.arguments[0]);
  if (command !== undefined) {
    line.command = command;
    line.arguments.shift();
  }
  return line;
}

/** The command of a name, an alias, or a beginning that fits only one. */
function commandNamed(word: string | undefined): CommandName | undefined {
  if (word === undefined || word === '') return undefined;
  const exact = commandSchemas.find(
    ({ name, aliases }: CommandSchema) => name === word || aliases.includes(word),
  );
  if (exact !== undefined) return exact.name;
  const near = commandSchemas.filter(({ name }) => name.startsWith(word));
  return near.length === 1 ? near[0]?.name : undefined;
}

function readOption(line: CommandLine, given: string, rawName: string, value: string | undefined): void {
  const schema = schemaOf.get(given);
  if (schema === undefined) throw unknownOption(rawName);
  const name = schema.name as OptionName;
  if (isFlag(schema)) {
    if (value !== undefined) throw commandLineError(`${rawName} takes no value`);
    if (schema.kind === 'flag') line.options.set(name, true);
    else line.selection.push({ name: name as SelectionOptionName, given: rawName, value: '' });
    return;
  }
  if (value === undefined) throw commandLineError(`${rawName} needs a value (${schema.value})`);
  switch (schema.kind) {
    case 'selection':
      line.selection.push({ name: name as SelectionOptionName, given: rawName, value });
      break;
    case 'list':
      line.options.add(name, value);
      break;
    case 'text':
      line.options.set(name, value);
      break;
    case 'verbosity':
      line.options.set(name, readVerbosity(rawName, value));
      break;
    default: {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : -1;
      if (number < (schema.kind === 'positive' ? 1 : 0)) {
        throw commandLineError(
          `${rawName}: "${value}" is not a whole number${schema.kind === 'positive' ? ' above 0' : ''}`,
        );
      }
      line.options.set(name, number);
    }
  }
}

function readVerbosity(rawName: string, value: string): number {
  if (/^[0-9]$/.test(value)) return Number(value);
  const wanted = value.toLowerCase();
  const word = verbosityWords.find((name) => name === wanted || name.charAt(0) === wanted);
  if (word === undefined) {
    throw commandLineError(
      `${rawName}: "${value}" is neither 0 to 9 nor error, warning, notice, info or debug`,
    );
  }
  return level[word];
}

function unknownOption(rawName: string): TundraError {
  const bare = rawName.replace(/^-+/, '');
  const near = [...schemaOf.keys()]
    .map((name) => ({ name, distance: editDistance(bare, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    near !== undefined && near.distance <= Math.max(2, bare.length / 4)
      ? `; did you mean --${near.name}?`
      : '';
  return commandLineError(`no such option: ${rawName}${hint}`);
}

export function commandLineError(message: string): TundraError {
  return new TundraError('command-line', `Command line error: ${message}`, {
    advice: 'Enter "tundra --help" for help.',
  });
}
