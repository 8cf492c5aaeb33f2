import { type EpochSeconds, formatOldTime, formatTime, parseNameTime } from './times.js';

/** Which backup set a file belongs to: a full one, or an incremental one from the time it builds on to its own. */
export type SetTimes =
  | { type: 'full'; time: EpochSeconds }
  | { type: 'incremental'; start: EpochSeconds; end: EpochSeconds };

/** The time a set was made. */
export function setEnd(set: SetTimes): EpochSeconds {
  return set.type === 'full' ? set.time : set.end;
}

/** How a file is kept: `.part` for one that was interrupted (local only), `.gpg`, `.gz`. */
interface Keeping {
  partial: boolean;
  encrypted: boolean;
  compressed: boolean;
}

/** What the name of a backup's file says. */
export type RemoteName =
  | ({ kind: 'volume'; set: SetTimes; volume: number } & Keeping)
  | ({ kind: 'manifest'; set: SetTimes } & Keeping)
  | ({ kind: 'signatures'; set: SetTimes } & Keeping);

/** How names are written. All forms are read, whatever is written. */
export type NameForm =
  /** `df.toxzn9.1.dt.g`: times and volume numbers with base 36. */
  | { kind: 'short' }
  /** Times like `2002-04-26T04:22:01-07:00`, in the local zone, with any character in place of the colon. */
  | { kind: 'old'; separator: string };

/** What names begin with: `all`, and after it the prefix of the kind (`archive` is for volumes). */
export interface NamePrefixes {
  all: string;
  manifest: string;
  signature: string;
  archive: string;
  /** Another form than today's. */
  form?: NameForm | undefined;
  /** For what `--jsonstat` keeps. */
  statistics?: string | undefined;
}

export const noPrefixes: NamePrefixes = { all: '', manifest: '', signature: '', archive: '' };

/** The file name, in the form that is asked for; encrypted files never carry `.gz` as well. */
export function formatRemoteName(name: RemoteName, prefixes: NamePrefixes): string {
  if (prefixes.form?.kind === 'short') return prefixes.all + shortName(name, prefixes);
  const part = name.partial ? '.part' : '';
  const suffix = name.encrypted ? '.gpg' : name.compressed ? '.gz' : '';
  return `${prefixes.all}${bareName(name, prefixes)}${part}${suffix}`;
}

function bareName(name: RemoteName, prefixes: NamePrefixes): string {
  const { set } = name;
  const full = set.type === 'full';
  const { form } = prefixes;
  const text = (time: EpochSeconds) =>
    form?.kind === 'old' ? formatOldTime(time, form.separator) : formatTime(time);
  const times = full ? text(set.time) : `${text(set.start)}.to.${text(set.end)}`;
  const stem = full ? 'duplicity-full' : 'duplicity-inc';
  switch (name.kind) {
    case 'volume':
      return `${prefixes.archive}${stem}.${times}.vol${name.volume}.difftar`;
    case 'manifest':
      return `${prefixes.manifest}${stem}.${times}.manifest`;
    case 'signatures':
      return `${prefixes.signature}${full ? 'duplicity-full-signatures' : 'duplicity-new-signatures'}.${times}.sigtar`;
  }
}

function shortName(name: RemoteName, prefixes: NamePrefixes): string {
  const { set } = name;
  const full = set.type === 'full';
  const times = (full ? [set.time] : [set.start, set.end]).map((time) => time.toString(36)).join('.');
  const end = `${name.partial ? '.p' : ''}${name.encrypted ? '.g' : name.compressed ? '.z' : ''}`;
  switch (name.kind) {
    case 'volume':
      return `${prefixes.archive}${full ? 'df' : 'di'}.${times}.${name.volume.toString(36)}.dt${end}`;
    case 'manifest':
      return `${prefixes.manifest}${full ? 'df' : 'di'}.${times}.m${end}`;
    case 'signatures':
      return `${prefixes.signature}${full ? 'dfs' : 'dns'}.${times}.st${end}`;
  }
}

/** A shape that a name can have. Groups: `time`, or `start` and `end`; `number` of a volume; `partial`. */
interface NameShape {
  kind: RemoteName['kind'];
  short: boolean;
  pattern: RegExp;
}

// No time is longer than 25 characters; the bound keeps matching linear in hostile names.
const time = (group: string) => `\\.(?<${group}>.{1,32}?)`;
const shortTime = (group: string) => `\\.(?<${group}>[0-9a-z]{1,16}?)`;

