import { level, type OperationEvent, type ThawCounts } from '../../base/events.js';
import { displayKey } from '../../base/path-key.js';
import { sizeText } from './statistics.js';

/** Where lines go. */
export interface TextOutput {
  out(line: string): void;
  err(line: string): void;
}

const changeLetters = { new: 'A', changed: 'M', deleted: 'D' } as const;

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
function timeLeftText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Prints events for people: errors to standard error, all else, warnings too, to standard output, as the peer does. */
export function textRenderer(verbosity: number, output: TextOutput): (event: OperationEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'message':
        if (level[event.level] > verbosity) return;
        if (level[event.level] <= level.error) output.err(event.text);
        else output.out(event.text);
        break;
      case 'file-warning':
        if (level.warning <= verbosity) output.out(event.text);
        break;
      case 'file':
        if (level.info <= verbosity) output.out(`${changeLetters[event.change]} ${displayKey(event.key)}`);
        break;
      case 'volume':
        if (level.info <= verbosity) output.out(`Processed volume ${event.number}`);
        break;
      case 'thaw':
        if (level.notice <= verbosity)
          for (const line of thawLines(event.what, event, Date.now())) output.out(line);
        break;
      case 'progress':
        break;
    }
  };
}
