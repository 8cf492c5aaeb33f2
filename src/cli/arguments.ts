import { TundraError } from '../base/errors.js';
import { expandPath } from '../config/expand-path.js';
import { nearName } from '../config/near-name.js';
import {
  type CommandName,
  type CommandSchema,
  commandSchemas,
  isFlag,
  longNames,
  type OptionName,
  type OptionSchema,
  optionSchemas,
} from '../config/options.js';
import { addFlag, addValue, noSettings, type Settings } from '../config/settings.js';

export { OptionValues, type SelectionOption } from '../config/settings.js';

/** A command line that was read, values checked one by one. */
export interface CommandLine extends Settings {
  /** Undefined where none is named: the arguments then decide between backup and restore. */
  command: CommandName | undefined;
  arguments: string[];
  /** How many selection rules stand on the command line itself, not in the configuration file. */
  givenRules: number;
  /** What its user should know about names that are not today's. */
  notices: string[];
}

/** A long name, the option it means, and whether duplicity 0.8 has it. */
interface LongName {
  name: string;
  schema: OptionSchema;
  isOld: boolean;
  isOf08: boolean;
}

const longOptions = new Map<string, LongName>();
const shortOptions = new Map<string, OptionSchema>();
for (const schema of optionSchemas as readonly OptionSchema[]) {
  if (schema.short !== undefined) shortOptions.set(schema.short, schema);
  for (const name of longNames(schema)) {
    const isOld = schema.oldNames?.includes(name) === true;
    longOptions.set(name, {
      name,
      schema,
      isOld,
      isOf08: name !== schema.name || schema.since === undefined,
    });
  }
}

/**
 * Reads a command line. Options stand anywhere up to `--`: `--name value`, `--name=value`, `-n value`, `-nvalue`; a long
 * name may be cut to a beginning that fits no other. Errors: `command-line`, naming the option and one that is near.
 *
 * @param environment what `~` and `$NAME` in paths stand for
 */
export function parseCommandLine(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): CommandLine {
  const line: CommandLine = {
    command: undefined,
    arguments: [],
    givenRules: 0,
    notices: [],
    ...noSettings(),
  };
  const rest = [...argv];
  const take = (given: string, schema: OptionSchema) => {
    const value = rest.shift();
    if (value === undefined) throw commandLineError(`${given} needs a value (${schema.value})`);
    return value;
  };
  const expand = (path: string) => expandPath(path, environment);
  const addWithValue = (schema: OptionSchema, given: string, value: string) => {
    const refuse = (reason: string) => commandLineError(`${given}: ${reason}`);
    if (schema.kind !== 'pairs') return addValue(line, schema, value, { given, refuse, expand });
    const second = rest.shift();
    if (second === undefined) throw commandLineError(`${given} needs two values (${schema.value})`);
    line.options.addPair(schema.name as OptionName, expand(value), expand(second));
  };
  const readShort = (letters: string) => {
    for (let at = 0; at < letters.length; at++) {
      const given = `-${letters.charAt(at)}`;
      const schema = shortOptions.get(letters.charAt(at));
      if (schema === undefined) throw unknownOption(given);
      if (!isFlag(schema)) return addWithValue(schema, given, letters.slice(at + 1) || take(given, schema));
      addFlag(line, schema, given);
    }
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      line.arguments.push(...rest.splice(0));
    } else if (word.startsWith('--')) {
      const [, given = word, value] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
      const { name, schema, isOld } = optionNamed(given);
      if (isOld) line.notices.push(`--${name} is an old name of --${schema.name}.`);
      if (!isFlag(schema)) addWithValue(schema, given, value ?? take(given, schema));
      else if (value === undefined) addFlag(line, schema, given);
      else throw commandLineError(`${given} takes no value`);
    } else if (word.length > 1 && word.startsWith('-')) {
      readShort(word.slice(1));
    } else line.arguments.push(word);
  }
  const command = commandNamed(line.arguments[0]);
  if (command !== undefined) {
    line.command = command;
    line.arguments.shift();
  }
  line.givenRules = line.selection.length;
  line.arguments = line.arguments.map((text) => (text.includes('://') ? text : expand(text)));
  return line;
}

/**
 * The option of a long name, or of a beginning. Among beginnings the names of duplicity 0.8 go first: what was clear to
 * it stays clear.
 */
function optionNamed(given: string): LongName {
  const bare = given.slice(2);
  const exact = longOptions.get(bare);
  if (exact !== undefined) return exact;
  const fitting = [...longOptions.values()].filter(({ name }) => bare !== '' && name.startsWith(bare));
  const of08 = fitting.filter(({ isOf08 }) => isOf08);
  const candidates = of08.length > 0 ? of08 : fitting;
  const [first] = candidates;
  if (first === undefined) throw unknownOption(given);
  if (candidates.every(({ schema }) => schema === first.schema)) return first;
  const names = candidates.map(({ name }) => `--${name}`).sort();
  throw commandLineError(`${given} may be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`);
}

/**
 * The command of a name, an alias, or a beginning that fits only one of duplicity's commands; undefined for another word.
 * A beginning that fits several is an error, as for the peer.
 */
function commandNamed(word: string | undefined): CommandName | undefined {
  if (word === undefined || word === '') return undefined;
  const known: readonly (CommandSchema & { name: CommandName })[] = commandSchemas;
  const exact = known.find(({ name, aliases }) => name === word || aliases.includes(word));
  if (exact !== undefined) return exact.name;
  const near = known.filter(({ name, since }) => since === undefined && name.startsWith(word));
  if (near.length < 2) return near[0]?.name;
  const names = near.map(({ name }) => name);
  throw commandLineError(`"${word}" may be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`, {
    advice: `Write the command whole, or ./${word} for a folder.`,
  });
}

function unknownOption(given: string): TundraError {
  const near = nearName(given.replace(/^-+/, ''), longOptions.keys());
  const hint = near === undefined ? '' : `; did you mean --${near}?`;
  return commandLineError(`no such option: ${given}${hint}`);
}

export function commandLineError(message: string, details: { advice?: string } = {}): TundraError {
  return new TundraError('command-line', `Command line error: ${message}`, {
    advice: details.advice ?? 'Enter "tundra --help" for help.',
  });
}
