import { sizeText } from './statistics.js';
import { timeLeftText } from './thaw-lines.js';
import type { Transfer } from './transfer.js';

const widestBar = 30;

/**
 * How a run stands, in one line of a terminal: `[=====>     ]  34 %  12.3 MB  4.10 MB/s  1 min 20 s left`. What is not
 * known is left out, and so is what does not fit.
 *
 * @param before what stands before it
 */
export function barText(transfer: Transfer, columns: number, before = ''): string {
  const { doneBytes, fraction, secondsLeft, bytesPerSecond, isStalled } = transfer;
  const isMoving = !isStalled && bytesPerSecond >= 1;
  const facts = [
    before,
    fraction === undefined ? '' : `${String(Math.floor(fraction * 100)).padStart(3)} %`,
    doneBytes > 0 ? sizeText(doneBytes) : '',
    isMoving ? `${sizeText(Math.floor(bytesPerSecond))}/s` : '',
    isMoving && fraction !== undefined && fraction < 1 && secondsLeft !== undefined
      ? `${timeLeftText(secondsLeft * 1000)} left`
      : '',
  ].filter((fact) => fact !== '');
  const text = facts.join('  ');
  const barWidth = Math.min(widestBar, columns - text.length - '[>]  '.length);
  if (fraction === undefined || barWidth < 5) return text.slice(0, columns);
  const filled = Math.floor(fraction * barWidth);
  return `[${'='.repeat(filled)}>${' '.repeat(barWidth - filled)}]  ${text}`;
}
