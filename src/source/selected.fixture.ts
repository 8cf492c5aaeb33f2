import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import { TundraError } from '../base/errors.js';
import { type Latin1, slashPath } from '../base/path-key.js';
import { parsePatternList } from './file-list.js';
import type { PeerOption, PeerWalk, WalkQuestion } from './peer.fixture.js';
import { createSelection, type SelectionRule } from './selection.js';
import { walk } from './walk.js';

/** The paths that were selected, or the exit status. */
export interface Selected {
  paths?: Latin1[];
  error?: number;
}

/** What of an answer of the peer is to be the same here. */
export function selectedByPeer(answer: PeerWalk): Selected {
  if ('error' in answer) return { error: answer.error };
  return { paths: answer.entries.map(({ path }) => path || '.') };
}

/** What is selected here. */
export function selectedPaths({
  root,
  options,
  nullSeparator = false,
  followLinks = false,
}: WalkQuestion): Selected {
  try {
    const isDirectory = lstatSync(root).isDirectory();
    const rules = options.flatMap((option) => rulesOf(option, nullSeparator));
    const selection = createSelection(rules, { path: root, isDirectory });
    const entries = walk(root, selection, { followLinks, onWarning: () => undefined });
    return { paths: [...entries].map(({ key }) => slashPath(key)) };
  } catch (error) {
    assert.ok(error instanceof TundraError, String(error));
    return { error: error.exitStatus };
  }
}

function rulesOf({ name, value }: PeerOption, nullSeparator: boolean): SelectionRule[] {
  const kind = name.startsWith('include') ? 'include' : 'exclude';
  switch (name) {
    case 'include':
    case 'exclude':
      return [{ kind, glob: value }];
    case 'include-regexp':
    case 'exclude-regexp':
      return [{ kind, regexp: value, ignoreCase: false }];
    case 'include-filelist':
    case 'exclude-filelist':
      return parsePatternList(value, nullSeparator ? '\0' : '\n', kind).map((line) => ({
        kind: line.kind,
        glob: line.pattern,
      }));
    case 'exclude-if-present':
      return [{ kind: name, name: value }];
    case 'exclude-device-files':
    case 'exclude-other-filesystems':
      return [{ kind: name }];
    case 'exclude-older-than':
      return [{ kind: name, seconds: Number(value) }];
    default:
      throw new Error(`no such option: ${name}`);
  }
}
