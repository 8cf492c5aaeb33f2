import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import { displayKey, type PathKey } from '../base/path-key.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import { Owners } from '../source/owners.js';
import type { SetEntry, SetReader } from '../volume/set-reader.js';
import { EventBatch } from './event-batch.js';
import type { RestoreThreadInput, RestoreThreadMessage, ShareResult } from './restore-messages.js';
import { ShareProgress } from './share-progress.js';
import { cannotProcess } from './source-events.js';

/** Errors of the target that every further file would meet too. */
const fatalErrnos = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']);

/** What the sets of a chain hold for one path, the oldest one first; each is read when it is asked for. */
export type Versions = SetReader<PlannedVolume>[];
export type NextPath = Versions | undefined | Promise<Versions | undefined>;

/** Paths one after the other; undefined at the end. Nothing is waited for where the next one is at hand. */
export interface Paths {
  next(): NextPath;
}

export function newestEntry(versions: Versions): SetEntry {
  return versions.at(-1)?.entry as SetEntry;
}

/** A share of a restore or a verification under way: what is to be done, what was, and what is told of it. */
export class ShareWork {
  readonly input: RestoreThreadInput;
  readonly owners = new Owners();
  readonly progress: ShareProgress;
  readonly result: ShareResult = {
    entries: 0,
    contentBytes: 0,
    failures: 0,
    withoutSetId: 0,
    leftOut: new Map(),
    firstKey: undefined,
    noFolder: undefined,
  };
  readonly events: EventBatch;
  #scratchFiles = 0;

  constructor(input: RestoreThreadInput, send: (message: RestoreThreadMessage) => void) {
    this.input = input;
    this.progress = new ShareProgress(input.progress);
    this.events = new EventBatch((events) => send({ kind: 'events', events }));
  }

  /** The path below the target: the wanted path itself becomes the root. */
  relative(key: PathKey): PathKey {
    const { wanted } = this.input;
    if (wanted === '') return key;
    return key.length === wanted.length ? '' : key.slice(wanted.length + 1);
  }

  /** One path's own trouble is told and counted; what all others would meet too ends the run. */
  failOrThrow(key: PathKey, error: unknown): void {
    const errno = errnoOf(error);
    if (errno !== undefined && fatalErrnos.has(errno)) {
      const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'no-free-space' : 'unexpected';
      throw new TundraError(code, `${displayKey(key)}: ${messageOf(error)}`, {
        cause: error,
        advice: 'Make room or mend the target, then run the same command with --force.',
      });
    }
    const own = errno !== undefined || (error instanceof TundraError && error.code === 'format');
    if (!own) throw error;
    this.result.failures++;
    this.warn(key, messageOf(error));
  }

  /** Tells of a path. */
  warn(key: PathKey, text: string): void {
    this.events.add({ kind: 'file-warning', key, code: cannotProcess, text: `${displayKey(key)}: ${text}` });
  }

  /** Names a new temporary file. */
  readonly scratchPath = (): string =>
    join(this.input.tempDir, `scratch.${process.pid}.${threadId}.${this.#scratchFiles++}`);
}
