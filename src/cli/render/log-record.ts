import type { EntryType } from '../../base/attributes.js';
import { type Level, level, type OperationEvent } from '../../base/events.js';
import { displayBytes, displayKey, type Latin1, slashPath } from '../../base/path-key.js';
import { quotedPath } from './escape.js';
import { thawLines } from './thaw-lines.js';

/**
 * One thing that is told: to people as its text, to programs as a record of the machine log. Levels, codes and what stands
 * behind them are those of duplicity, which front ends read.
 */
export interface LogRecord {
  /** From 0 (an error) to 9: the verbosity from which it is told. */
  level: number;
  /** For errors the exit status. */
  code: number;
  /** Stands behind the code. */
  extra?: string | undefined;
  /** For people; where it is empty only programs are told. */
  text: string;
  /** The text as the bytes it is, where it holds a name: one line. */
  bytes?: Latin1 | undefined;
  /** Not shown as a line: people see it otherwise. */
  isDrawn?: boolean;
  /** Told at any verbosity: it is what the command was run for. */
  always?: boolean;
}

export const infoCode = {
  progress: 2,
  collectionStatus: 3,
  new: 4,
  changed: 5,
  deleted: 6,
  writing: 7,
  fileList: 10,
  uploadBegins: 11,
  asynchronousUploadBegins: 12,
  uploadEnds: 13,
  asynchronousUploadEnds: 14,
  uploadProgress: 16,
} as const;

/** The word of a level, as both logs have it. */
export function levelName(level: number): 'DEBUG' | 'INFO' | 'NOTICE' | 'WARNING' | 'ERROR' {
  if (level >= 9) return 'DEBUG';
  if (level >= 5) return 'INFO';
  if (level >= 3) return 'NOTICE';
  return level >= 1 ? 'WARNING' : 'ERROR';
}

/** A record in the machine log: a line for programs, the text behind `. `, an empty line. */
export function machineRecord({ level, code, extra, text }: LogRecord): string {
  const head = extra ? `${code} ${extra}` : String(code);
  const lines = text === '' ? '' : `\n${text}`.replaceAll('\n', '\n. ');
  return `${levelName(level)} ${head}${lines}\n\n`;
}

const changeLetters = { new: 'A', changed: 'M', deleted: 'D' } as const;

/** What the machine log calls the types of entries. */
export const typeWords: Readonly<Record<EntryType, string>> = {
  file: 'reg',
  directory: 'dir',
  symlink: 'sym',
  fifo: 'fifo',
  'char-device': 'chr',
  'block-device': 'blk',
};

/** Turns events into records. */
export class EventRecords {
  readonly #asynchronous: boolean;
  #bytesDone = 0;

  /** @param asynchronous whether uploads are to be told as asynchronous ones */
  constructor(asynchronous: boolean) {
    this.#asynchronous = asynchronous;
  }

  of(event: OperationEvent): LogRecord[] {
    switch (event.kind) {
      case 'message': {
        const extra = event.path === undefined ? event.extra : quotedPath(event.path);
        return [message(event.level, event.text, event.code, extra)];
      }
      case 'file-warning':
        return [message('warning', event.text, event.code, quotedPath(event.path ?? slashPath(event.key)))];
      case 'file': {
        const path = slashPath(event.key);
        const letter = changeLetters[event.change];
        return [
          {
            ...message('info', `${letter} ${displayBytes(path)}`, infoCode[event.change], quotedPath(path)),
            bytes: `${letter} ${path}`,
          },
        ];
      }
      case 'restored': {
        const word = typeWords[event.type];
        const path = slashPath(event.key);
        return [
          {
            ...message(
              'info',
              `Restored ${displayKey(event.key)} (${word})`,
              infoCode.writing,
              `${quotedPath(path)} ${word}`,
            ),
            bytes: `Restored ${path} (${word})`,
          },
        ];
      }
      case 'upload':
        return [this.#upload(event.phase, event.name)];
      case 'sent':
      case 'estimate':
      case 'finished':
        return [];
      case 'volume': {
        const { number, count } = event;
        const [extra, of] =
          count === undefined ? [String(this.#bytesDone), ''] : [`${number} ${count}`, ` of ${count}`];
        return [message('info', `Processed volume ${number}${of}`, infoCode.progress, extra)];
      }
      case 'progress':
        this.#bytesDone = event.bytesDone;
        return [message('info', '', infoCode.progress, String(event.bytesDone))];
      case 'thaw':
        return thawLines(event.what, event, Date.now()).map((text) => message('notice', text));
    }
  }

  #upload(phase: 'begin' | 'end', name: string): LogRecord {
    if (phase === 'begin') {
      const code = this.#asynchronous ? infoCode.asynchronousUploadBegins : infoCode.uploadBegins;
      return message('info', `Writing ${name}`, code);
    }
    const code = this.#asynchronous ? infoCode.asynchronousUploadEnds : infoCode.uploadEnds;
    return message('info', `Written ${name}`, code);
  }
}

export function message(name: Level, text: string, code = 1, extra?: string): LogRecord {
  return { level: level[name], code, extra, text };
}
