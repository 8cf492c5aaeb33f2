import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { bestHash, type Manifest, type VolumeRecord, volumeMayHold } from '../format/manifest.js';
import { type NamePrefixes, parseRemoteName } from '../format/names.js';
import type { AccessPoint } from './access-points.js';
import type { BackupSet } from './sets.js';

/** A volume that a restore needs. */
export interface PlannedVolume {
  number: number;
  /** On the storage. */
  name: string;
  startKey: PathKey;
  /** Where the volume before it ends: no path in it is lower. For the first one, `startKey`. */
  lowestKey: PathKey;
  /** Whether it may hold paths from `lowestKey` on, though its manifest says `startKey`. */
  startsEarlier: boolean;
  endKey: PathKey;
  /** Hash of the stored file; undefined where the manifest has none. */
  hash: { algorithm: string; hex: string } | undefined;
  encrypted: boolean;
  compressed: boolean;
  /** Where it can be read from the middle on, as far as that is known. */
  accessPoints?: readonly AccessPoint[];
}

/** What a restore needs, set by set, oldest first; known from metadata alone. */
export interface RestorePlan {
  /** The path that is wanted, with all below it. */
  wanted: PathKey;
  sets: PlannedVolume[][];
  /** The index that `mapRestore` wrote, if volumes were left out by it. */
  map?: string | undefined;
}

/**
 * The volumes of the sets that may hold the wanted path or something below it.
 *
 * Where a volume begins is not always what the manifest says. After the peer has taken up a broken-off run, and the last
 * file of the last volume is gone or has become shorter, the next volume's record names the path of its second entry, or
 * the root; where it ends is always right.
 *
 * @param readManifest gives the manifest of a set; it names all volumes: see `requireWholeManifest`
 */
export async function planRestore(
  sets: readonly BackupSet[],
  wanted: PathKey,
  prefixes: NamePrefixes,
  readManifest: (set: BackupSet) => Promise<Manifest>,
): Promise<RestorePlan> {
  const planned: PlannedVolume[][] = [];
  for (const set of sets) {
    const volumes: PlannedVolume[] = [];
    let before: VolumeRecord | undefined;
    let lowestKey: PathKey = '';
    for (const volume of (await readManifest(set)).volumes) {
      const { startKey, endKey } = volume;
      if (before === undefined) lowestKey = startKey;
      const isMisplaced = before?.endBlock !== undefined && startKey !== before.endKey;
      if (volumeMayHold(isMisplaced ? { ...volume, startKey: lowestKey } : volume, wanted))
        volumes.push(plan(set, volume, { lowestKey, startsEarlier: isMisplaced }, prefixes));
      if (endKey > lowestKey) lowestKey = endKey;
      before = volume;
    }
    planned.push(volumes);
  }
  return { wanted, sets: planned };
}

/**
 * Makes sure that a manifest names the volumes that the storage has, without a gap, and at least one. One that was
 * emptied or cut short is still a manifest to read, but what is missing there would be missing in what is restored, and
 * nobody would be told. Error: `unreadable-manifests`.
 *
 * @param endsWithFileList asked only where the storage has volumes behind the last one that is named: then nothing was
 *   cut off, and they are left from a run that was broken off and taken up again
 * @returns the names of those volumes
 */
export async function requireWholeManifest(
  set: BackupSet,
  { volumes }: Manifest,
  manifestName: string,
  endsWithFileList: () => Promise<boolean>,
): Promise<string[]> {
  const misnumbered = volumes.findIndex(({ number }, index) => number !== index + 1);
  const named = misnumbered === -1 ? volumes.length : misnumbered;
  const unnamed = [...set.volumes].filter(([number]) => number > named).map(([, name]) => name);
  const isWhole = named === volumes.length && named > 0;
  if (isWhole && (unnamed.length === 0 || (await endsWithFileList()))) return unnamed;
  throw new TundraError(
    'unreadable-manifests',
    `the manifest ${manifestName} is cut short: it does not name volume ${named + 1}`,
    { advice: 'Restore a time before this set with --time.' },
  );
}

function plan(
  set: BackupSet,
  volume: VolumeRecord,
  start: Pick<PlannedVolume, 'lowestKey' | 'startsEarlier'>,
  prefixes: NamePrefixes,
): PlannedVolume {
  const { number, startKey, endKey } = volume;
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
  return { number, name, startKey, ...start, endKey, hash: bestHash(volume), encrypted, compressed };
}

/** The last access point of a volume that has nothing of `lowest` or higher paths before it. */
export function accessPointBefore(
  { accessPoints = [] }: Pick<PlannedVolume, 'accessPoints'>,
  lowest: PathKey,
): AccessPoint | undefined {
  return accessPoints.findLast(({ after }) => after < lowest);
}

/** The volumes of a plan in the order in which the merge comes to them. */
export function fetchOrder(plan: RestorePlan): { set: number; volume: PlannedVolume }[] {
  return plan.sets
    .flatMap((volumes, set) => volumes.map((volume) => ({ set, volume })))
    .sort((a, b) => compareKeys(a.volume.lowestKey, b.volume.lowestKey) || a.set - b.set);
}

function compareKeys(a: PathKey, b: PathKey): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