const long = (kind: NameShape['kind'], stem: string, times: string, rest: string): NameShape => ({
  kind,
  short: false,
  pattern: new RegExp(`^${stem}${times}\\.${rest}(?<partial>\\.part)?(?:\\.|$)`),
});

const short = (kind: NameShape['kind'], stem: string, times: string, rest: string): NameShape => ({
  kind,
  short: true,
  pattern: new RegExp(`^${stem}${times}\\.${rest}(?<partial>\\.p)?(?:\\.|$)`),
});

const fullTime = time('time');
const incrementalTimes = `${time('start')}\\.to${time('end')}`;
const shortFullTime = shortTime('time');
const shortIncrementalTimes = `${shortTime('start')}${shortTime('end')}`;

/**
 * In the order they are tried, in groups of which at most one can hold: within a group the first shape that matches
 * decides, and if its times are none the name is not ours in that group.
 */
const shapeGroups: NameShape[][] = [
  [
    short('volume', 'df', shortFullTime, '(?<number>[0-9a-z]{1,10})\\.dt'),
    short('manifest', 'df', shortFullTime, 'm'),
    long('volume', 'duplicity-full', fullTime, 'vol(?<number>[0-9]{1,15})\\.difftar'),
    long('manifest', 'duplicity-full', fullTime, 'manifest'),
  ],
  [
    short('volume', 'di', shortIncrementalTimes, '(?<number>[0-9a-z]{1,10})\\.dt'),
    short('manifest', 'di', shortIncrementalTimes, 'm'),
    long('volume', 'duplicity-inc', incrementalTimes, 'vol(?<number>[0-9]{1,15})\\.difftar'),
    long('manifest', 'duplicity-inc', incrementalTimes, 'manifest'),
  ],
  [
    short('signatures', 'dfs', shortFullTime, 'st'),
    long('signatures', 'duplicity-full-signatures', fullTime, 'sigtar'),
  ],
  [
    short('signatures', 'dns', shortIncrementalTimes, 'st'),
    long('signatures', 'duplicity-new-signatures', incrementalTimes, 'sigtar'),
  ],
];

/**
 * What a file name says; undefined for a name that is not a backup's. It reads
 * today's names, short ones (`df.`, `di.`, `dfs.`, `dns.` with base-36 times) and the time formats of older versions.
 */
export function parseRemoteName(fileName: string, prefixes: NamePrefixes): RemoteName | undefined {
  for (const shapes of shapeGroups) {
    for (const shape of shapes) {
      const groups = matchShape(shape, fileName, prefixes);
      if (groups === undefined) continue;
      const name = nameOfGroups(shape, groups, fileName);
      if (name !== undefined) return name;
      break;
    }
  }
  return undefined;
}

type Groups = Partial<Record<string, string>>;

function matchShape(shape: NameShape, fileName: string, prefixes: NamePrefixes): Groups | undefined {
  const { kind } = shape;
  const own =
    kind === 'volume' ? prefixes.archive : kind === 'manifest' ? prefixes.manifest : prefixes.signature;
  const prefix = prefixes.all + own;
  if (!fileName.startsWith(prefix)) return undefined;
  return shape.pattern.exec(fileName.slice(prefix.length))?.groups;
}

function nameOfGroups(shape: NameShape, groups: Groups, fileName: string): RemoteName | undefined {
  const set = setOfGroups(shape, groups);
  if (set === undefined) return undefined;
  const keeping = {
    partial: groups.partial !== undefined,
    encrypted: fileName.endsWith('.gpg') || fileName.endsWith('.g'),
    compressed: fileName.endsWith('gz') || fileName.endsWith('.z'),
  };
  if (shape.kind !== 'volume') return { kind: shape.kind, set, ...keeping };
  const volume = Number.parseInt(groups.number!, shape.short ? 36 : 10);
  return volume > 0 ? { kind: 'volume', set, volume, ...keeping } : undefined;
}

function setOfGroups(shape: NameShape, groups: Groups): SetTimes | undefined {
  const parse = shape.short ? parseShortTime : parseNameTime;
  if (groups.time !== undefined) {
    const time = parse(groups.time);
    return time === undefined ? undefined : { type: 'full', time };
  }
  const start = parse(groups.start!);
  const end = parse(groups.end!);
  return start === undefined || end === undefined ? undefined : { type: 'incremental', start, end };
}

function parseShortTime(text: string): EpochSeconds | undefined {
  return parseNameTime(String(Number.parseInt(text, 36)));
}
