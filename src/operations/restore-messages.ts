/** What the main thread and those that restore or verify tell one another. */
import type { PlainError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import type { KeyRange, Latin1, PathKey } from '../base/path-key.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import type { RecordKinds } from '../format/tar/records.js';
import type { ReadableFile } from '../seal/unpacked-here.js';
import type { SelectionRule } from '../source/selection.js';
import type { Renames } from '../target/renames.js';
import type { Channel } from '../volume/channel.js';

/** Writes a tree. */
export interface RestoreAction {
  kind: 'restore';
  target: Latin1;
  renames: Renames;
  restoreOwnership: boolean;
  numericOwner: boolean;
  recordKinds: RecordKinds;
}

/** Compares with a tree. */
export interface CompareAction {
  kind: 'compare';
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  recordKinds: RecordKinds;
}

/** What the thread is started with. */
export interface RestoreThreadInput {
  /** Which share of the work this is: a number, counting up by path. */
  share: number;
  /** The paths of the share. */
  range: KeyRange;
  /** The sets of the chain, oldest first, with the volumes that may hold what is wanted of the range. */
  sets: readonly (readonly PlannedVolume[])[];
  /** Directories that more than one share may write in. */
  sharedDirectories: ReadonlySet<PathKey>;
  /** The memory of the `ShareProgress` of all shares. */
  progress: SharedArrayBuffer;
  /** The index of what there is to restore, if volumes that hold nothing of it are missing in `sets`. */
  map: string | undefined;
  /** For each share, where it notes names of one file. */
  linkFiles: readonly string[];
  /** Only this path and what lies below it. */
  wanted: PathKey;
  tempDir: string;
  tellFiles: boolean;
  /** Leave out what is damaged of a volume, and go on. */
  ignoreErrors: boolean;
  action: RestoreAction | { kind: 'check' } | CompareAction;
}

/** Which share reads which volume of which set. */
export interface VolumePlace {
  share: number;
  set: number;
  volume: number;
}

export type RestoreThreadMessage =
  | { kind: 'need'; place: VolumePlace }
  /** The sender of a volume waits for a slot, and one is free. */
  | { kind: 'free'; place: VolumePlace }
  | { kind: 'release'; place: VolumePlace }
  | { kind: 'events'; events: OperationEvent[] }
  | { kind: 'done'; result: ShareResult }
  | { kind: 'failed'; error: PlainError };

export interface RestoreThreadResult {
  /** Entries restored or compared. */
  entries: number;
  /** Bytes of file contents. */
  contentBytes: number;
  /** Entries that could not be restored, or that differ. */
  failures: number;
  /** Entries restored without set-user-ID and set-group-ID. */
  withoutSetId: number;
  /** How many attributes and ACLs were not restored, by what and why. */
  leftOut: ReadonlyMap<string, number>;
}

/** What a thread has done of its share. */
export interface ShareResult extends RestoreThreadResult {
  /** The lowest path that there is, if there is one. */
  firstKey: PathKey | undefined;
  /** The last path that is no folder, unless a folder came behind it: nothing should lie below it. */
  noFolder: PathKey | undefined;
}

/** The answer to `need`. */
export type VolumeAnswer = VolumePlace & (VolumeBytes | { isLeftOut: true } | { error: PlainError });

/** Where the bytes of a volume come: from the main thread, or from the file. */
export type VolumeBytes = { channel: Channel } | { file: ReadableFile };
