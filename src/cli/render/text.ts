import type { OperationEvent } from '../../base/events.js';
import { level } from '../../base/events.js';
import { displayKey } from '../../base/path-key.js';

/** Where lines go. */
export interface TextOutput {
  out(line: string): void;
  err(line: string): void;
}

const changeLetters = { new: 'A', changed: 'M', deleted: 'D' } as const;

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
      case 'progress':
        break;
    }
  };
}
