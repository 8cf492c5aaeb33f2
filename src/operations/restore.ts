import { errorOfPlain, messageOf, TundraError } from '../base/errors.js';
import { displayKey, type Latin1, type PathKey } from '../base/path-key.js';
import { type BackupSet, type Catalog, chainAt, setsAt } from '../chain/catalog.js';
import { readLocalManifest, readRemoteManifest } from '../chain/metadata.js';
import {
  fetchOrder,
  type PlannedVolume,
  planRestore,
  type RestorePlan,
  requireAllVolumes,
} from '../chain/restore-plan.js';
import type { Manifest } from '../format/manifest.js';
import type { EpochSeconds } from '../format/times.js';
import type { SelectionRule } from '../source/selection.js';
import { VolumeFetcher } from '../volume/fetcher.js';
import type {
  RestoreThreadInput,
  RestoreThreadMessage,
  RestoreThreadResult,
  VolumeAnswer,
} from './restore-thread.js';
import { metadataStores, newTempPath, type Session, synchronisedCollection, tell } from './session.js';
import { startThread } from './thread.js';
import { VolumeServer } from './volume-server.js';

export interface RestoreOptions {
  /** Where to restore to: absolute. */
  target: Latin1;
  /** The path in the backup to restore, with all below it; the root for everything. */
  path: PathKey;
  /** The state of this time; now if undefined. */
  time: EpochSeconds | undefined;
  restoreOwnership: boolean;
  numericOwner: boolean;
  /** Key that must have signed each volume. */
  requiredSigner: string | undefined;
  /** Leave out volumes that cannot be used, and go on. */
  ignoreErrors: boolean;
  dryRun: boolean;
}

export interface VerifyOptions extends Omit<RestoreOptions, 'target' | 'restoreOwnership' | 'numericOwner'> {
  /** What to compare with: canonical. */
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  /** Compare with the files at `root`; else only make sure that everything can be restored. */
  compareData: boolean;
}

/** Restores the tree, or a part of it, as it was at a time. */
export async function restore(
  session: Session,
  options: RestoreOptions,
): Promise<RestoreThreadResult | undefined> {
  const plan = await planAt(session, options);
  if (options.dryRun) {
    const names = fetchOrder(plan).map(({ volume }) => volume.name);
    tell(session, 'notice', `Required volumes to restore:\n\t${names.join('\n\t')}`);
    return undefined;
  }
  const { target, restoreOwnership, numericOwner } = options;
  const result = await runPlan(session, plan, options, {
    kind: 'restore',
    target,
    restoreOwnership,
    numericOwner,
  });
  requireEntries(result, options.path);
  return result;
}

/** Reads the backup through, and compares it with files on disk if asked to. */
export async function verify(session: Session, options: VerifyOptions): Promise<RestoreThreadResult> {
  const plan = await planAt(session, options);
  const { root, rules, followLinks, compareData } = options;
  return runPlan(
    session,
    plan,
    options,
    compareData ? { kind: 'compare', root, rules, followLinks } : { kind: 'check' },
  );
}

type PlanOptions = Pick<RestoreOptions, 'path' | 'time' | 'requiredSigner' | 'ignoreErrors' | 'dryRun'>;

async function planAt(session: Session, { path, time, dryRun }: PlanOptions): Promise<RestorePlan> {
  const at = time ?? session.now();
  const catalog = await synchronisedCollection(session, { time: at, dryRun });
  return planRestore(setsOf(catalog, at), path, session.prefixes, (set) => manifestOf(session, set));
}

function setsOf(catalog: Catalog, time: EpochSeconds): BackupSet[] {
  const chain = chainAt(catalog, time);
  if (chain === undefined) {
    throw new TundraError('nothing-to-restore', 'No backup chains found', {
      advice: 'Check the address and the file prefixes: nothing there is the name of a finished backup.',
    });
  }
  return setsAt(chain, time).filter(({ partial }) => !partial);
}

async function manifestOf(session: Session, set: BackupSet): Promise<Manifest> {
  if (set.localManifestName !== undefined) {
    try {
      const manifest = await readLocalManifest(session.archive, set.localManifestName);
      requireAllVolumes(set, manifest, session.archive.pathOf(set.localManifestName));
      return manifest;
    } catch (error) {
      if (!(error instanceof TundraError) || set.manifestName === undefined) throw error;
      const advice = 'It is read from the storage; remove that file, and the next run fetches it again.';
      tell(session, 'warning', `${error.message}\n${advice}`);
    }
  }
  if (set.manifestName !== undefined) return readRemoteManifest(metadataStores(session), set.manifestName);
  throw new TundraError('no-manifests', 'a backup set has no manifest');
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

/** Fetches what the plan names, while another thread merges and applies it. */
async function runPlan(
  session: Session,
  plan: RestorePlan,
  options: PlanOptions,
  action: RestoreThreadInput['action'],
): Promise<RestoreThreadResult> {
  const order = fetchOrder(plan);
  const fetcher = new VolumeFetcher(
    order.map(({ volume }) => volume),
    {
      backend: session.backend,
      spoolPath: (name) => newTempPath(session, name.slice(-40)),
      ahead: 2,
      opener: session.opener,
    },
  );
  fetcher.start();
  let leftOut = 0;
  const server = new VolumeServer(
    fetcher,
    session.opener,
    plan.sets.length,
    options.requiredSigner,
    (error) => {
      if (!options.ignoreErrors) throw error;
      leftOut++;
      const status = error instanceof TundraError ? error.exitStatus : undefined;
      tell(
        session,
        'error',
        `${messageOf(error)}\nThis volume is left out, as --ignore-errors asks.`,
        status,
      );
    },
  );
  const thread = startThread<RestoreThreadInput, RestoreThreadMessage, VolumeAnswer>(threadUrl, {
    sets: plan.sets,
    wanted: plan.wanted,
    tempDir: session.tempFolder,
    tellFiles: session.tellFiles,
    action,
  });
  const volumeOf = (set: number, number: number) =>
    plan.sets[set]?.find((volume) => volume.number === number) as PlannedVolume;
  try {
    for await (const message of thread.messages) {
      switch (message.kind) {
        case 'need':
          // Not awaited: opening one volume must not keep the others from being served.
          server.open(message.set, volumeOf(message.set, message.volume)).then(thread.send, thread.fail);
          break;
        case 'free':
          server.slotFreed(message.set, message.volume);
          break;
        case 'release':
          await server.release(message.set, message.volume);
          break;
        case 'events':
          for (const event of message.events) session.events(event);
          break;
        case 'failed':
          throw errorOfPlain(message.error);
        case 'done':
          return { ...message.result, failures: message.result.failures + leftOut };
      }
    }
    throw new TundraError('unexpected', 'the restoring thread ended without a result');
  } finally {
    await thread.stop();
    await server.close();
    await fetcher.close();
  }
}

const threadUrl = new URL('./restore-thread.js', import.meta.url);
