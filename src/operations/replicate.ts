import { TundraError } from '../base/errors.js';
import { setNames } from '../chain/set-writer.js';
import { setEnd } from '../format/names.js';
import { type EpochSeconds, prettyTime } from '../format/times.js';
import { VolumeFetcher, type VolumeSource } from '../volume/fetcher.js';
import { type ColdOptions, type ColdVolumes, openColdVolumes, withSpool } from './cold-volumes.js';
import {
  type Contents,
  contentsOf,
  finishedSets,
  isReplicated,
  planReplica,
  type Replica,
  type Sides,
  type SourceSet,
  sealingOf,
} from './replicate-plan.js';
import { copySet, type SentFiles } from './replicate-set.js';
import { newTempPath, type Session, tell } from './session.js';
import { thawMetadata } from './thaw-metadata.js';

export interface ReplicateOptions {
  /** Only sets that were made before; all if undefined: a clock that is behind must leave none out. */
  before: EpochSeconds | undefined;
  /** Whether this run signs what it seals. */
  signs: boolean;
  /** Volumes on their way to the target at once. */
  uploads: number;
  /** Only tell what would be copied. */
  dryRun: boolean;
  /** What is done where volumes of the source lie in cold storage. */
  cold: ColdOptions;
  /** A set was copied, or, in a dry run, would be. */
  onSet(set: ReplicatedSet): void;
}

export interface ReplicatedSet extends SentFiles {
  type: 'full' | 'incremental';
  time: EpochSeconds;
}

/**
 * Copies the finished sets of one storage that another one has not, oldest first and each of them whole before the next,
 * so that the target can be restored from whenever it is broken off. Sets that were begun there are completed. The source
 * is only read.
 *
 * @returns how many sets were copied (or would be), and how many the target had
 */
export async function replicate(
  source: Session,
  target: Session,
  options: ReplicateOptions,
): Promise<{ copied: number; there: number }> {
  const sides: Sides = { source, target, signs: options.signs };
  const [here, there] = [await contentsOf(source), await contentsOf(target)];
  const finished = finishedSets(source, here, options.before);
  const wanted: SourceSet[] = [];
  for (const set of finished) {
    if (!(await isReplicated(sides, set, there))) wanted.push(set);
    else tell(target, 'info', `Backupset ${set.manifestName} already replicated`);
  }
  const counts = { copied: wanted.length, there: finished.length - wanted.length };
  if (options.dryRun) {
    for (const set of wanted) options.onSet(expected(sides, set, here, there));
    return counts;
  }
  const metadata = wanted.flatMap(({ manifestName, signaturesName }) =>
    [manifestName, signaturesName ?? []].flat(),
  );
  await thawMetadata(source, metadata, options.cold.noWait ? 'ask' : 'wait');
  await withSpool(source, () => copySets(sides, wanted, here, there, options));
  return counts;
}

async function copySets(
  sides: Sides,
  wanted: readonly SourceSet[],
  here: Contents,
  there: Contents,
  { cold, uploads, onSet }: ReplicateOptions,
): Promise<void> {
  const { source, target } = sides;
  const { replicas, failure } = await planReplicas(sides, wanted, here, there);
  const sharesArchive = source.archive.folder === target.archive.folder;
  if (sharesArchive && replicas.some(({ volumes }) => volumes.some(({ asItIs }) => !asItIs)))
    tellSharedArchive(target);
  const thawed = await coldVolumes(source, replicas, cold);
  // A long wait may follow, in which backups to the source go on.
  if (thawed !== undefined && !sharesArchive) await source.releaseArchive();
  try {
    thawed?.start();
    for (const replica of replicas) {
      const { set, signaturesName } = replica.from;
      if (signaturesName === undefined) tellWithoutSignatures(source, replica.from);
      const volumes = thawed ?? hotVolumes(source, replica);
      try {
        const sent = await copySet(sides, replica, volumes, uploads);
        onSet({ type: set.times.type, time: setEnd(set.times), ...sent });
      } catch (error) {
        throw inSet(error, replica.from);
      } finally {
        if (volumes !== thawed) await volumes.close();
      }
    }
    if (failure !== undefined) throw failure.error;
    await thawed?.clear();
  } finally {
    await thawed?.close();
  }
}

