import { level, type OperationEvent, type ThawCounts } from '../../base/events.js';
import { displayKey } from '../../base/path-key.js';
import { durationText, sizeText } from './statistics.js';

/** Where lines go. */
export interface TextOutput {
  out(line: string): void;
  err(line: string): void;
}

const changeLetters = { new: 'A', changed: 'M', deleted: 'D' } as const;

/** One line on how a thaw stands. */
export function thawText({ states, readyAtMs }: ThawCounts, nowMs: number): string {
  const counts = (['ready', 'thawing', 'sealed'] as const)
    .filter((state) => states[state].objects > 0)
    .map((state) => `${states[state].objects} ${state} (${sizeText(states[state].sizeBytes)})`);
  const left =
    readyAtMs === undefined
      ? ''
      : `; all ready in ${durationText(Math.max(0, Math.ceil((readyAtMs - nowMs) / 1000)))}`;
  return `Cold storage: ${counts.join(', ') || 'nothing to wait for'}${left}`;
}

/** Prints events for people: warnings and errors to standard error, all else to standard output. */
export function textRenderer(verbosity: number, output: TextOutput): (event: OperationEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'message':
        if (level[event.level] > verbosity) return;
        if (level[event.level] <= level.warning) output.err(event.text);
        else output.out(event.text);
        break;
      case 'file-warning':
        if (level.warning <= verbosity) output.err(event.text);
        break;
      case 'file':
        if (level.info <= verbosity) output.out(`${changeLetters[event.change]} ${displayKey(event.key)}`);
        break;
      case 'volume':
        if (level.info <= verbosity) output.out(`Processed volume ${event.number}`);
        break;
      case 'thaw':
        if (level.notice <= verbosity) output.out(thawText(event, Date.now()));
        break;
      case 'progress':
        break;
    }
  };
}
