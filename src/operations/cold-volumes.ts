import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { messageOf, TundraError } from '../base/errors.js';
import type { ThawCounts } from '../base/events.js';
import { acquireSpoolLock } from '../chain/lock.js';
import { recordThaw } from '../chain/thaw-history.js';
import type { FetchableVolume, VolumeSource } from '../volume/fetcher.js';
import { VolumeSpool } from '../volume/spool.js';
import { progressOf, Thaw } from '../volume/thaw.js';
import { type Session, tell } from './session.js';
import type { PlannedObject } from './thaw-plan.js';

/** What volumes are read for. */
export type Purpose = 'restore' | 'verify' | 'drill' | 'replicate';

/** The folders in the local archive that keep volumes from cold storage until they were read. A restore that was broken
 *  off still needs its own. */
const spoolNames: Record<Purpose, string> = {
  restore: 'tundra-spool',
  verify: 'tundra-verify-spool',
  drill: 'tundra-drill-spool',
  replicate: 'tundra-replicate-spool',
};

/** Runs what waits for volumes of cold storage, or deletes them; no other run does so with the same local archive
 *  meanwhile. */
export async function withSpool<T>(session: Session, action: () => Promise<T>): Promise<T> {
  if (session.backend.cold === undefined) return action();
  const lock = await acquireSpoolLock(session.archive.folder);
  try {
    return await action();
  } finally {
    await lock.release();
  }
}

/** Asks for what a plan needs and is not readable yet, and follows how it thaws. To be stopped by the caller. */
export async function beginThaw(
  session: Session,
  names: readonly string[],
  what: 'volume' | 'file' = 'volume',
): Promise<Thaw> {
  const { backend, archive, events } = session;
  if (backend.cold === undefined) throw new Error('not a cold storage');
  const thaw = new Thaw({
    cold: backend.cold,
    now: Date.now,
    sleep: (ms, signal) => sleepFor(ms, undefined, { signal }).catch(() => {}),
    onProgress: thinned((progress) => events({ kind: 'thaw', what, ...progress })),
    onWarning: (text) => tell(session, 'warning', text),
    onThawed: ({ storageClass, store, sizeBytes }, waitedMs) => {
      try {
        recordThaw(archive, { storageClass, store, sizeBytes, waitedMs, atMs: Date.now() });
      } catch (error) {
        tell(session, 'warning', `the time of a thaw could not be noted: ${messageOf(error)}`);
      }
    },
  });
  await thaw.begin(names);
  return thaw;
}

/** How long nothing new is told while nothing changes: a wait of hours must not fill a log. */
const quietMs = 10 * 60_000;

/** Passes on what is new, and what is not only after a while. */
function thinned(tell: (progress: ThawCounts) => void): (progress: ThawCounts) => void {
  let last = '';
  let toldAtMs = 0;
  return (progress) => {
    const counts = JSON.stringify(progress.states);
    const nowMs = Date.now();
    if (counts === last && nowMs - toldAtMs < quietMs) return;
    last = counts;
    toldAtMs = nowMs;
    tell(progress);
  };
}

export interface ColdVolumes extends VolumeSource {
  /** All was restored: what was kept for another try goes. */
  clear(): Promise<void>;
}

export interface ColdOptions {
  /** How many bytes of volumes to keep on the local disk at most. */
  spoolBytes: number;
  /** Ask for what is sealed, and end with an error if not all can be read at once. */
  noWait: boolean;
}

/**
 * Brings the volumes of a plan from cold storage: asks for all that are sealed at once, fetches each as it becomes
 * readable. What a run that was broken off has fetched is used again, and what it has asked for is not asked for again.
 * Error: `not-thawed`.
 */
export async function openColdVolumes(
  session: Session,
  order: readonly FetchableVolume[],
  plan: { volumes: readonly Pick<PlannedObject, 'name' | 'sizeBytes'>[] },
  { spoolBytes, noWait }: ColdOptions,
  purpose: Purpose,
): Promise<ColdVolumes> {
  const sizes = new Map(plan.volumes.map(({ name, sizeBytes }) => [name, sizeBytes]));
  const folder = join(session.archive.folder, spoolNames[purpose]);
  // Other restores of a drill may use the same volumes.
  const keepsSpool = purpose === 'drill';
  let thaw: Thaw | undefined;
  const spool = new VolumeSpool(order, {
    backend: session.backend,
    retries: { ...session.retries, onEvent: session.events },
    opener: session.opener,
    folder,
    keepsOthers: keepsSpool,
    budgetBytes: spoolBytes,
    sizeOf: ({ name }) => sizes.get(name) ?? 0,
    ready: (name) => (thaw as Thaw).ready(name),
    again: async (refused, others, retryAfterMs) => {
      const waiting = await (thaw as Thaw).again(refused, others, retryAfterMs);
      if (noWait) requireReady(progressOf((thaw as Thaw).objects));
      return waiting;
    },
  });
  const missing = await spool.open();
  thaw = await beginThaw(
    session,
    missing.map(({ name }) => name),
  );
  if (noWait) {
    await thaw.stop();
    requireReady(progressOf(thaw.objects));
  }
  const close = async () => {
    await thaw.stop();
    await spool.close();
  };
  return {
    start: () => spool.start(),
    take: (volume) => spool.take(volume),
    release: (volume) => spool.release(volume),
    giveUp: () => spool.giveUp(),
    close,
    clear: async () => {
      await close();
      if (!keepsSpool) await removeSpool(folder);
    },
  };
}

/** Removes the volumes that the restores of a drill have kept. */
export async function clearDrillSpool({ archive }: Session): Promise<void> {
  await removeSpool(join(archive.folder, spoolNames.drill));
}

/** What cannot be removed stays for the next run to remove. */
async function removeSpool(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => {});
}

/** Throws `not-thawed` unless all can be read. */
export function requireReady({ states: { sealed, thawing }, readyAtMs }: ThawCounts): void {
  const waiting = sealed.objects + thawing.objects;
  if (waiting === 0) return;
  const when =
    readyAtMs === undefined ? '' : `; the last one ${new Date(readyAtMs).toISOString()}, as the storage says`;
  const what = waiting === 1 ? '1 volume was asked for and is' : `${waiting} volumes were asked for and are`;
  throw new TundraError('not-thawed', `${what} not ready yet${when}.`, {
    advice: 'Run the same command again later: it goes on from there, and asks for nothing twice.',
  });
}
