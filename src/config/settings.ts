import { type Level, level } from '../base/events.js';
import { type OptionName, optionSchemas, type SelectionOptionName } from './options.js';
import type { OptionSchema } from './schema.js';

type Value = string | number | boolean | string[] | [string, string][];

/** Values by long name, checked one by one. */
export class OptionValues {
  readonly #values = new Map<OptionName, Value>();

  set(name: OptionName, value: string | number | boolean): void {
    this.#values.set(name, value);
  }

  add(name: OptionName, value: string): void {
    this.#values.set(name, [...this.list(name), value]);
  }

  addPair(name: OptionName, first: string, second: string): void {
    this.#values.set(name, [...this.pairs(name), [first, second]]);
  }

  pairs(name: OptionName): [string, string][] {
    const value = this.#values.get(name);
    return Array.isArray(value) ? (value as [string, string][]) : [];
  }

  /** Whether the option was given; a flag that a file of settings turns off was not. */
  flag(name: OptionName): boolean {
    return (this.#values.get(name) ?? false) !== false;
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
    return Array.isArray(value) ? (value as string[]) : [];
  }

  /** Takes what is not set here from other values. */
  fillFrom(others: OptionValues): void {
    for (const [name, value] of others.#values) if (!this.#values.has(name)) this.#values.set(name, value);
  }
}

/** A selection option; its value is empty where it takes none. */
export interface SelectionOption {
  name: SelectionOptionName;
  /** As it was written, with its dashes. */
  given: string;
  value: string;
}

/** What options say, wherever they stand. */
export interface Settings {
  options: OptionValues;
  /** Includes, excludes and what belongs to them, in the order given. */
  selection: SelectionOption[];
}

export function noSettings(): Settings {
  return { options: new OptionValues(), selection: [] };
}

/**
 * Lets nearer settings win over farther ones: an option counts as the nearest settings that have it say, all its values
 * together. Only selection adds up: the nearer rules stand first, where they decide first.
 */
export function layered(...nearestFirst: Settings[]): Settings {
  const result = noSettings();
  for (const { options, selection } of nearestFirst) {
    result.options.fillFrom(options);
    result.selection.push(...selection);
  }
  return result;
}

/** How a setting came: as it was written, what makes an error of a reason, and what a path is read with. */
export interface SettingSource {
  given: string;
  refuse(reason: string): Error;
  expand(path: string): string;
}

/** Adds an option that takes no value. */
export function addFlag({ options, selection }: Settings, schema: OptionSchema, given: string): void {
  if (schema.kind === 'flag') options.set(schema.name as OptionName, true);
  else selection.push({ name: schema.name as SelectionOptionName, given, value: '' });
}

/** Adds an option with its value, or throws why it cannot be one. */
export function addValue(
  { options, selection }: Settings,
  schema: OptionSchema,
  value: string,
  { given, refuse, expand }: SettingSource,
): void {
  const name = schema.name as OptionName;
  // No program can be given such text, so none is asked to.
  if (value.includes('\0')) throw refuse('a value cannot hold a NUL');
  switch (schema.kind) {
    case 'selection':
      selection.push({ name: name as SelectionOptionName, given, value });
      break;
    case 'list':
      options.add(name, value);
      break;
    case 'words': {
      const earlier = options.text(name);
      options.set(name, earlier === undefined || earlier === '' ? value : `${earlier} ${value}`);
      break;
    }
    case 'path':
      options.set(name, expand(value));
      break;
    case 'choice':
      if (!schema.values?.includes(value)) {
        throw refuse(`"${value}" is not ${(schema.values ?? []).join(' or ')}`);
      }
      options.set(name, value);
      break;
    case 'verbosity': {
      const verbosity = readVerbosity(value);
      if (verbosity === undefined) {
        throw refuse(`"${value}" is neither 0 to 9 nor error, warning, notice, info or debug`);
      }
      options.set(name, verbosity);
      break;
    }
    case 'count':
    case 'positive': {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : -1;
      if (number < (schema.kind === 'positive' ? 1 : 0)) {
        throw refuse(`"${value}" is not a whole number${schema.kind === 'positive' ? ' above 0' : ''}`);
      }
      options.set(name, number);
      break;
    }
    default:
      options.set(name, value);
  }
}

const verbosityWords: readonly Level[] = ['error', 'warning', 'notice', 'info', 'debug'];

function readVerbosity(value: string): number | undefined {
  if (/^[0-9]$/.test(value)) return Number(value);
  const wanted = value.toLowerCase();
  const word = verbosityWords.find((name) => name === wanted || name.charAt(0) === wanted);
  return word === undefined ? undefined : level[word];
}

/**
 * The options that were given and that this build refuses. An empty value asks for nothing: backupninja always gives
 * `--ssh-options ''`.
 */
export function refusedOptions({ options }: Settings): OptionSchema[] {
  return optionSchemas.filter(({ missing, name }: OptionSchema) => {
    return (
      missing !== undefined && options.flag(name as OptionName) && options.text(name as OptionName) !== ''
    );
  });
}
