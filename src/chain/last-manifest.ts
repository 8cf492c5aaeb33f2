import { TundraError } from '../base/errors.js';
import { displayBytes, type Latin1 } from '../base/path-key.js';
import type { Manifest, VolumeRecord } from '../format/manifest.js';
import { DamagedArchiveFile } from './archive.js';
import { allSets, type BackupSet, type Catalog } from './catalog.js';
import { type MetadataStores, readLocalManifest, readRemoteManifest } from './metadata.js';

/** What is being backed up. */
export interface SourceIdentity {
  hostname: string;
  /** The host's fully qualified name, which old manifests hold; asked for only if `hostname` does not fit. */
  fullHostname: () => Promise<string | undefined>;
  /** The source folder, canonical. */
  directory: Latin1;
}

export interface LastManifestOptions {
  /** Whether to open the manifest on the storage, unless it is sealed; not if there is no key to open it with. */
  checkRemote: boolean;
  /** Whether it must open: with a passphrase of its own a new set could not be restored together with those before. */
  mustOpen?: boolean;
  allowSourceMismatch: boolean;
}

/**
 * Checks, before an incremental backup, the newest set's manifest: the storage's and the archive's agree, and it is of
 * the same host and source folder.
 *
 * @throws TundraError `no-manifests`, `mismatched-manifests`, `unreadable-manifests`, `hostname-mismatch`,
 *   `source-directory-mismatch`; `encryption` if it must open and does not
 */
export async function checkLastManifest(
  catalog: Catalog,
  stores: MetadataStores,
  source: SourceIdentity,
  options: LastManifestOptions,
): Promise<void> {
  const chain = catalog.chains.at(-1);
  const set = chain === undefined ? undefined : allSets(chain).at(-1);
  if (set === undefined) return;
  if (set.manifestName === undefined && set.localManifestName === undefined) {
    throw new TundraError('no-manifests', 'The newest backup set has no manifest');
  }
  const remote = options.checkRemote ? await remoteManifestOf(set, stores, options) : undefined;
  const local = await localManifestOf(set, stores);
  if (remote !== undefined && local !== undefined && !isSameManifest(remote, local)) {
    throw new TundraError(
      'mismatched-manifests',
      `The manifest on the storage, ${set.manifestName}, differs from the one in the local archive`,
      { advice: 'One of them is damaged. Remove the local one, and the next run fetches it again.' },
    );
  }
  const manifest = remote ?? local;
  if (manifest === undefined) {
    throw new TundraError(
      'unreadable-manifests',
      'Neither the storage nor the local archive has a manifest to read',
      {
        advice: 'Check the passphrase or key; if they are right, begin a new full backup.',
      },
    );
  }
  if (!options.allowSourceMismatch) await checkSource(manifest, source);
}

async function remoteManifestOf(
  set: BackupSet,
  stores: MetadataStores,
  { mustOpen = false }: LastManifestOptions,
): Promise<Manifest | undefined> {
  const { manifestName, localManifestName } = set;
  if (manifestName === undefined) return undefined;
  if (localManifestName !== undefined && (await isSealed(manifestName, stores))) {
    const text = `${manifestName} lies in cold storage: what the local archive has of it is not compared with it.`;
    stores.events({ kind: 'message', level: 'warning', text });
    return undefined;
  }
  return readableOrUndefined(readRemoteManifest(stores, manifestName), stores, mustOpen);
}

/** Whether a file would have to be thawed: to read it is then not worth the wait, and may start a thaw. */
async function isSealed(name: string, { backend }: MetadataStores): Promise<boolean> {
  const objects = (await backend.cold?.survey()) ?? [];
  return objects.some((object) => object.name === name && object.state !== 'ready');
}

async function localManifestOf(set: BackupSet, stores: MetadataStores): Promise<Manifest | undefined> {
  if (set.localManifestName === undefined) return undefined;
  return readableOrUndefined(readLocalManifest(stores.archive, set.localManifestName), stores);
}

/** A manifest that cannot be opened or understood is told of, and no error yet: there may be another copy. */
async function readableOrUndefined(
  reading: Promise<Manifest>,
  { events }: MetadataStores,
  mustOpen = false,
): Promise<Manifest | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (mustOpen && error instanceof TundraError && error.code === 'encryption') throw error;
    const isUnreadable =
      error instanceof DamagedArchiveFile ||
      (error instanceof TundraError &&
        (error.code === 'encryption' || error.code === 'unreadable-manifests'));
    if (!isUnreadable) throw error;
    events({ kind: 'message', level: 'error', text: `A manifest cannot be read: ${error.message}`, code: 1 });
    return undefined;
  }
}

/** Whether two manifests are of the same host and folder, and list the same volumes. */
function isSameManifest(a: Manifest, b: Manifest): boolean {
  return (
    a.hostname === b.hostname &&
    a.localDir === b.localDir &&
    a.volumes.length === b.volumes.length &&
    a.volumes.every((volume, index) => isSameVolume(volume, b.volumes[index]!))
  );
}

function isSameVolume(a: VolumeRecord, b: VolumeRecord): boolean {
  const hashes = ({ hashes }: VolumeRecord) =>
    hashes
      .map(({ algorithm, hex }) => `${algorithm} ${hex}`)
      .sort()
      .join();
  return a.number === b.number && hashes(a) === hashes(b);
}

/** Makes sure that a manifest is of this host and source folder. Errors: `hostname-mismatch`, `source-directory-mismatch`. */
export async function checkSource(
  manifest: Pick<Manifest, 'hostname' | 'localDir'>,
  source: SourceIdentity,
): Promise<void> {
  const { hostname, localDir } = manifest;
  if (hostname && hostname !== source.hostname && hostname !== (await source.fullHostname())) {
    throw sourceMismatch('hostname-mismatch', 'host', source.hostname, hostname);
  }
  if (localDir && localDir !== source.directory) {
    throw sourceMismatch(
      'source-directory-mismatch',
      'folder',
      displayBytes(source.directory),
      displayBytes(localDir),
    );
  }
}

function sourceMismatch(
  code: 'hostname-mismatch' | 'source-directory-mismatch',
  what: string,
  current: string,
  previous: string,
): TundraError {
  return new TundraError(
    code,
    `The source ${what} is not that of the last backup.\nCurrent ${what}: ${current}\nPrevious ${what}: ${previous}`,
    {
      advice:
        'Two sources must not share a target or a local archive. If this is the same source after a move, ' +
        'run with --allow-source-mismatch.',
    },
  );
}
