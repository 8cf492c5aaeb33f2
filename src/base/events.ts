import type { PathKey } from './path-key.js';

/** How important a message is, from 0 (always) to 9: the verbosity from which it is shown. */
export const level = { error: 0, warning: 2, notice: 3, info: 5, debug: 9 } as const;
export type Level = keyof typeof level;

/**
 * All that an operation tells while it runs. Renderers (text, machine log, JSON, bars) turn events into output; no
 * stage prints by itself.
 */
export type OperationEvent =
  | { kind: 'message'; level: Level; text: string; code?: number | undefined; extra?: string | undefined }
  | { kind: 'file'; change: 'new' | 'changed' | 'deleted'; key: PathKey }
  /** A warning about one path; `text` names it. */
  | { kind: 'file-warning'; key: PathKey; code: number; text: string }
  | { kind: 'volume'; number: number; sizeBytes: number }
  | { kind: 'progress'; bytesDone: number }
  /** How what was asked for in cold storage stands; metadata is more than volumes. */
  | ({ kind: 'thaw'; what: 'volume' | 'file' } & ThawCounts);

/** How the objects stand that were asked for in cold storage. */
export interface ThawCounts {
  states: Record<'sealed' | 'thawing' | 'ready', { objects: number; sizeBytes: number }>;
  /** When the last of them can be read, in milliseconds since the epoch, as the storage says; undefined if it does not
   *  tell of all. */
  readyAtMs: number | undefined;
}

/** Where an operation's events go. */
export type EventSink = (event: OperationEvent) => void;
