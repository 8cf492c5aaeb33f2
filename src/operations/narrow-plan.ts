import { messageOf, TundraError } from '../base/errors.js';
import type { BackupSet, Catalog } from '../chain/catalog.js';
import { fetchToArchive, localNameOf } from '../chain/metadata.js';
import { type MappedSet, mapRestore } from '../chain/restore-map.js';
import type { RestorePlan } from '../chain/restore-plan.js';
import { setEnd } from '../format/names.js';
import { metadataStores, newTempPath, type Session, tell } from './session.js';

/**
 * Leaves out of a plan the volumes that hold nothing of what is wanted, as the signatures and the file lists tell. To
 * fetch a volume from hot storage in vain costs little; to thaw one costs hours. Where the signatures cannot be had the
 * plan stays as it is.
 */
export async function narrowPlan(
  session: Session,
  catalog: Catalog,
  sets: readonly BackupSet[],
  plan: RestorePlan,
  dryRun: boolean,
): Promise<RestorePlan> {
  const { archive } = session;
  try {
    const mapped: MappedSet[] = [];
    for (const [age, set] of sets.entries()) {
      const signatures = await localSignatures(session, catalog, sets[0] as BackupSet, set, dryRun);
      const { localManifestName } = set;
      if (signatures === undefined || localManifestName === undefined) return plan;
      const volumes = (plan.sets[age] ?? []).map(
        ({ number, startKey, lowestKey, startsEarlier, endKey }) => ({
          number,
          startKey: startsEarlier ? lowestKey : startKey,
          endKey,
        }),
      );
      mapped.push({
        volumes,
        manifest: () => archive.read(localManifestName),
        signatures: archive.pathOf(signatures),
      });
    }
    const map = newTempPath(session, 'restore-map');
    const { needed } = await mapRestore(mapped, plan.wanted, map);
    const narrowed = plan.sets.map((volumes, age) =>
      volumes.filter(({ number }) => needed[age]?.has(number)),
    );
    return { ...plan, sets: narrowed, map };
  } catch (error) {
    if (!(error instanceof TundraError)) throw error;
    tell(session, 'warning', `${error.message}\nMore volumes may be asked for than a restore needs.`);
    return plan;
  }
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
