import { createReadStream } from 'node:fs';
import type { SessionSettings } from '../app/session.js';
import { messageOf, TundraError } from '../base/errors.js';
import { type Latin1, latin1OfNative, type PathKey } from '../base/path-key.js';
import { expandPath } from '../config/expand-path.js';
import { type EpochSeconds, parseUserTime } from '../format/times.js';
import { parsePathList, parsePatternList, type Separator } from '../source/file-list.js';
import type { SelectionRule } from '../source/selection.js';
import { type CommandLine, commandLineError, type SelectionOption } from './arguments.js';
import type { Terminal } from './terminal.js';

/** What the meaning of selection options depends on besides themselves. */
export interface SelectionContext {
  separator: Separator;
  now: EpochSeconds;
  environment: NodeJS.ProcessEnv;
  notice(text: string): void;
}

/** The context that a command line gives. */
export function selectionContext(
  { options }: CommandLine,
  { now, environment }: Pick<SessionSettings, 'now' | 'environment'>,
  terminal: Terminal,
): SelectionContext {
  return {
    separator: options.flag('null-separator') ? '\0' : '\n',
    now: now(),
    environment,
    notice: (text) => terminal.event({ kind: 'message', level: 'notice', text }),
  };
}

/** How the patterns that follow are read. */
interface FilterMode {
  patterns: 'glob' | 'literal' | 'regexp';
  ignoreCase: boolean;
}

type IncludeOrExclude = 'include' | 'exclude';

/**
 * The rules of all selection options, in their order; reads the lists of files they name, `-` from standard input. Throws
 * `bad-file-list`, and `command-line` for a bad time and for filter options that change nothing.
 */
export async function readSelection(
  options: readonly SelectionOption[],
  context: SelectionContext,
): Promise<SelectionRule[]> {
  requireEffect(options);
  const rules: SelectionRule[] = [];
  const listed = new Set<PathKey>();
  const mode: FilterMode = { patterns: 'glob', ignoreCase: false };
  for (const option of options) {
    const { name, value } = option;
    switch (name) {
      case 'include':
      case 'exclude':
        rules.push(patternRule(name, latin1OfNative(value), mode));
        break;
      case 'include-regexp':
      case 'exclude-regexp':
        rules.push(patternRule(kindOf(name), latin1OfNative(value), { ...mode, patterns: 'regexp' }));
        break;
      case 'include-filelist':
      case 'exclude-filelist':
      case 'include-filelist-stdin':
      case 'exclude-filelist-stdin': {
        tellIfOld(option, context);
        const content = await readList(name.endsWith('-stdin') ? '-' : value, 'globbing filelist', context);
        const patterns = parsePatternList(content, context.separator, kindOf(name));
        for (const { kind, pattern } of patterns) rules.push(patternRule(kind, pattern, mode));
        break;
      }
      case 'files-from': {
        const content = await readList(value, 'files to back up from list', context);
        for (const key of parsePathList(content, context.separator)) listed.add(key);
        break;
      }
      case 'exclude-if-present':
        rules.push({ kind: name, name: latin1OfNative(expandPath(value, context.environment)) });
        break;
      case 'exclude-device-files':
        rules.push({ kind: name });
        break;
      case 'exclude-other-filesystems':
        rules.push({ kind: name });
        break;
      case 'exclude-older-than':
        rules.push({ kind: name, seconds: parseUserTime(value, context.now) });
        break;
      case 'filter-globbing':
        mode.patterns = 'glob';
        break;
      case 'filter-literal':
        mode.patterns = 'literal';
        break;
      case 'filter-regexp':
        mode.patterns = 'regexp';
        break;
      case 'filter-ignorecase':
        mode.ignoreCase = true;
        break;
      case 'filter-strictcase':
        mode.ignoreCase = false;
        break;
    }
  }
  if (listed.size > 0) rules.push({ kind: 'only-listed', keys: [...listed] });
  return rules;
}

function kindOf(name: string): IncludeOrExclude {
  return name.startsWith('include') ? 'include' : 'exclude';
}

function patternRule(
  kind: IncludeOrExclude,
  pattern: Latin1,
  { patterns, ignoreCase }: FilterMode,
): SelectionRule {
  switch (patterns) {
    case 'glob':
      if (!ignoreCase || pattern === '**' || /^ignorecase:/i.test(pattern)) return { kind, glob: pattern };
      return { kind, glob: `ignorecase:${pattern}` };
    case 'literal':
      return { kind, literal: pattern, ignoreCase };
    case 'regexp':
      return { kind, regexp: pattern, ignoreCase };
  }
}

/** Filters that change nothing are a mistake, as for the peer. */
function requireEffect(options: readonly SelectionOption[]): void {
  const last = options.at(-1);
  if (last?.name.startsWith('filter-')) {
    throw commandLineError(`${last.given} is the last selection option: it changes nothing`);
  }
  const filters = options.filter(({ name }) => name.startsWith('filter-'));
  const areDefaults = filters.every(({ name }) => name === 'filter-globbing' || name === 'filter-strictcase');
  if (filters.length > 0 && areDefaults) {
    const given = [...new Set(filters.map((filter) => filter.given))].join(' and ');
    throw commandLineError(`${given}: patterns are read like that anyway`);
  }
}

function tellIfOld({ name, given }: SelectionOption, { notice }: SelectionContext): void {
  if (name.endsWith('-stdin')) notice(`${given} is an old name: --${kindOf(name)}-filelist - does the same.`);
}

/** A list is held in memory: that of some millions of paths. */
const largestListBytes = 256 * 1024 * 1024;

async function readList(given: string, what: string, context: SelectionContext): Promise<Latin1> {
  const isStandardInput = given === '-';
  const path = isStandardInput ? 'standard input' : expandPath(given, context.environment);
  context.notice(`Reading ${what} ${path}`);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of isStandardInput ? process.stdin : createReadStream(path)) {
      chunks.push(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
      if (sizeBytes > largestListBytes)
        throw new TundraError('bad-file-list', `The list of files in ${path} is too large.`);
    }
  } catch (error) {
    if (error instanceof TundraError) throw error;
    throw new TundraError('bad-file-list', `Error opening file ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return Buffer.concat(chunks).toString('latin1');
}
