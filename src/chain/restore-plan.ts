import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { bestHash, type Manifest, type VolumeRecord, volumeMayHold } from '../format/manifest.js';
import { type NamePrefixes, parseRemoteName } from '../format/names.js';
import type { BackupSet } from './sets.js';

/** A volume that a restore needs. */
export interface PlannedVolume {
  number: number;
  /** On the storage. */
  name: string;
  startKey: PathKey;
  /** Hash of the stored file; undefined where the manifest has none. */
  hash: { algorithm: string; hex: string } | undefined;
  encrypted: boolean;
  compressed: boolean;
}

/** What a restore needs, set by set, oldest first; known from metadata alone. */
export interface RestorePlan {
  /** The path that is wanted, with all below it. */
  wanted: PathKey;
  sets: PlannedVolume[][];
}

/** The volumes of the sets that may hold the wanted path or something below it. */
export async function planRestore(
  sets: readonly BackupSet[],
  wanted: PathKey,
  prefixes: NamePrefixes,
  readManifest: (set: BackupSet) => Promise<Manifest>,
): Promise<RestorePlan> {
  const planned: PlannedVolume[][] = [];
  for (const set of sets) {
    const manifest = await readManifest(set);
    requireAllVolumes(set, manifest, set.manifestName ?? 'of an interrupted run');
    planned.push(
      manifest.volumes
        .filter((volume) => volumeMayHold(volume, wanted))
        .map((volume) => plan(set, volume, prefixes)),
    );
  }
  return { wanted, sets: planned };
}

/**
 * Makes sure that a manifest names the volumes that the storage has, and at least one. One that was emptied or cut short
 * is still a manifest to read, but what is missing there would be missing in what is restored, and nobody would be told.
 * Error: `unreadable-manifests`.
 */
export function requireAllVolumes(set: BackupSet, { volumes }: Manifest, manifestName: string): void {
  const unnamed = [...set.volumes.keys()].at(-1) ?? 1;
  if ((volumes.at(-1)?.number ?? 0) >= unnamed) return;
  throw new TundraError(
    'unreadable-manifests',
    `the manifest ${manifestName} is cut short: it does not name volume ${unnamed}`,
    { advice: 'Restore a time before this set with --time.' },
  );
}

function plan(set: BackupSet, volume: VolumeRecord, prefixes: NamePrefixes): PlannedVolume {
  const { number, startKey } = volume;
  const name = set.volumes.get(number);
  if (name === undefined) {
    throw new TundraError(
      'backend-not-found',
      `volume ${number} of ${set.manifestName} is not on the storage`,
      {
        advice:
          'The backup is damaged: restore a time before this set with --time, or bring the volume back.',
      },
    );
  }
  const parsed = parseRemoteName(name, prefixes);
  const { encrypted = false, compressed = false } = parsed ?? {};
  return { number, name, startKey, hash: bestHash(volume), encrypted, compressed };
}

/** The volumes of a plan in the order in which the merge comes to them. */
export function fetchOrder(plan: RestorePlan): { set: number; volume: PlannedVolume }[] {
  return plan.sets
    .flatMap((volumes, set) => volumes.map((volume) => ({ set, volume })))
    .sort((a, b) => compareKeys(a.volume.startKey, b.volume.startKey) || a.set - b.set);
}

function compareKeys(a: PathKey, b: PathKey): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
