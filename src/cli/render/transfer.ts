import { infoCode, type LogRecord, message } from './log-record.js';

/** How a transfer stands. */
export interface Transfer {
  /** Bytes that were sent, or read from the storage. */
  doneBytes: number;
  elapsedSeconds: number;
  /** From 0 to 1; undefined where it is not known how much there is to do. */
  fraction: number | undefined;
  secondsLeft: number | undefined;
  bytesPerSecond: number;
  /** Nothing has moved for a while. */
  isStalled: boolean;
}

const barWidth = 40;

/** A transfer as duplicity tells it: the same line, and the same numbers for programs. */
export function transferRecord(transfer: Transfer): LogRecord {
  const { doneBytes, elapsedSeconds, fraction = 0, secondsLeft = 0, bytesPerSecond, isStalled } = transfer;
  const numbers = [doneBytes, elapsedSeconds, fraction * 100, secondsLeft, bytesPerSecond, isStalled ? 1 : 0];
  const extra = numbers.map(Math.floor).join(' ');
  return message('notice', transferText(transfer), infoCode.uploadProgress, extra);
}

/** `12.3MB 00:00:41 [310.4KB/s] [=====>     ] 34% ETA 1min 30sec`; without the part not known where it is not. */
export function transferText(transfer: Transfer): string {
  const { doneBytes, elapsedSeconds, fraction, secondsLeft, bytesPerSecond, isStalled } = transfer;
  const speed = isStalled ? '0.0B' : amountText(bytesPerSecond);
  const head = `${amountText(doneBytes)} ${clockText(elapsedSeconds)} [${speed}/s]`;
  if (fraction === undefined) return isStalled ? `${head} Stalled!` : head;
  const filled = Math.floor(fraction * barWidth);
  const bar = `[${'='.repeat(filled)}>${' '.repeat(barWidth - filled)}]`;
  const left = isStalled ? 'Stalled!' : secondsLeftText(Math.floor(secondsLeft ?? 0));
  return `${head} ${bar} ${Math.floor(fraction * 100)}% ETA ${left}`;
}

function amountText(sizeBytes: number): string {
  let amount = sizeBytes / 1024;
  let unit = 'KB';
  for (const larger of ['MB', 'GB']) {
    if (amount <= 1000) break;
    amount /= 1024;
    unit = larger;
  }
  return `${amount.toFixed(1)}${unit}`;
}

/** `01:02:03`, `2d,01:02:03`. */
function clockText(seconds: number): string {
  const two = (number: number) => String(Math.floor(number)).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = [(seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(two).join(':');
  return days > 0 ? `${days}d,${clock}` : clock;
}

function secondsLeftText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = seconds % 60;
  const parts = [days > 0 && `${days}d`, hours > 0 && `${hours}h`, minutes > 0 && `${minutes}min`];
  if (days > 0 || hours > 0 || minutes > 5) return parts.filter(Boolean).join(' ');
  if (minutes > 0) return rest >= 30 ? `${minutes}min 30sec` : `${minutes}min`;
  if (rest > 45) return '< 1min';
  if (rest > 30) return '< 45sec';
  return rest > 15 ? '< 30sec' : `${rest}sec`;
}
