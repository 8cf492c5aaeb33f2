import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import type { BackupSet, Catalog } from '../chain/catalog.js';
import { fetchToArchive, localNameOf } from '../chain/metadata.js';
import { type MappedSet, mapRestore } from '../chain/restore-map.js';
import type { RestorePlan } from '../chain/restore-plan.js';
import { setEnd } from '../format/names.js';
import { prettyTime } from '../format/times.js';
import { withMendedArchive } from './mend-archive.js';
import { metadataStores, newTempPath, type Session, tell } from './session.js';

/**
 * Leaves out of a plan the volumes that hold nothing of what is wanted, as the signatures and the file lists tell. To
 * fetch a volume from hot storage in vain costs little; to thaw one costs hours. Where the signatures cannot be had the
 * plan stays as it is, which is told.
 */
export async function narrowPlan(
  session: Session,
  catalog: Catalog,
  sets: readonly BackupSet[],
  plan: RestorePlan,
  dryRun: boolean,
): Promise<RestorePlan> {
  try {
    const mapped = await mappedSets(session, catalog, sets, plan, dryRun);
    const mapNow = async () => {
      const path = newTempPath(session, 'restore-map');
      return { path, map: await mapRestore(mapped, plan.wanted, path) };
    };
    const { path, map } = await (dryRun ? mapNow() : withMendedArchive(session, mapNow));
    const narrowed = plan.sets.map((volumes, age) =>
      volumes.filter(({ number }) => map.needed[age]?.has(number)),
    );
    return { ...plan, sets: narrowed, map: path };
  } catch (error) {
    if (!(error instanceof TundraError) && errnoOf(error) === undefined) throw error;
    tell(session, 'warning', `${messageOf(error)}\nMore volumes may be asked for than a restore needs.`);
    return plan;
  }
}

/** What the metadata of each set tells. Errors: those of the storage; `no-signatures`. */
async function mappedSets(
  session: Session,
  catalog: Catalog,
  sets: readonly BackupSet[],
  plan: RestorePlan,
  dryRun: boolean,
): Promise<MappedSet[]> {
  const { archive } = session;
  const mapped: MappedSet[] = [];
  for (const [age, set] of sets.entries()) {
    const signatures = await localSignatures(session, catalog, sets[0] as BackupSet, set, dryRun);
    const { localManifestName } = set;
    if (signatures === undefined || localManifestName === undefined) {
      const what = signatures === undefined ? 'signatures' : 'manifest';
      const text = `The ${what} of the backup of ${prettyTime(setEnd(set.times))} are not here.`;
      throw new TundraError('no-signatures', text);
    }
    const volumes = (plan.sets[age] ?? []).map(({ number, startKey, lowestKey, startsEarlier, endKey }) => ({
      number,
      startKey: startsEarlier ? lowestKey : startKey,
      endKey,
    }));
    const manifest = () => archive.read(localManifestName);
    mapped.push({ volumes, manifest, signatures: archive.pathOf(signatures) });
  }
  return mapped;
}

/** The name of a set's signature file in the local archive, where it is brought to if it is not there. */
async function localSignatures(
  session: Session,
  catalog: Catalog,
  full: BackupSet,
  set: BackupSet,
  dryRun: boolean,
): Promise<string | undefined> {
  const end = setEnd(set.times);
  const nameAt = (location: 'local' | 'remote') =>
    catalog.signatureChains
      .filter((chain) => chain.location === location && chain.startTime === setEnd(full.times))
      .flatMap(({ files }) => files)
      .find((file) => file.end === end)?.name;
  const local = nameAt('local');
  const remote = nameAt('remote');
  if (local !== undefined || remote === undefined || dryRun) return local;
  try {
    await fetchToArchive(metadataStores(session), remote);
  } catch (error) {
    throw error instanceof TundraError
      ? new TundraError(error.code, `The signatures in ${remote} cannot be used: ${messageOf(error)}`, {
          cause: error,
        })
      : error;
  }
  return localNameOf(remote, 'signatures');
}
