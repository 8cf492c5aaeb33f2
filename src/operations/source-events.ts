import { statSync } from 'node:fs';
import type { OperationEvent } from '../base/events.js';
import { diskPath, type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import type { SelectionRoot } from '../source/selection.js';
import { type WalkWarning, walkWarnings } from '../source/walk-warnings.js';

/** The machine log's code for a path that could not be backed up or restored. */
export const cannotProcess = 12;

/** What a walk below `root` has to say, as an event. */
export function walkEvent(kind: WalkWarning, root: Latin1, key: PathKey, text: string): OperationEvent {
  const { level, code } = walkWarnings[kind];
  const path = key === '' ? root : `${root === '/' ? '' : root}/${slashPath(key)}`;
  if (level === 'warning') return { kind: 'file-warning', key, code, text, path };
  return { kind: 'message', level, text, code, path };
}

/** Where a walk begins, as the selection wants to know it. */
export function selectionRoot(path: Latin1): SelectionRoot {
  return { path, isDirectory: statSync(diskPath(path), { throwIfNoEntry: false })?.isDirectory() ?? false };
}
