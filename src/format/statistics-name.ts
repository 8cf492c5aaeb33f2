import { type NamePrefixes, type SetTimes, setEnd } from './names.js';
import { formatTime, parseNameTime } from './times.js';

/** What the name of a file with a set's statistics says. */
export interface StatisticsName {
  set: SetTimes;
  encrypted: boolean;
  compressed: boolean;
}

/** The name that duplicity 3 gives to the statistics of a set: `duplicity-full.TIME.jsonstat`, `.gpg` behind it. */
export function formatStatisticsName({ set, encrypted }: StatisticsName, prefixes: NamePrefixes): string {
  const end = formatTime(setEnd(set));
  const stem = set.type === 'full' ? `full.${end}` : `inc.${formatTime(set.start)}.to.${end}`;
  const suffix = encrypted ? '.gpg' : '';
  return `${prefixes.all}${prefixes.statistics ?? ''}duplicity-${stem}.jsonstat${suffix}`;
}

const form =
  /^duplicity-(?:full\.(?<time>[^.]{1,32})|inc\.(?<start>[^.]{1,32})\.to\.(?<end>[^.]{1,32}))\.jsonstat(?:\.(?<suffix>gpg|gz))?$/;

/** Undefined where it is no such name. */
export function parseStatisticsName(name: string, prefixes: NamePrefixes): StatisticsName | undefined {
  const prefix = `${prefixes.all}${prefixes.statistics ?? ''}`;
  if (!name.startsWith(prefix)) return undefined;
  const groups = form.exec(name.slice(prefix.length))?.groups;
  if (groups === undefined) return undefined;
  const { time, start, end, suffix } = groups;
  const keeping = { encrypted: suffix === 'gpg', compressed: suffix === 'gz' };
  const at = parseNameTime(time ?? end ?? '');
  if (at === undefined) return undefined;
  if (start === undefined) return { set: { type: 'full', time: at }, ...keeping };
  const from = parseNameTime(start);
  return from === undefined ? undefined : { set: { type: 'incremental', start: from, end: at }, ...keeping };
}
