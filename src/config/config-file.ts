import { TundraError } from '../base/errors.js';
import { JsonError, type JsonMember, type JsonNode, parseJson } from './json-text.js';
import { nearName } from './near-name.js';
import { isFlag, longNames, type OptionName, type OptionSchema, optionSchemas } from './options.js';
import { addFlag, addValue, noSettings, type Settings } from './settings.js';

/** A backup that has a name: `@name` stands for it on the command line. */
export interface Target {
  /** The folder that is backed up. */
  source: string | undefined;
  url: string;
  settings: Settings;
  /** Environment variables of this target alone. */
  environment: ReadonlyMap<string, string>;
}

/** A configuration file that was read and checked. */
export interface Configuration {
  /** Options of every command line. */
  settings: Settings;
  targets: ReadonlyMap<string, Target>;
}

const advice =
  'A configuration file looks like { "options": { "volsize": 100 }, "targets": { "photos": { "source": "/srv/photos", ' +
  '"url": "file:///mnt/backup", "options": { "exclude": ["**/cache"] }, "env": { "PASSPHRASE": "…" } } } }.';

/** Options that belong to a command line alone. */
const notInFile: readonly OptionName[] = ['config', 'help', 'help-all', 'version'];

const optionOfKey = new Map<string, OptionSchema>();
for (const schema of optionSchemas as readonly OptionSchema[]) {
  if (notInFile.includes(schema.name as OptionName)) continue;
  for (const name of longNames(schema)) optionOfKey.set(name, schema);
}
/** Selection options one by one, where those of different names take turns. */
const selectionKey = 'selection';

/**
 * Reads a configuration file. Errors are `user-error`; they name the file, the line, and what is expected.
 *
 * @param expand what stands for `~` and `$NAME` in paths
 */
