import type { BackupStatistics } from '../../base/statistics.js';
import { prettyTime } from '../../format/times.js';

const title = '--------------[ Backup Statistics ]--------------';

/** The counters in the order they are shown; sizes also show a rounded form. */
const counterLines: readonly ((statistics: BackupStatistics) => string)[] = [
  (s) => `SourceFiles ${s.sourceFiles}`,
  (s) => sizeLine('SourceFileSize', s.sourceFileSizeBytes),
  (s) => `NewFiles ${s.newFiles}`,
  (s) => sizeLine('NewFileSize', s.newFileSizeBytes),
  (s) => `DeletedFiles ${s.deletedFiles}`,
  (s) => `ChangedFiles ${s.changedFiles}`,
  (s) => sizeLine('ChangedFileSize', s.changedFileSizeBytes),
  // The peer shows this line, but has never counted it.
  () => sizeLine('ChangedDeltaSize', 0),
  (s) => `DeltaEntries ${s.deltaEntries}`,
  (s) => sizeLine('RawDeltaSize', s.rawDeltaSizeBytes),
  (s) => sizeLine('TotalDestinationSizeChange', s.totalDestinationSizeChangeBytes),
  (s) => `Errors ${s.errors}`,
];

function sizeLine(label: string, sizeBytes: number): string {
  return `${label} ${sizeBytes} (${sizeText(sizeBytes)})`;
}

/** The statistics of a backup as a block of lines, in the form that scripts know. It ends with a line feed. */
export function statisticsText(statistics: BackupStatistics): string {
  const { startTime, endTime } = statistics;
  const elapsed = endTime - startTime;
  const lines = [
    title,
    `StartTime ${fixed(startTime, 2)} (${prettyTime(Math.floor(startTime))})`,
    `EndTime ${fixed(endTime, 2)} (${prettyTime(Math.floor(endTime))})`,
    `ElapsedTime ${fixed(elapsed, 2)} (${durationText(elapsed)})`,
    ...counterLines.map((line) => line(statistics)),
    '-'.repeat(title.length),
  ];
  return `${lines.join('\n')}\n`;
}

const sizeUnits: readonly (readonly [number, string])[] = [
  [2 ** 40, 'TB'],
  [2 ** 30, 'GB'],
  [2 ** 20, 'MB'],
  [2 ** 10, 'KB'],
];

/** A size with three significant digits and a unit of powers of 1024: `7.23 GB`; below 1024 `1 byte`, `17 bytes`. */
export function sizeText(sizeBytes: number): string {
  const sign = sizeBytes < 0 ? '-' : '';
  const size = Math.abs(sizeBytes);
  for (const [unit, name] of sizeUnits) {
    if (size < unit) continue;
    const count = size / unit;
    return `${sign}${fixed(count, count >= 100 ? 0 : count >= 10 ? 1 : 2)} ${name}`;
  }
  return size === 1 ? `${sign}1 byte` : `${sign}${size} bytes`;
}

/** A duration such as `2 hours 1 minute 3.50 seconds`. Parts that are zero are left out, unless all are. */
export function durationText(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds - hours * 3600) / 60);
  const rest = seconds - hours * 3600 - minutes * 60;
  const parts: string[] = [];
  if (hours >= 1) parts.push(hours === 1 ? '1 hour' : `${hours} hours`);
  if (minutes >= 1) parts.push(minutes === 1 ? '1 minute' : `${minutes} minutes`);
  if (rest === 1) parts.push('1 second');
  else if (parts.length === 0 || rest > 1) parts.push(`${fixed(rest, 2)} seconds`);
  return parts.join(' ');
}

/** Decimal digits as C's printf rounds them: a tie goes to the even digit, where `toFixed` takes the larger. */
function fixed(value: number, digits: 0 | 1 | 2): string {
  const text = value.toFixed(digits);
  const isTie = Math.abs((value * 2 ** (digits + 1)) % 2) === 1;
  const last = text.charCodeAt(text.length - 1) - 0x30;
  return isTie && last % 2 === 1 ? text.slice(0, -1) + (last - 1) : text;
}
