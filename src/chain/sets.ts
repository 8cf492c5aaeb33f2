import {
  type NamePrefixes,
  parseRemoteName,
  type RemoteName,
  type SetTimes,
  setEnd,
} from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';

/** The files of one backup run. */
export interface BackupSet {
  times: SetTimes;
  /** Names on the storage, by volume number. */
  volumes: Map<number, string>;
  /** The manifest on the storage. A set without one is complete only as far as a local partial manifest says. */
  manifestName: string | undefined;
  /** The manifest in the local archive; of a partial set, the one that was being written. */
  localManifestName: string | undefined;
  /** Interrupted on this machine: the storage has no manifest, the local archive a partial one. */
  partial: boolean;
  encrypted: boolean;
}

/** A name of a backup's file with what it says. */
export interface ParsedName<Parsed extends RemoteName = RemoteName> {
  name: string;
  parsed: Parsed;
}

type OfKind<Kind extends RemoteName['kind']> = ParsedName<Extract<RemoteName, { kind: Kind }>>;
export type VolumeName = OfKind<'volume'>;
export type ManifestName = OfKind<'manifest'>;
export type SignatureName = OfKind<'signatures'>;

/** The names that are a backup's, in a defined order, whatever the order of the listing. */
export function parseNames(names: readonly string[], prefixes: NamePrefixes): ParsedName[] {
  const found: ParsedName[] = [];
  for (const name of names) {
    // A name may end in anything after its last dot. It becomes a local path, so it must not leave the folder.
    if (name.includes('/') || name.includes('\0')) continue;
    const parsed = parseRemoteName(name, prefixes);
    if (parsed !== undefined) found.push({ name, parsed });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** Equal for equal times only. */
export function timesKey(times: SetTimes): string {
  return times.type === 'full' ? `${times.time}` : `${times.start}-${times.end}`;
}

/**
 * Which of two files that claim to be the same one stands: the encrypted one, as nobody without the key can have slipped
 * it in, then the compressed one, then the one that was first.
 */
export function preferred<T extends ParsedName>(first: T, second: T): T {
  const rank = ({ parsed }: ParsedName) => (parsed.encrypted ? 2 : parsed.compressed ? 1 : 0);
  return rank(second) > rank(first) ? second : first;
}

export interface GatheredSets {
  /** Sets with a manifest on the storage, or a partial one here; by end time. */
  complete: BackupSet[];
  incomplete: BackupSet[];
  /** Names on the storage that claim to be a file which another name already is. */
  duplicates: string[];
}

/** What is known of a set while names are gathered. */
interface SetFiles {
  times: SetTimes;
  volumes: Map<number, VolumeName>;
  manifest: ManifestName | undefined;
  localManifest: ManifestName | undefined;
  partialManifest: ManifestName | undefined;
}

/**
 * Sorts files into the sets they belong to. On the storage, partial files do not count. In the local archive only
 * manifests do, and encrypted ones, which were on their way to the storage, do not.
 */
export function gatherSets(remote: readonly ParsedName[], local: readonly ParsedName[]): GatheredSets {
  const sets = new Map<string, SetFiles>();
  const duplicates: string[] = [];
  const filesOf = (times: SetTimes) => {
    const key = timesKey(times);
    let files = sets.get(key);
    if (files === undefined) {
      files = {
        times,
        volumes: new Map(),
        manifest: undefined,
        localManifest: undefined,
        partialManifest: undefined,
      };
      sets.set(key, files);
    }
    return files;
  };
  const choose = <T extends ParsedName>(known: T | undefined, found: T): T => {
    if (known === undefined) return found;
    const chosen = preferred(known, found);
    duplicates.push(chosen === known ? found.name : known.name);
    return chosen;
  };

  for (const found of remote) {
    if (found.parsed.partial || found.parsed.kind === 'signatures') continue;
    const files = filesOf(found.parsed.set);
    if (isKind(found, 'volume')) {
      files.volumes.set(found.parsed.volume, choose(files.volumes.get(found.parsed.volume), found));
    } else if (isKind(found, 'manifest')) {
      files.manifest = choose(files.manifest, found);
    }
  }
  for (const found of local) {
    if (!isKind(found, 'manifest') || found.parsed.encrypted) continue;
    // A final manifest here makes no set: it counts only for a set that the storage knows.
    if (found.parsed.partial) filesOf(found.parsed.set).partialManifest ??= found;
    else {
      const files = sets.get(timesKey(found.parsed.set));
      if (files !== undefined) files.localManifest ??= found;
    }
  }

  const complete: BackupSet[] = [];
  const incomplete: BackupSet[] = [];
  for (const files of sets.values()) {
    const set = backupSetOf(files);
    (set.manifestName === undefined && !set.partial ? incomplete : complete).push(set);
  }
  return { complete: complete.sort(byEnd), incomplete: incomplete.sort(byEnd), duplicates };
}

/**
 * The files of a local archive without partial signatures that stand for nothing: a run that is killed as its first volume
 * is recorded leaves them without the manifest that would make them an interrupted set.
 */
export function withoutLonePartials(local: readonly ParsedName[]): ParsedName[] {
  const begun = new Set<string>();
  for (const { parsed } of local) {
    if (parsed.kind === 'manifest' && parsed.partial) begun.add(timesKey(parsed.set));
  }
  return local.filter(
    ({ parsed }) => parsed.kind !== 'signatures' || !parsed.partial || begun.has(timesKey(parsed.set)),
  );
}

export function isKind<Kind extends RemoteName['kind']>(name: ParsedName, kind: Kind): name is OfKind<Kind> {
  return name.parsed.kind === kind;
}

function backupSetOf(files: SetFiles): BackupSet {
  const { times, manifest, localManifest, partialManifest } = files;
  const partial = manifest === undefined && partialManifest !== undefined;
  const numbered = [...files.volumes].sort(([a], [b]) => a - b);
  return {
    times,
    volumes: new Map(numbered.map(([number, { name }]) => [number, name])),
    manifestName: manifest?.name,
    localManifestName: partial ? partialManifest.name : localManifest?.name,
    partial,
    encrypted: manifest?.parsed.encrypted ?? numbered.some(([, { parsed }]) => parsed.encrypted),
  };
}

/** By end time; of sets that end together the full one first, then the one that began last. */
function byEnd(a: BackupSet, b: BackupSet): number {
  return setEnd(a.times) - setEnd(b.times) || startOf(b.times) - startOf(a.times);
}

function startOf(times: SetTimes): EpochSeconds {
  return times.type === 'full' ? Number.POSITIVE_INFINITY : times.start;
}

/** The names of a set on the storage: volumes by number, then the manifest. */
export function setFileNames(set: BackupSet): string[] {
  const names = [...set.volumes.values()];
  if (set.manifestName !== undefined) names.push(set.manifestName);
  return names;
}
