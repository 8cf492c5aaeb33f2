import type { EntryType } from './attributes.js';
import type { Latin1, PathKey } from './path-key.js';

/** How important a message is, from 0 (always) to 9: the verbosity from which it is shown. */
export const level = { error: 0, warning: 2, notice: 3, info: 5, debug: 9 } as const;
export type Level = keyof typeof level;

/**
 * All that an operation tells while it runs. Renderers (text, machine log, JSON, bars) turn events into output; no
 * stage prints by itself.
 */
export type OperationEvent =
  | {
      kind: 'message';
      level: Level;
      text: string;
      /** The machine log's code, 1 unless given, and what stands behind it: `extra` as it is, or a path to be quoted. */
      code?: number | undefined;
      extra?: string | undefined;
      path?: Latin1 | undefined;
    }
  /** A path that a backup takes. */
  | { kind: 'file'; change: 'new' | 'changed' | 'deleted'; key: PathKey }
  /** A path that a restore has made below its target. */
  | { kind: 'restored'; key: PathKey; type: EntryType }
  /** A warning about one path; `text` names it. The machine log has `path`, or, where that is undefined, `key`. */
  | { kind: 'file-warning'; key: PathKey; code: number; text: string; path?: Latin1 | undefined }
  /** A volume on its way to the storage. */
  | { kind: 'upload'; phase: 'begin' | 'end'; name: string; sizeBytes: number }
  /** So many more bytes of uploads have left. */
  | { kind: 'sent'; sizeBytes: number }
  /** A volume is done with: one that was made and sent, or read, of `count` in all where that is known. */
  | { kind: 'volume'; number: number; sizeBytes: number; count?: number | undefined }
  /** How much a backup will read of what is new or changed, as a first look says. */
  | { kind: 'estimate'; changedBytes: number }
  /** All is done. */
  | { kind: 'finished' }
  /** How much of the source was read; of what is new or changed in it, `changedBytes`. */
  | { kind: 'progress'; bytesDone: number; changedBytes?: number | undefined }
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
