import type { OperationEvent } from '../base/events.js';
import { type Latin1, latin1OfNative } from '../base/path-key.js';
import type { MachineLog } from './machine-log.js';
import { terminalLine, terminalText } from './render/escape.js';
import { EventRecords, type LogRecord, levelName } from './render/log-record.js';

/** All that a run tells: to people on standard output and standard error, to programs in the machine log. */
export interface Terminal {
  /** Records above this level are not told. */
  readonly verbosity: number;
  /** Whether standard output still goes anywhere: the reader of a pipe may have gone. */
  readonly isRead: boolean;
  /** Raised when somebody interrupts the run: it is to end at once. */
  readonly interruption: AbortSignal | undefined;
  /** Writes lines to standard output as they are: what is asked for, such as the help or JSON, but no record. */
  out(text: string): void;
  /** Tells a record: errors on standard error, all else on standard output. */
  tell(record: LogRecord): void;
  event(event: OperationEvent): void;
  /** What is drawn on standard error beside the lines: it is taken away before a line is written. */
  setDrawing(drawing: Drawing | undefined): void;
  /** Writes what is held back. */
  flush(): void;
}

/** Something that is drawn in the last line of a terminal. */
export interface Drawing {
  erase(): void;
  /** Takes note of what happens. */
  event(event: OperationEvent): void;
  /** Takes it away for good. */
  end(): void;
}

export interface TerminalOptions {
  verbosity: number;
  /** Begin each record with time and level (`--log-timestamp`). */
  timestamps: boolean;
  /** Standard output is for a program, so that records go to standard error (`--json`). */
  recordsToError: boolean;
  /** How uploads are told. */
  asynchronous: boolean;
  machineLog: MachineLog | undefined;
  environment: Readonly<Record<string, string | undefined>>;
  interruption: AbortSignal | undefined;
}

export const plainTerminal: TerminalOptions = {
  verbosity: 3,
  timestamps: false,
  recordsToError: false,
  asynchronous: false,
  machineLog: undefined,
  environment: {},
  interruption: undefined,
};

const heldBytes = 32 * 1024;
/** Whoever follows a log need not wait longer than this. */
const heldMs = 200;
const warningLevel = 2;

/** Gathers output in larger pieces: a listing may have a million lines. */
export function createTerminal(options: TerminalOptions): Terminal {
  const { verbosity, timestamps, recordsToError, machineLog } = options;
  const outIsTty = process.stdout.isTTY === true;
  const errIsTty = process.stderr.isTTY === true;
  const hasColours = coloursWanted(options.environment);
  const records = new EventRecords(options.asynchronous);
  let drawing: Drawing | undefined;
  /** A character for each byte. */
  let held: Latin1 = '';
  let timer: NodeJS.Timeout | undefined;
  let isRead = true;
  process.stdout.once('error', () => {
    isRead = false;
  });

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (held === '') return;
    if (outIsTty) drawing?.erase();
    process.stdout.write(Buffer.from(held, 'latin1'));
    held = '';
  };
  const write = (line: Latin1, toError: boolean) => {
    if (toError) {
      flush();
      drawing?.erase();
      process.stderr.write(Buffer.from(line, 'latin1'));
      return;
    }
    held += line;
    if (held.length >= heldBytes || outIsTty) flush();
    else timer ??= setTimeout(flush, heldMs).unref();
  };
  const show = ({ level, text, bytes }: LogRecord) => {
    const toError = recordsToError || level < warningLevel;
    const isTty = toError ? errIsTty : outIsTty;
    const head = timestamps ? `${timestamp(new Date())} ${levelName(level)} ` : '';
    if (bytes !== undefined && !isTty) {
      write(`${head}${bytes}\n`, toError);
      return;
    }
    const shown = bytes !== undefined ? terminalLine(bytes) : isTty ? terminalText(text) : text;
    const line = isTty && hasColours ? coloured(head + shown, level) : head + shown;
    write(latin1OfNative(`${line}\n`), toError);
  };
  const tell = (record: LogRecord) => {
    if (record.level > verbosity && record.always !== true) return;
    if (record.text !== '' && record.isDrawn !== true) show(record);
    machineLog?.write(record);
  };
  return {
    verbosity,
    interruption: options.interruption,
    get isRead() {
      return isRead;
    },
    out: (text) => write(latin1OfNative(`${outIsTty ? terminalText(text) : text}\n`), false),
    tell,
    event: (event) => {
      for (const record of records.of(event)) tell(record);
      drawing?.event(event);
    },
    setDrawing: (next) => {
      drawing?.end();
      drawing = next;
    },
    flush,
  };
}

/** `2026-01-31 17:04:05,678` of the local time. */
function timestamp(date: Date): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${day} ${time},${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Not where NO_COLOR is set to anything (no-color.org), nor on a terminal that knows none. */
function coloursWanted({ NO_COLOR, TERM }: TerminalOptions['environment']): boolean {
  return (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb';
}

function coloured(line: string, level: number): string {
  if (level > warningLevel) return line;
  return `\x1b[${level < 1 ? 31 : 33}m${line}\x1b[0m`;
}
