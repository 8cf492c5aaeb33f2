import type { OperationEvent } from '../base/events.js';
import type { Latin1 } from '../base/path-key.js';
import { textRenderer } from './render/text.js';

/** Standard output and standard error, line by line. */
export interface Terminal {
  /** Messages above this level are not shown. */
  verbosity: number;
  /** Whether standard output still goes anywhere: the reader of a pipe may have gone. */
  readonly isRead: boolean;
  out(line: string): void;
  /** The same for a byte string: names come out as the bytes they are. */
  outBytes(line: Latin1): void;
  err(line: string): void;
  event(event: OperationEvent): void;
  /** The same, all of it to standard error: where standard output is for a program. */
  errEvent(event: OperationEvent): void;
  /** Writes what is held back. */
  flush(): void;
}

const heldBytes = 32 * 1024;

/** Gathers output in larger pieces: a listing may have a million lines. */
export function createTerminal(verbosity: number): Terminal {
  let held: Buffer[] = [];
  let size = 0;
  const flush = () => {
    if (size > 0) process.stdout.write(Buffer.concat(held));
    held = [];
    size = 0;
  };
  const hold = (bytes: Buffer) => {
    held.push(bytes);
    size += bytes.length;
    if (size >= heldBytes || process.stdout.isTTY) flush();
  };
  let isRead = true;
  process.stdout.once('error', () => {
    isRead = false;
  });
  const terminal: Terminal = {
    verbosity,
    get isRead() {
      return isRead;
    },
    out: (line) => hold(Buffer.from(`${line}\n`, 'utf8')),
    outBytes: (line) => hold(Buffer.from(`${line}\n`, 'latin1')),
    err: (line) => {
      flush();
      process.stderr.write(`${line}\n`);
    },
    event: (event) => {
      textRenderer(terminal.verbosity, terminal)(event);
      // A wait of hours follows, in which a log must show what is waited for.
      if (event.kind === 'thaw') flush();
    },
    errEvent: (event) => textRenderer(terminal.verbosity, { out: terminal.err, err: terminal.err })(event),
    flush,
  };
  return terminal;
}
