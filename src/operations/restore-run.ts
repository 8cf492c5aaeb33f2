import { statSync } from 'node:fs';
import { errorOfPlain, messageOf, TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { interrupted } from '../base/interruption.js';
import { displayKey, isWithin, type PathKey, pathTo } from '../base/path-key.js';
import { fetchOrder, type PlannedVolume, type RestorePlan } from '../chain/restore-plan.js';
import { type RestoreShare, shareOut } from '../chain/restore-shares.js';
import { VolumeFetcher, type VolumeSource } from '../volume/fetcher.js';
import { type ColdOptions, openColdVolumes, type Purpose } from './cold-volumes.js';
import { OrderedEvents } from './ordered-events.js';
import type {
  RestoreThreadInput,
  RestoreThreadMessage,
  RestoreThreadResult,
  ShareResult,
  VolumeAnswer,
  VolumePlace,
} from './restore-messages.js';
import { newTempPath, type Session, tell } from './session.js';
import { ShareProgress } from './share-progress.js';
import { cannotProcess } from './source-events.js';
import { planThaw } from './thaw-plan.js';
import { startThread, type Thread } from './thread.js';
import { VolumeServer } from './volume-server.js';

export interface RunOptions {
  requiredSigner: string | undefined;
  ignoreErrors: boolean;
  cold: ColdOptions;
  purpose: Purpose;
}

type RestoreThread = Thread<RestoreThreadMessage, VolumeAnswer>;

interface Source extends VolumeSource {
  clear?(): Promise<void>;
  /** Volumes come as they are thawed, and there is room for a few. */
  isCold: boolean;
}

/** More threads would take more memory than they are worth. */
const mostShares = 4;
/** A chain with more sets is read by one thread: it has that many volumes open. */
const mostSharedSets = 16;

/** Fetches what the plan names, while other threads merge and apply it, each a share of the paths. */
export async function runPlan(
  session: Session,
  plan: RestorePlan,
  options: RunOptions,
  action: RestoreThreadInput['action'],
): Promise<RestoreThreadResult> {
  const source = await volumeSource(session, plan, options);
  source.start();
  const shares = shareOut(plan, source.isCold ? 1 : sharesFor(session, plan, options, action));
  let leftOut = 0;
  const read = { failed: false };
  const counted = tellingVolumes(session, source, fetchOrder(plan).length, read);
  const server = new VolumeServer(
    counted,
    session.opener,
    shares,
    plan.wanted,
    options.requiredSigner,
    (error) => {
      if (!options.ignoreErrors) throw error;
      leftOut++;
      const status = error instanceof TundraError ? error.exitStatus : undefined;
      tell(
        session,
        'error',
        `${messageOf(error)}\nThis volume is left out, as --ignore-errors asks: its files are missing, or as they were before.`,
        status,
      );
    },
  );
  const sharedDirectories = new Set(shares.flatMap(({ range }) => sharedAt(range.upTo)));
  const linkFiles = shares.map((_, share) => newTempPath(session, `links${share}`));
  const progress = new ShareProgress(shares.length);
  const threads = shares.map(({ range, sets }, share) =>
    startThread<RestoreThreadInput, RestoreThreadMessage, VolumeAnswer>(threadUrl, {
      share,
      range,
      // Where volumes are opened is decided here.
      sets: sets.map((volumes) => volumes.map(({ accessPoints, ...volume }) => volume)),
      sharedDirectories,
      progress: progress.memory,
      map: plan.map,
      linkFiles,
      wanted: plan.wanted,
      tempDir: session.tempFolder,
      tellFiles: session.tellFiles,
      ignoreErrors: options.ignoreErrors,
      action,
    }),
  );
  const events = new OrderedEvents(shares.length, session.events);
  const served = threads.map((thread, share) =>
    serve(thread, server, shares, (told) => events.add(share, told)).finally(() => events.end(share)),
  );
  const onInterruption = () => {
    source.giveUp();
    progress.giveUp();
  };
  session.interruption?.addEventListener('abort', onInterruption);
  try {
    const results = await Promise.all(served);
    if (session.interruption?.aborted) throw interrupted();
    const result = results.reduce<RestoreThreadResult>(sumOf, nothing);
    result.failures += leftOut + tellNoFolders(session, results);
    if (result.failures === 0) await source.clear?.();
    return result;
  } catch (error) {
    read.failed = true;
    // The others take away what they were writing.
    source.giveUp();
    progress.giveUp();
    await Promise.allSettled(served);
    throw error;
  } finally {
    session.interruption?.removeEventListener('abort', onInterruption);
    await Promise.all(threads.map((thread) => thread.stop()));
    events.flush();
    source.giveUp();
    await server.close();
    await source.close();
  }
}

/** Serves one thread until it has done its share. */
async function serve(
  thread: RestoreThread,
  server: VolumeServer,
  shares: readonly RestoreShare[],
  onEvents: (events: OperationEvent[]) => void,
): Promise<ShareResult> {
  for await (const message of thread.messages) {
    switch (message.kind) {
      case 'need':
        // Not awaited: opening one volume must not keep the others from being served.
        server.open(message.place, volumeAt(shares, message.place)).then(thread.send, thread.fail);
        break;
      case 'free':
        server.slotFreed(message.place);
        break;
      case 'release':
        await server.release(message.place);
        break;
      case 'events':
        onEvents(message.events);
        break;
      case 'failed':
        throw errorOfPlain(message.error);
      case 'done':
        return message.result;
    }
  }
  throw new TundraError('unexpected', 'a restoring thread ended without a result');
}

/** The same source; tells of each volume that is done with, as long as the run has not failed. */
function tellingVolumes(
  { events }: Session,
  source: VolumeSource,
  count: number,
  run: { failed: boolean },
): VolumeSource {
  const sizes = new Map<string, number>();
  let number = 0;
  return {
    start: () => source.start(),
    take: async (volume) => {
      const taken = await source.take(volume);
      sizes.set(volume.name, statSync(taken.path, { throwIfNoEntry: false })?.size ?? 0);
      return taken;
    },
    release: async (volume) => {
      await source.release(volume);
      number++;
      if (run.failed) return;
      events({ kind: 'volume', number, count, sizeBytes: sizes.get(volume.name) ?? 0 });
      sizes.delete(volume.name);
    },
    giveUp: () => source.giveUp(),
    close: () => source.close(),
  };
}

function volumeAt(shares: readonly RestoreShare[], { share, set, volume }: VolumePlace): PlannedVolume {
  return shares[share]?.sets[set]?.find(({ number }) => number === volume) as PlannedVolume;
}

const nothing: RestoreThreadResult = {
  entries: 0,
  contentBytes: 0,
  failures: 0,
  withoutSetId: 0,
  leftOut: new Map(),
};

function sumOf(a: RestoreThreadResult, b: RestoreThreadResult): RestoreThreadResult {
  const leftOut = new Map(a.leftOut);
  for (const [what, count] of b.leftOut) leftOut.set(what, (leftOut.get(what) ?? 0) + count);
  return {
    leftOut,
    entries: a.entries + b.entries,
    contentBytes: a.contentBytes + b.contentBytes,
    failures: a.failures + b.failures,
    withoutSetId: a.withoutSetId + b.withoutSetId,
  };
}

/** Tells of what is no folder while a later share has something below it, and counts it. */
function tellNoFolders({ events }: Session, results: readonly ShareResult[]): number {
  let count = 0;
  for (const [share, { noFolder: key }] of results.entries()) {
    const next = results.slice(share + 1).find(({ firstKey }) => firstKey !== undefined)?.firstKey;
    if (key === undefined || next === undefined || !isWithin(next, key)) continue;
    count++;
    const text = `${displayKey(key)}: paths lie below it, though it is no folder in the backup: they are left out`;
    events({ kind: 'file-warning', key, code: cannotProcess, text });
  }
  return count;
}

function sharedAt(bound: PathKey | undefined): PathKey[] {
  return bound === undefined ? [] : pathTo(bound);
}

function sharesFor(
  { tellFiles, processors }: Session,
  { sets, map }: RestorePlan,
  { ignoreErrors }: RunOptions,
  action: RestoreThreadInput['action'],
): number {
  // Damage is told once, by the one who meets it. A selection may take a directory for the sake of what lies below it, in
  // whichever share; files are told in order; what is renamed may go to any directory.
  const isOne =
    map !== undefined ||
    sets.length > mostSharedSets ||
    ignoreErrors ||
    tellFiles ||
    (action.kind === 'restore' && action.renames.size > 0) ||
    (action.kind === 'compare' && action.rules.length > 0);
  return isOne ? 1 : Math.min(mostShares, processors);
}

/** Where the volumes of a plan come from: cold storage must be asked first. */
async function volumeSource(
  session: Session,
  plan: RestorePlan,
  { cold, purpose }: RunOptions,
): Promise<Source> {
  const order = fetchOrder(plan).map(({ volume }) => volume);
  if (session.backend.cold !== undefined) {
    const thawPlan = await planThaw(session, plan);
    if (thawPlan.volumes.some(({ state }) => state !== 'hot')) {
      const volumes = await openColdVolumes(session, order, thawPlan, cold, purpose);
      // A long wait may follow, in which backups go on.
      await session.releaseArchive();
      return Object.assign(volumes, { isCold: true });
    }
  }
  const fetcher = new VolumeFetcher(order, {
    backend: session.backend,
    spoolPath: (name) => newTempPath(session, name.slice(-40)),
    inUse: plan.sets.length,
    ahead: 2,
    opener: session.opener,
    retries: { ...session.retries, onEvent: session.events },
  });
  return Object.assign(fetcher, { isCold: false });
}

const threadUrl = new URL('./restore-thread.js', import.meta.url);
