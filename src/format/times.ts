import { TundraError } from '../base/errors.js';

/** A moment: whole seconds since 1970, UTC. */
export type EpochSeconds = number;

/** The last second that a name can hold (the year 9999). */
const latestTime = 253402300799;

const padded = (value: number, digits: number) => String(value).padStart(digits, '0');

/** `YYYYMMDDTHHMMSSZ`, as file names hold a time. */
export function formatTime(time: EpochSeconds): string {
  const date = new Date(time * 1000);
  return (
    padded(date.getUTCFullYear(), 4) +
    padded(date.getUTCMonth() + 1, 2) +
    padded(date.getUTCDate(), 2) +
    'T' +
    padded(date.getUTCHours(), 2) +
    padded(date.getUTCMinutes(), 2) +
    padded(date.getUTCSeconds(), 2) +
    'Z'
  );
}

/**
 * `2002-04-26T04:22:01-07:00`, as old file names hold a time: in the local zone, with a separator in place of the colon.
 * Hours west of UTC are rounded up, and the minutes count from there (see `ZoneStyle`).
 */
export function formatOldTime(time: EpochSeconds, separator: string): string {
  const date = new Date(time * 1000);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => padded(part, 2));
  const day = [padded(date.getMonth() + 1, 2), padded(date.getDate(), 2)].join('-');
  const minutesEast = -date.getTimezoneOffset();
  const hours = Math.floor(minutesEast / 60);
  const zone =
    minutesEast === 0
      ? 'Z'
      : `${hours < 0 ? '-' : '+'}${padded(Math.abs(hours), 2)}${separator}${padded(minutesEast - 60 * hours, 2)}`;
  return `${padded(date.getFullYear(), 4)}-${day}T${clock.join(separator)}${zone}`;
}

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time for people, in the local zone, as C's `asctime` writes it: `Sun Nov 22 21:00:00 2026`. */
export function prettyTime(time: EpochSeconds): string {
  const date = new Date(time * 1000);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => padded(part, 2))
    .join(':');
  const day = String(date.getDate()).padStart(3);
  return `${dayNames[date.getDay()]} ${monthNames[date.getMonth()]}${day} ${clock} ${date.getFullYear()}`;
}

/** Year, month (1 to 12), day, hour, minute, second, as they were written. */
type Fields = readonly [number, number, number, number, number, number];

/** The fields as UTC; undefined out of the ranges that the format takes (day 31 runs over into the next month). */
function utcOfFields([year, month, day, hour, minute, second]: Fields): EpochSeconds | undefined {
  const fits =
    year > 1900 &&
    year < 2100 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= 31 &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 61;
  return fits ? Date.UTC(year, month - 1, day, hour, minute, second) / 1000 : undefined;
}

/**
 * The fields as local standard time: daylight saving is left out, also in summer, because that is how the format's
 * times without a zone have always been read.
 */
function standardTimeOfFields(fields: Fields): EpochSeconds | undefined {
  const utc = utcOfFields(fields);
  if (utc === undefined) return undefined;
  const minutesWestOn = (month: number) => new Date(fields[0], month, 1).getTimezoneOffset();
  return utc + 60 * Math.max(minutesWestOn(0), minutesWestOn(6));
}

const compactForm = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(Z?)$/;
const separatedForm = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)(\D)(\d\d)\5(\d\d)(?:(Z)|([+-])(\d\d)\5(\d\d))?$/;

/**
 * How `-04:30` is meant. In ISO 8601 the sign holds for hours and minutes. The old file names hold the hours rounded
 * down and the minutes counted up from there, so that `-04:30` is three and a half hours west of UTC.
 */
type ZoneStyle = 'iso' | 'name';

