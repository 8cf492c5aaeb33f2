import type { ThawCounts } from '../../base/events.js';
import { sizeText } from './statistics.js';

/** How a thaw stands: a line for each state that something is in. */
export function thawLines(what: string, { states, readyAtMs }: ThawCounts, nowMs: number): string[] {
  const left = readyAtMs === undefined ? '' : `, the last ready in ${timeLeftText(readyAtMs - nowMs)}`;
  return (['sealed', 'thawing', 'ready'] as const)
    .filter((state) => states[state].objects > 0)
    .map((state) => {
      const { objects, sizeBytes } = states[state];
      const counted = `${objects} ${what}${objects === 1 ? '' : 's'}`;
      return `Cold storage: ${counted} ${state} (${sizeText(sizeBytes)})${state === 'thawing' ? left : ''}`;
    });
}

/** A time to wait: `3 h 20 min`, `2 min 15 s`, `40 s`. */
export function timeLeftText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
