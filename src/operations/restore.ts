import { TundraError } from '../base/errors.js';
import { displayBytes, displayKey, type Latin1, type PathKey } from '../base/path-key.js';
import type { RestorePlan } from '../chain/restore-plan.js';
import type { RecordKinds } from '../format/tar/records.js';
import { type EpochSeconds, prettyTime } from '../format/times.js';
import type { SelectionRule } from '../source/selection.js';
import type { Renames } from '../target/renames.js';
import { type ColdOptions, withSpool } from './cold-volumes.js';
import { planAt } from './plan-at.js';
import type { RestoreThreadResult } from './restore-messages.js';
import { runPlan } from './restore-run.js';
import { type Session, tell } from './session.js';
import { planThaw } from './thaw-plan.js';
import { noteBegun, noteFinished, timeOfUnfinished } from './unfinished-restore.js';
import { verifyAttributes } from './verify-attributes.js';

export interface RestoreOptions {
  /** Where to restore to: absolute. */
  target: Latin1;
  /** The path in the backup to restore, with all below it; the root for everything. */
  path: PathKey;
  /** The state of this time; now if undefined. */
  time: EpochSeconds | undefined;
  /** Where paths go instead: relative to `path`, and to the target. */
  renames: Renames;
  restoreOwnership: boolean;
  numericOwner: boolean;
  /** Which of the extended attributes, ACLs and hard links are restored, or compared. */
  recordKinds: RecordKinds;
  /** Key that must have signed each volume. */
  requiredSigner: string | undefined;
  /** Leave out volumes that cannot be used, and go on. */
  ignoreErrors: boolean;
  /** The time as the user gave it. */
  timeText: string | undefined;
  /** Restore over what is at the target; else only to go on with a restore that was broken off. */
  mayOverwrite: boolean;
  /** What is done where volumes lie in cold storage. */
  cold: ColdOptions;
}

export interface VerifyOptions
  extends Omit<
    RestoreOptions,
    'target' | 'renames' | 'restoreOwnership' | 'numericOwner' | 'timeText' | 'mayOverwrite'
  > {
  /** What to compare with: canonical. */
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  /** Compare with the files at `root`; else only make sure that everything can be restored. */
  compareData: boolean;
}

/** Restores the tree, or a part of it, as it was at a time. */
export async function restore(session: Session, options: RestoreOptions): Promise<RestoreThreadResult> {
  return withSpool(session, () => restoreAlone(session, options));
}

async function restoreAlone(session: Session, options: RestoreOptions): Promise<RestoreThreadResult> {
  const { target, renames, restoreOwnership, numericOwner, path, timeText, mayOverwrite } = options;
  const begun = { target, path, time: timeText };
  // A restore that waits for a thaw has written nothing yet. It goes on with the state that was asked for: backups that
  // were made meanwhile would make it wait anew.
  const mayGoOn = !mayOverwrite || session.backend.cold !== undefined;
  const unfinishedAt = mayGoOn
    ? await timeOfUnfinished(session, begun, { anyAge: !mayOverwrite })
    : undefined;
  if (!mayOverwrite && unfinishedAt === undefined) throw targetExists(target);
  if (unfinishedAt !== undefined) tellUnfinished(session, unfinishedAt);
  const time = unfinishedAt ?? options.time ?? session.now();
  const plan = await planAt(session, {
    ...options,
    time,
    dryRun: false,
    sealedMetadata: options.cold.noWait ? 'ask' : 'wait',
  });
  await noteBegun(session, begun, time);
  const runOptions = { ...options, purpose: 'restore' } as const;
  const result = await runPlan(session, plan, runOptions, {
    kind: 'restore',
    target,
    renames,
    restoreOwnership,
    numericOwner,
    recordKinds: options.recordKinds,
  });
  await noteFinished(session);
  tellWithoutSetId(session, result.withoutSetId);
  tellLeftOut(session, result.leftOut);
  requireEntries(result, path);
  return result;
}

function tellUnfinished(session: Session, time: EpochSeconds): void {
  const text = `Going on with the restore that was broken off, of the state of ${prettyTime(time)}. For another state give --time.`;
  tell(session, 'notice', text);
}

function targetExists(target: Latin1): TundraError {
  return new TundraError(
    'restore-target-exists',
    `Restore destination directory ${displayBytes(target)} already exists.\nWill not overwrite.`,
    { advice: 'Choose another target, or use --force to restore over what is there.' },
  );
}

/**
 * Reads the backup through, and compares it with files on disk if asked to. Without a comparison of data nothing in cold
 * storage is read: what the signatures tell is compared instead.
 */
export async function verify(
  session: Session,
  options: VerifyOptions,
): Promise<Pick<RestoreThreadResult, 'entries' | 'failures'>> {
  const { root, rules, followLinks, recordKinds, compareData } = options;
  const sealedMetadata = options.cold.noWait ? 'ask' : 'wait';
  const planOptions = { ...options, dryRun: false, sealedMetadata } as const;
  const runOptions = { ...options, purpose: 'verify' } as const;
  if (compareData) {
    return withSpool(session, async () => {
      const plan = await planAt(session, planOptions);
      return runPlan(session, plan, runOptions, { kind: 'compare', root, rules, followLinks, recordKinds });
    });
  }
  const plan = await planAt(session, { ...planOptions, readsAll: true });
  if (session.backend.cold === undefined || (await isHot(session, plan)))
    return runPlan(session, plan, runOptions, { kind: 'check' });
  tell(
    session,
    'notice',
    'Volumes lie in cold storage and are not read: paths and attributes are compared with the signatures. ' +
      'With --compare-data the volumes are thawed and read.',
  );
  return verifyAttributes(session, options);
}

async function isHot(session: Session, plan: RestorePlan): Promise<boolean> {
  return (await planThaw(session, plan)).volumes.every(({ state }) => state === 'hot');
}

function tellWithoutSetId(session: Session, count: number): void {
  if (count === 0) return;
  const entries = count === 1 ? '1 entry was' : `${count} entries were`;
  const text = `${entries} restored without set-user-ID and set-group-ID, as the owner was not restored.`;
  tell(session, 'warning', text);
}

function tellLeftOut(session: Session, leftOut: RestoreThreadResult['leftOut']): void {
  for (const [what, count] of leftOut) {
    tell(
      session,
      'warning',
      `Not restored, ${count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`}: ${what}. -v5 tells where.`,
    );
  }
}

function requireEntries(result: RestoreThreadResult, path: PathKey): void {
  if (result.entries > 0 || result.failures > 0) return;
  if (path === '') {
    throw new TundraError('nothing-to-restore', 'No files found in archive - nothing restored.');
  }
  throw new TundraError(
    'path-not-in-backup',
    `${displayKey(path)} not found in archive - no files restored.`,
    {
      advice: 'The path is relative to the source folder; "list-current-files" shows what there is.',
    },
  );
}