/** Plans set by set, up to the first that cannot be: those before it are copied all the same. */
async function planReplicas(
  sides: Sides,
  wanted: readonly SourceSet[],
  here: Contents,
  there: Contents,
): Promise<{ replicas: Replica[]; failure: { error: unknown } | undefined }> {
  const replicas: Replica[] = [];
  for (const set of wanted) {
    try {
      replicas.push(await planReplica(sides, set, here, there));
    } catch (error) {
      return { replicas, failure: { error: inSet(error, set) } };
    }
  }
  return { replicas, failure: undefined };
}

/** Brings the volumes of all sets from cold storage: all are asked for at once. Undefined if none of them lies there. */
async function coldVolumes(
  source: Session,
  replicas: readonly Replica[],
  options: ColdOptions,
): Promise<ColdVolumes | undefined> {
  const { cold } = source.backend;
  if (cold === undefined) return undefined;
  const needed = replicas.flatMap(({ volumes }) => volumes);
  const stored = new Set((await cold.survey()).map(({ name }) => name));
  if (!needed.some(({ name }) => stored.has(name))) return undefined;
  return openColdVolumes(source, needed, { volumes: needed }, options, 'replicate');
}

function hotVolumes(source: Session, { volumes }: Replica): VolumeSource {
  const { backend, opener, retries, events } = source;
  const fetcher = new VolumeFetcher(volumes, {
    backend,
    spoolPath: (name) => newTempPath(source, name.slice(-40)),
    inUse: 1,
    ahead: 2,
    opener,
    retries: { ...retries, onEvent: events },
  });
  fetcher.start();
  return fetcher;
}

/** What a set takes, as far as listings tell: sealed anew, files are a little larger or smaller. */
function expected(
  { source, target }: Sides,
  { set, manifestName, signaturesName }: SourceSet,
  here: Contents,
  there: Contents,
): ReplicatedSet {
  const to = setNames(set.times, target.cipher, target.prefixes);
  const isSent = (number: number, name: string) => {
    const { encrypted, compressed } = sealingOf(source, name);
    const isSame = encrypted === target.cipher.encrypted && compressed === target.cipher.compressed;
    return isSame && there.sizes.get(to.volume(number)) === here.sizes.get(name);
  };
  const volumes = [...set.volumes].filter(([number, name]) => !isSent(number, name)).map(([, name]) => name);
  const names = [signaturesName ?? [], volumes, manifestName].flat();
  const sizeBytes = names.reduce((sum, name) => sum + (here.sizes.get(name) ?? 0), 0);
  return { type: set.times.type, time: setEnd(set.times), files: names.length, sizeBytes };
}

/** The local archive knows manifests by name: it would take one storage's for the other's. */
function tellSharedArchive(target: Session): void {
  const text =
    `Both storages have the local archive ${target.archive.folder}, and volumes get other hashes as they are sealed anew. ` +
    'To use the copy give another --name, or none.';
  tell(target, 'warning', text);
}

function tellWithoutSignatures(source: Session, { manifestName }: SourceSet): void {
  const text = `The signatures of ${manifestName} are not on the storage: it can be restored from its copy, and not be built on.`;
  tell(source, 'warning', text);
}

/** An error, and which set is not copied for it. */
function inSet(error: unknown, { set }: SourceSet): unknown {
  if (!(error instanceof TundraError)) return error;
  const { type } = set.times;
  const text = `The ${type} backup of ${prettyTime(setEnd(set.times))} is not replicated, nor are later ones.`;
  return new TundraError(error.code, `${error.message}\n${text}`, {
    cause: error,
    advice: damage.has(error.code)
      ? 'Bring the file back on the source, or leave this backup and later ones out with --time.'
      : error.advice,
    retry: error.retry,
    retryAfterMs: error.retryAfterMs,
  });
}

const damage: ReadonlySet<TundraError['code']> = new Set([
  'hash-mismatch',
  'unreadable-manifests',
  'backend-not-found',
  'format',
]);
