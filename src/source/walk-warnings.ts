import { errnoOf, messageOf } from '../base/errors.js';
import type { Level } from '../base/events.js';
import { displayBytes, type Latin1 } from '../base/path-key.js';

/**
 * What a walk may have to say of an entry that it leaves out: its level, its code in the machine log, and whether it
 * counts as an error in the statistics of a backup.
 */
export const walkWarnings = {
  socket: { level: 'info', code: 15, isError: false },
  /** Listed, but gone before it was read; with `followLinks` also a link that leads nowhere. */
  vanished: { level: 'info', code: 1, isError: false },
  'unknown-type': { level: 'warning', code: 8, isError: false },
  'link-loop': { level: 'warning', code: 8, isError: false },
  'cannot-stat': { level: 'warning', code: 9, isError: false },
  'cannot-read': { level: 'warning', code: 10, isError: true },
  /** Nothing below is taken; the directory itself is. */
  'cannot-list': { level: 'warning', code: 1, isError: false },
} as const satisfies Record<string, { level: Level; code: number; isError: boolean }>;

export type WalkWarning = keyof typeof walkWarnings;

const sentenceOf: Record<WalkWarning, string> = {
  socket: 'Skipping socket',
  vanished: 'Skipping what is no longer there:',
  'unknown-type': 'Skipping file of unknown type',
  'link-loop': 'Skipping a link back to a folder it lies in:',
  'cannot-stat': 'Error accessing possibly locked file',
  'cannot-read': 'Error accessing possibly locked file',
  'cannot-list': 'Error listing directory',
};

/** @param error why it was left out, where there was one */
export function warningText(kind: WalkWarning, path: Latin1, error?: unknown): string {
  const reason = error === undefined ? '' : `: ${errnoOf(error) ?? messageOf(error)}`;
  return `${sentenceOf[kind]} ${displayBytes(path)}${reason}`;
}
