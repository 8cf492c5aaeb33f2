import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { readAccessPoints } from '../chain/access-points.js';
import { type BackupSet, chainAt, interruptedSet, setsAt, withoutInterrupted } from '../chain/catalog.js';
import { endsWithFileList, openRemote, readLocalManifest, readRemoteManifest } from '../chain/metadata.js';
import { planRestore, type RestorePlan, requireWholeManifest } from '../chain/restore-plan.js';
import { addUnlistedVolumes } from '../chain/unlisted.js';
import type { Manifest } from '../format/manifest.js';
import { type EpochSeconds, formatTime, prettyTime } from '../format/times.js';
import { synchronisedCollection, tellLastFull } from './collection.js';
import { refetchDamaged } from './mend-archive.js';
import { narrowPlan } from './narrow-plan.js';
import { metadataStores, type Session, tell } from './session.js';
import type { SealedMetadata } from './thaw-metadata.js';

export interface PlanOptions {
  /** The path in the backup, with all below it; the root for everything. */
  path: PathKey;
  /** The state of this time; now if undefined. */
  time: EpochSeconds | undefined;
  /** Go on with a manifest that names not all volumes. */
  ignoreErrors: boolean;
  /** Change nothing in the local archive. */
  dryRun: boolean;
  sealedMetadata: SealedMetadata;
  /** What can be left out with a look into the metadata is not worth that look. */
  readsAll?: boolean;
}

/** What a restore needs: as little as can be told from hot metadata, where some of it lies in cold storage. */
export async function planAt(
  session: Session,
  { path, time, ignoreErrors, dryRun, sealedMetadata, readsAll = false }: PlanOptions,
): Promise<RestorePlan> {
  const at = time ?? session.now();
  const options = { mode: 'restore', time: at, dryRun, sealedMetadata } as const;
  const listed = await synchronisedCollection(session, options);
  const catalog = withoutInterrupted(listed, session.prefixes);
  tellLastFull(session, catalog);
  const chain = chainAt(catalog, at);
  if (chain === undefined) throw noBackup(interruptedSet(listed) !== undefined);
  if (chain.startTime > at) tellTooEarly(session, at, chain.startTime);
  const sets = setsAt(chain, at).filter(({ partial }) => !partial);
  const plan = await planRestore(sets, path, session.prefixes, async (set) => {
    const manifest = await manifestOf(session, set, { ignoreErrors, dryRun });
    await addUnlistedVolumes(session, set, manifest);
    return manifest;
  });
  addAccessPoints(session, sets, plan);
  const isNarrow = session.backend.cold !== undefined && !readsAll;
  return isNarrow ? narrowPlan(session, catalog, sets, plan, dryRun) : plan;
}

/** Notes where the volumes can be read from the middle on. */
function addAccessPoints({ archive }: Session, sets: readonly BackupSet[], plan: RestorePlan): void {
  for (const [index, { localManifestName }] of sets.entries()) {
    const volumes = plan.sets[index] ?? [];
    if (localManifestName === undefined || volumes.length === 0) continue;
    const points = readAccessPoints(archive, localManifestName, volumes);
    for (const volume of volumes) volume.accessPoints = points.get(volume.number) ?? [];
  }
}

function noBackup(isInterrupted: boolean): TundraError {
  return new TundraError('nothing-to-restore', 'No backup chains found', {
    advice: isInterrupted
      ? 'The first backup was interrupted: run it again, and it is finished.'
      : 'Check the address and the file prefixes: nothing there is the name of a finished backup.',
  });
}

/** The oldest backup stands for all times before it, as in duplicity, but not without a word. */
function tellTooEarly(session: Session, time: EpochSeconds, oldest: EpochSeconds): void {
  const text = `There is no backup as old as ${prettyTime(time)}: the oldest one is taken, of ${prettyTime(oldest)}.`;
  tell(session, 'warning', text, 11, formatTime(oldest));
}

type ManifestOptions = Pick<PlanOptions, 'ignoreErrors' | 'dryRun'>;

/** The manifest of a set: the local one, which is mended from the storage if it is damaged; else the storage's. */
async function manifestOf(session: Session, set: BackupSet, options: ManifestOptions): Promise<Manifest> {
  const { manifestName, localManifestName } = set;
  if (localManifestName !== undefined) {
    try {
      return await localManifest(session, set, localManifestName);
    } catch (error) {
      if (!(error instanceof TundraError) || manifestName === undefined) throw error;
      await mendManifest(session, localManifestName, error, options);
    }
  }
  if (manifestName === undefined) throw new TundraError('no-manifests', 'a backup set has no manifest');
  const stores = metadataStores(session);
  const manifest = await readRemoteManifest(stores, manifestName);
  try {
    const leftovers = await requireWholeManifest(set, manifest, manifestName, () =>
      openRemote(stores, manifestName, endsWithFileList),
    );
    tellLeftovers(session, leftovers);
  } catch (error) {
    if (!(error instanceof TundraError) || !options.ignoreErrors) throw error;
    tell(
      session,
      'error',
      `${error.message}\nWhat it names is used, as --ignore-errors asks.`,
      error.exitStatus,
    );
  }
  return manifest;
}

async function localManifest(session: Session, set: BackupSet, name: string): Promise<Manifest> {
  const { archive } = session;
  const manifest = await readLocalManifest(archive, name);
  const leftovers = await requireWholeManifest(set, manifest, archive.pathOf(name), () =>
    endsWithFileList(archive.read(name)),
  );
  tellLeftovers(session, leftovers);
  return manifest;
}

/** A restore goes on where the local archive cannot be mended: it can read the storage. */
async function mendManifest(
  session: Session,
  name: string,
  problem: TundraError,
  { dryRun }: ManifestOptions,
): Promise<void> {
  if (dryRun) return tell(session, 'warning', `${problem.message}\nIt is read from the storage.`);
  try {
    await refetchDamaged(session, name, problem.message);
  } catch (error) {
    if (!(error instanceof TundraError)) throw error;
    tell(session, 'warning', error.message);
  }
}

function tellLeftovers(session: Session, names: string[]): void {
  if (names.length === 0) return;
  const text =
    'Volumes that their manifest does not name are left from a run that was broken off; not used are:';
  tell(session, 'warning', [text, ...names].join('\n'));
}
