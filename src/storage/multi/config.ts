import { createReadStream } from 'node:fs';
import { collectBytes } from '../../base/bytes.js';
import { messageOf, TundraError } from '../../base/errors.js';
import { type Latin1, latin1OfNative } from '../../base/path-key.js';
import type { ParsedUrl } from '../url.js';

/** One store of a multi storage, as its configuration names it. Address and environment can hold secrets. */
export interface StoreConfig {
  description: string | undefined;
  url: string;
  /** What the environment has more, or otherwise, for this store alone. */
  env: Record<string, string>;
  /** Undefined where the configuration does not speak of prefixes. */
  prefixes: Latin1[] | undefined;
}

/** What the address of a multi storage says behind its `?`. */
export interface MultiOptions {
  /** `mirror`: every eligible store gets an object; `stripe`: the stores take turns. */
  mode: 'mirror' | 'stripe';
  /** What a failed write does: `continue` tries the other stores, `abort` ends the call. */
  onfail: 'abort' | 'continue';
  /** Put behind the address of each store, as it is. */
  subpath: string;
}

const configLimitBytes = 1 << 20;

/** Reads the options of a multi storage's address. One that is unknown, double or has a value unheard of is an error. */
export function multiOptions(url: ParsedUrl): MultiOptions {
  const refuse = (reason: string) => new TundraError('user-error', `bad address ${url.display}: ${reason}`);
  const given = new Map<string, string>();
  for (const field of url.query === '' ? [] : url.query.split('&')) {
    const [name, value] = [...new URLSearchParams(field)][0] ?? ['', ''];
    if (!['mode', 'onfail', 'subpath'].includes(name)) {
      throw refuse(`it has the option ${JSON.stringify(name)} where mode, onfail and subpath are known`);
    }
    if (!field.includes('=')) throw refuse(`the option ${name} has no value`);
    if (given.has(name)) throw refuse(`the option ${name} is there twice`);
    given.set(name, value);
  }
  // An empty value counts as none.
  const mode = given.get('mode') || 'stripe';
  if (mode !== 'mirror' && mode !== 'stripe') throw refuse('mode must be mirror or stripe');
  const onfail = given.get('onfail') || 'continue';
  if (onfail !== 'abort' && onfail !== 'continue') throw refuse('onfail must be abort or continue');
  return { mode, onfail, subpath: given.get('subpath') ?? '' };
}

/** Reads a configuration file; it may be a pipe. */
export async function readConfigFile(path: string): Promise<string> {
  try {
    return (await collectBytes(createReadStream(path), configLimitBytes)).toString('utf8');
  } catch (cause) {
    throw new TundraError(
      'user-error',
      `could not read the multi configuration ${path}: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/**
 * Checks the text of a configuration, an array of `{description, url, env: [{name, value}], prefixes}`. Errors name the
 * entry (from 1) and the key, never a value. `warn` hears of keys that mean nothing.
 */
export function parseConfig(text: string, path: string, warn: (text: string) => void): StoreConfig[] {
  const refuse = (where: string, reason: string) =>
    new TundraError('user-error', `multi configuration ${path}: ${where} ${reason}`);
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch (error) {
    // The message itself can quote the text, and with it a password: only the place is taken from it.
    throw refuse('the file', `is not valid JSON${placeOf(error, text)}`);
  }
  if (!Array.isArray(entries)) throw refuse('the file', 'must hold an array of stores');
  if (entries.length === 0) throw refuse('the file', 'names no store');

  /** The members of an object that may have the keys `known`. */
  function members(value: unknown, where: string, known: readonly string[]): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw refuse(where, 'must be an object');
    for (const key of Object.keys(value)) {
      if (!known.includes(key))
        warn(`multi configuration ${path}: ${where}: the key ${JSON.stringify(key)} means nothing`);
    }
    return value as Record<string, unknown>;
  }
  function string(value: unknown, where: string): string {
    if (typeof value !== 'string')
      throw refuse(where, value === undefined ? 'is missing' : 'must be a string');
    return value;
  }
  function list(value: unknown, where: string): unknown[] {
    if (!Array.isArray(value)) throw refuse(where, 'must be an array');
    return value;
  }

  return entries.map((value, index) => {
    const where = `entry ${index + 1}`;
    const entry = members(value, where, ['description', 'url', 'env', 'prefixes']);
    const pairs = list(entry.env ?? [], `${where}, env`).map((value, index) => {
      const here = `${where}, env ${index + 1}`;
      const pair = members(value, here, ['name', 'value']);
      return [string(pair.name, `${here}, name`), string(pair.value, `${here}, value`)] as const;
    });
    return {
      description:
        entry.description === undefined ? undefined : string(entry.description, `${where}, description`),
      url: string(entry.url, `${where}, url`),
      env: Object.fromEntries(pairs),
      prefixes:
        entry.prefixes === undefined
          ? undefined
          : list(entry.prefixes, `${where}, prefixes`).map((value, index) =>
              latin1OfNative(string(value, `${where}, prefix ${index + 1}`)),
            ),
    };
  });
}

/** ` (line 3, column 7)` of a JSON error, or nothing where it does not tell. */
function placeOf(error: unknown, text: string): string {
  const position = /at position (\d+)/.exec(messageOf(error))?.[1];
  if (position === undefined) return '';
  const lines = text.slice(0, Number(position)).split('\n');
  return ` (line ${lines.length}, column ${lines.at(-1)!.length + 1})`;
}
