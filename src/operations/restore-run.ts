import { availableParallelism } from 'node:os';
import { errorOfPlain, messageOf, TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { type PathKey, pathTo } from '../base/path-key.js';
import { fetchOrder, type PlannedVolume, type RestorePlan } from '../chain/restore-plan.js';
import { type RestoreShare, shareOut } from '../chain/restore-shares.js';
import { VolumeFetcher, type VolumeSource } from '../volume/fetcher.js';
import { type ColdOptions, openColdVolumes } from './cold-volumes.js';
import { OrderedEvents } from './ordered-events.js';
import type {
  RestoreThreadInput,
  RestoreThreadMessage,
  RestoreThreadResult,
  VolumeAnswer,
  VolumePlace,
} from './restore-thread.js';
import { newTempPath, type Session, tell } from './session.js';
import { planThaw } from './thaw-plan.js';
import { startThread, type Thread } from './thread.js';
import { VolumeServer } from './volume-server.js';

export interface RunOptions {
  requiredSigner: string | undefined;
  ignoreErrors: boolean;
  cold: ColdOptions;
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
  const source = await volumeSource(session, plan, options.cold);
  source.start();
  const shares = shareOut(plan, source.isCold ? 1 : sharesFor(session, plan, action));
  const leftOut = new Set<string>();
  const server = new VolumeServer(
    source,
    session.opener,
    shares,
    options.requiredSigner,
    (error, { name }) => {
      if (!options.ignoreErrors) throw error;
      if (leftOut.has(name)) return;
      leftOut.add(name);
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
  const finished = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * shares.length);
  const threads = shares.map(({ range, sets }, share) =>
    startThread<RestoreThreadInput, RestoreThreadMessage, VolumeAnswer>(threadUrl, {
      share,
      range,
      sets,
      sharedDirectories,
      finished,
      map: plan.map,
      wanted: plan.wanted,
      tempDir: session.tempFolder,
      tellFiles: session.tellFiles,
      ignoreErrors: options.ignoreErrors,
      action,
    }),
  );
  const events = new OrderedEvents(shares.length, session.events);
  try {
    const results = await Promise.all(
      threads.map((thread, share) =>
        serve(thread, server, shares, (told) => events.add(share, told)).finally(() => events.end(share)),
      ),
    );
    const result = results.reduce(sumOf);
    result.failures += leftOut.size;
    if (result.failures === 0) await source.clear?.();
    return result;
  } finally {
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
): Promise<RestoreThreadResult> {
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

function volumeAt(shares: readonly RestoreShare[], { share, set, volume }: VolumePlace): PlannedVolume {
  return shares[share]?.sets[set]?.find(({ number }) => number === volume) as PlannedVolume;
}

function sumOf(a: RestoreThreadResult, b: RestoreThreadResult): RestoreThreadResult {
  return {
    entries: a.entries + b.entries,
    contentBytes: a.contentBytes + b.contentBytes,
    failures: a.failures + b.failures,
    withoutSetId: a.withoutSetId + b.withoutSetId,
  };
}

function sharedAt(bound: PathKey | undefined): PathKey[] {
  return bound === undefined ? [] : pathTo(bound);
}

function sharesFor(
  { tellFiles }: Session,
  { sets, map }: RestorePlan,
  action: RestoreThreadInput['action'],
): number {
  // A selection may take a directory for the sake of what lies below it, in whichever share; files are told in order.
  const isOne =
    map !== undefined ||
    sets.length > mostSharedSets ||
    tellFiles ||
    (action.kind === 'compare' && action.rules.length > 0);
  return isOne ? 1 : Math.min(mostShares, availableParallelism());
}

/** Where the volumes of a plan come from: cold storage must be asked first. */
async function volumeSource(session: Session, plan: RestorePlan, options: ColdOptions): Promise<Source> {
  const order = fetchOrder(plan).map(({ volume }) => volume);
  if (session.backend.cold !== undefined) {
    const thawPlan = await planThaw(session, plan);
    if (thawPlan.volumes.some(({ state }) => state !== 'hot'))
      return Object.assign(await openColdVolumes(session, order, thawPlan, options), { isCold: true });
  }
  const fetcher = new VolumeFetcher(order, {
    backend: session.backend,
    spoolPath: (name) => newTempPath(session, name.slice(-40)),
    ahead: 2,
    opener: session.opener,
    retries: { ...session.retries, onEvent: session.events },
  });
  return Object.assign(fetcher, { isCold: false });
}

const threadUrl = new URL('./restore-thread.js', import.meta.url);