export function parseConfiguration(
  text: string,
  path: string,
  expand: (path: string) => string,
): Configuration {
  const refuse = ({ line }: { line: number }, reason: string) =>
    new TundraError('user-error', `${path}, line ${line}: ${reason}`, { advice });

  function document(): JsonNode {
    try {
      return parseJson(text.replace(/^\uFEFF/, ''));
    } catch (error) {
      if (error instanceof JsonError) throw refuse(error, error.message);
      throw error;
    }
  }

  /** The members of an object, all of which must be known. */
  function members(node: JsonNode, what: string, known?: Iterable<string>): JsonMember[] {
    if (node.kind !== 'object') throw refuse(node, `${what} must be an object`);
    const names = known === undefined ? undefined : [...known];
    for (const member of node.members) {
      if (names === undefined || names.includes(member.key)) continue;
      const near = nearName(member.key, names);
      const hint = near === undefined ? '' : `; did you mean "${near}"?`;
      throw refuse(member, `${what} has the key ${JSON.stringify(member.key)}, which means nothing${hint}`);
    }
    return node.members;
  }

  function textOf(node: JsonNode, what: string): string {
    if (node.kind !== 'string') throw refuse(node, `${what} must be a text in quotes`);
    if (node.value.includes('\0')) throw refuse(node, `${what} cannot hold a NUL`);
    return node.value;
  }

  function settingsOf(node: JsonNode, what: string): Settings {
    const settings = noSettings();
    for (const member of members(node, what, [...optionOfKey.keys(), selectionKey])) {
      if (member.key === selectionKey) addSelection(settings, member.value);
      else addOption(settings, optionOfKey.get(member.key)!, member.key, member.value);
    }
    return settings;
  }

  /** A list of objects of one selection option each. */
  function addSelection(settings: Settings, node: JsonNode): void {
    if (node.kind !== 'array') throw refuse(node, '"selection" must be a list');
    const names = [...optionOfKey].filter(([, { kind }]) => kind.startsWith('selection')).map(([key]) => key);
    for (const item of node.items) {
      for (const { key, value } of members(item, 'an item of "selection"', names)) {
        addOption(settings, optionOfKey.get(key)!, key, value);
      }
    }
  }

  function addOption(settings: Settings, schema: OptionSchema, key: string, node: JsonNode): void {
    const name = schema.name as OptionName;
    const wrong = (wanted: string) => refuse(node, `"${key}" must be ${wanted}`);
    if (isFlag(schema)) {
      if (node.kind !== 'boolean') throw wrong('true or false');
      if (node.value) addFlag(settings, schema, `--${key}`);
      else if (schema.kind === 'flag') settings.options.set(name, false);
      return;
    }
    if (schema.kind === 'pairs') {
      const shape = 'a list of lists of two paths, such as [["from", "to"]]';
      if (node.kind !== 'array') throw wrong(shape);
      for (const pair of node.items) {
        if (pair.kind !== 'array' || pair.items.length !== 2) throw wrong(shape);
        const [from, to] = pair.items.map((item) => expand(textOf(item, `"${key}"`)));
        settings.options.addPair(name, from!, to!);
      }
      return;
    }
    const isRepeated = ['list', 'words', 'selection'].includes(schema.kind);
    if (node.kind === 'array' && !isRepeated) throw wrong(shapeOf(schema));
    for (const item of node.kind === 'array' ? node.items : [node]) {
      const value = plainText(item, schema);
      if (value === undefined) throw wrong(isRepeated ? 'a text, or a list of texts' : shapeOf(schema));
      addValue(settings, schema, value, {
        given: `--${key}`,
        refuse: (reason) => refuse(item, `"${key}": ${reason}`),
        expand,
      });
    }
  }

  function targetOf(node: JsonNode, what: string): Target {
    const found = new Map(
      members(node, what, ['source', 'url', 'options', 'env']).map((member) => [member.key, member.value]),
    );
    const url = found.get('url');
    if (url === undefined) throw refuse(node, `${what} has no "url"`);
    const source = found.get('source');
    const options = found.get('options');
    const environment = new Map<string, string>();
    const env = found.get('env');
    for (const { key, line, value } of env === undefined ? [] : members(env, `"env" of ${what}`)) {
      if (!/^[A-Za-z_]\w*$/.test(key)) {
        throw refuse({ line }, `${JSON.stringify(key)} cannot be the name of an environment variable`);
      }
      environment.set(key, textOf(value, `"${key}"`));
    }
    return {
      source: source === undefined ? undefined : sourceOf(source, what),
      url: textOf(url, `"url" of ${what}`),
      settings: options === undefined ? noSettings() : settingsOf(options, `"options" of ${what}`),
      environment,
    };
  }

  /** Whoever runs the command, and wherever: it must be the same folder. */
  function sourceOf(node: JsonNode, what: string): string {
    const source = expand(textOf(node, `"source" of ${what}`));
    if (!source.startsWith('/')) throw refuse(node, `"source" of ${what} must be a whole path, from / on`);
    return source;
  }

  const parts = new Map(
    members(document(), 'the file', ['options', 'targets']).map((member) => [member.key, member.value]),
  );
  const options = parts.get('options');
  const targets = parts.get('targets');
  const settings = options === undefined ? noSettings() : settingsOf(options, '"options"');
  const named = targets === undefined ? [] : members(targets, '"targets"');
  return {
    settings,
    targets: new Map(
      named.map(({ key, line, value }) => {
        if (!/^[\w.-]+$/.test(key)) {
          throw refuse(
            { line },
            `the name ${JSON.stringify(key)} of a target may hold letters, digits, ".", "_" and "-" only`,
          );
        }
        return [key, targetOf(value, `target "${key}"`)];
      }),
    ),
  };
}

/** The value as a command line would have it; undefined where it is of another type. */
function plainText(node: JsonNode, { kind }: OptionSchema): string | undefined {
  const wantsNumber = kind === 'count' || kind === 'positive';
  if (node.kind === 'number' && (wantsNumber || kind === 'verbosity')) return String(node.value);
  if (node.kind === 'string' && !wantsNumber) return node.value;
  return undefined;
}

function shapeOf({ kind, values }: OptionSchema): string {
  switch (kind) {
    case 'count':
      return 'a whole number';
    case 'positive':
      return 'a whole number above 0';
    case 'verbosity':
      return 'a number or a word';
    case 'choice':
      return (values ?? []).map((value) => `"${value}"`).join(' or ');
    default:
      return 'a text in quotes';
  }
}