function parseDateTime(text: string, style: ZoneStyle): EpochSeconds | undefined {
  const compact = compactForm.exec(text);
  if (compact !== null) {
    const fields = compact.slice(1, 7).map(Number) as unknown as Fields;
    return compact[7] === 'Z' ? utcOfFields(fields) : standardTimeOfFields(fields);
  }
  const parts = separatedForm.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, , minute, second, zulu, sign, zoneHours, zoneMinutes] = parts;
  const fields = [year, month, day, hour, minute, second].map(Number) as unknown as Fields;
  if (zulu === undefined && sign === undefined) return standardTimeOfFields(fields);
  const utc = utcOfFields(fields);
  if (utc === undefined || sign === undefined) return utc;
  const hoursEast = sign === '-' ? -Number(zoneHours) : Number(zoneHours);
  const minutesEast = sign === '-' && style === 'iso' ? -Number(zoneMinutes) : Number(zoneMinutes);
  return utc - 3600 * hoursEast - 60 * minutesEast;
}

const dateForms = [
  /^(?<year>\d{4})[-/](?<month>\d{1,2})[-/](?<day>\d{1,2})$/,
  /^(?<month>\d{1,2})[-/](?<day>\d{1,2})[-/](?<year>\d{4})$/,
  /^(?<year>\d{4})(?<month>\d\d)(?<day>\d\d)Z$/,
];

/** The local midnight that begins a day such as `2002-4-26` or `04/26/2002`. */
function parseDate(text: string): EpochSeconds | undefined {
  for (const form of dateForms) {
    const parts = form.exec(text)?.groups;
    if (parts === undefined) continue;
    return standardTimeOfFields([Number(parts.year), Number(parts.month), Number(parts.day), 0, 0, 0]);
  }
  return undefined;
}

function parseSeconds(text: string): EpochSeconds | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const time = Number(text);
  return time <= latestTime ? time : undefined;
}

/**
 * The time in a file name: `20020806T112200Z`, or what older versions wrote, such as `2002-08-06T04:22:00-07:00` with
 * any separator in place of `:`, a day, or plain seconds. Undefined if it is none, or the very second 1970 began, which
 * the format takes for no time. Letters may be of either case.
 */
export function parseNameTime(text: string): EpochSeconds | undefined {
  const upper = text.toUpperCase();
  const time = parseSeconds(upper) ?? parseDateTime(upper, 'name') ?? parseDate(upper);
  return time === 0 ? undefined : time;
}

const secondsPerUnit: Record<string, number> = {
  s: 1,
  m: 60,
  h: 3600,
  D: 86400,
  W: 7 * 86400,
  M: 30 * 86400,
  Y: 365 * 86400,
};

/** The seconds of an interval such as `1D12h`: units s m h D W M (30 days) Y (365 days). Error: `command-line`. */
export function parseInterval(text: string): number {
  let seconds = /^(?:\d+[smhDWMY])+$/.test(text) ? 0 : Number.NaN;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhDWMY])/g))
    seconds += Number(count) * secondsPerUnit[unit!]!;
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new TundraError('command-line', `Bad interval "${text}"`, {
    advice: 'Write an interval like 2Y (two years) or 2h30m; the units are s, m, h, D, W, M and Y.',
  });
}

/**
 * A time as a user gives it: `now`, seconds since 1970, an interval before now (`1D12h`), `2002-04-26T04:22:01-07:00`
 * (local standard time without a zone), `20020426T112201Z`, or a day such as `2002/4/26` or `04/26/2002`.
 * Error: `command-line`.
 */
export function parseUserTime(text: string, now: EpochSeconds): EpochSeconds {
  if (text === 'now') return now;
  const time = parseSeconds(text) ?? parseDateTime(text, 'iso') ?? parseDate(text);
  if (time !== undefined) return time;
  if (/^(?:\d+[smhDWMY])+$/.test(text)) return now - parseInterval(text);
  throw new TundraError('command-line', `Bad time "${text}"`, {
    advice:
      'Write an interval before now like 3D12h, a time like 2002-04-26T04:22:01-07:00 or 20020426T112201Z, ' +
      'or a day like 2001-04-23 or 4/23/2001 (the month stands before the day).',
  });
}
