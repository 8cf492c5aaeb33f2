import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { temporaryPlace } from '../base/local-disk.js';
import { allSets, type BackupSet, readCatalog } from '../chain/catalog.js';
import { endsWithFileList } from '../chain/metadata.js';
import { requireWholeManifest } from '../chain/restore-plan.js';
import { type SetNames, setNames } from '../chain/set-writer.js';
import { isKind, type ParsedName, parseNames, preferred, setFileNames, timesKey } from '../chain/sets.js';
import { addUnlistedVolumes, withUnlisted } from '../chain/unlisted.js';
import { bestHash, type Manifest, ManifestParser } from '../format/manifest.js';
import { parseRemoteName, setEnd } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import type { FileSealing } from '../seal/cipher.js';
import { bringVolume, checkHashOnDisk, type FetchableVolume } from '../volume/bring.js';
import { metadataStores, newTempPath, type Session, tell } from './session.js';

/** Where backups are copied from and to. */
export interface Sides {
  source: Session;
  target: Session;
  /** Whether this run signs what it seals: then nothing is copied as it is. */
  signs: boolean;
}

/** What a storage has. */
export interface Contents {
  files: ParsedName[];
  /** Of the objects that its listing shows. */
  sizes: ReadonlyMap<string, number>;
}

/** A finished set of the source. */
export interface SourceSet {
  set: BackupSet;
  manifestName: string;
  /** Undefined where they were lost: the set can be restored, and not be built on. */
  signaturesName: string | undefined;
}

/** A volume to copy. */
export interface ReplicaVolume extends FetchableVolume {
  number: number;
  sizeBytes: number;
  targetName: string;
  /** Copied byte by byte; else opened and sealed anew. */
  asItIs: boolean;
}

/** How a set is copied. */
export interface Replica {
  from: SourceSet;
  to: SetNames;
  /** SHA-256 of the plain manifest. */
  manifestDigest: string;
  /** Those that the target lacks, by number. */
  volumes: ReplicaVolume[];
  /** Whether a file of the set that is sealed in this way, beside volumes, is copied byte by byte. */
  isKept(sealing: FileSealing, wanted: FileSealing): boolean;
  /** Files of this set on the target that do not belong to what it will have there. */
  leftovers: string[];
}

export async function contentsOf(session: Session): Promise<Contents> {
  const { backend, archive, prefixes } = session;
  const stored = await backend.list();
  const listed = stored.map(({ name }) => name);
  const names = await withUnlisted(metadataStores(session), listed, await archive.list());
  return {
    files: parseNames(names, prefixes).filter(({ parsed }) => !parsed.partial),
    sizes: new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes])),
  };
}

/**
 * The finished sets of a storage, oldest first; what belongs to none is told. The local archive does not count: what it
 * alone has of a set is not on the storage.
 */
export function finishedSets(
  session: Session,
  { files }: Contents,
  before: EpochSeconds | undefined,
): SourceSet[] {
  const catalog = readCatalog(
    files.map(({ name }) => name),
    [],
    session.prefixes,
  );
  const { chains, incompleteSets, orphanedSets, replacedSets } = catalog;
  // Among them is a last set whose signatures are missing. It can be restored all the same.
  const finished = [...chains.flatMap(allSets), ...incompleteSets.filter(({ manifestName }) => manifestName)];
  const rest = [
    ...incompleteSets.filter(({ manifestName }) => !manifestName),
    ...orphanedSets,
    ...replacedSets,
  ];
  if (rest.length > 0) {
    const names = rest.flatMap(setFileNames).join('\n');
    tell(session, 'warning', `Not replicated, as they belong to no finished backup, are:\n${names}`, 5);
  }
  const signatures = new Map<string, ParsedName>();
  for (const file of files) {
    if (!isKind(file, 'signatures')) continue;
    const key = timesKey(file.parsed.set);
    const known = signatures.get(key);
    signatures.set(key, known === undefined ? file : preferred(known, file));
  }
  return finished
    .filter(({ times }) => before === undefined || setEnd(times) < before)
    .sort((a, b) => setEnd(a.times) - setEnd(b.times))
    .map((set) => ({
      set,
      manifestName: set.manifestName as string,
      signaturesName: signatures.get(timesKey(set.times))?.name,
    }));
}

/** Whether the target has a set already: what has a manifest there is finished. */
export async function isReplicated({ target }: Sides, { set }: SourceSet, there: Contents): Promise<boolean> {
  const key = timesKey(set.times);
  if (there.files.some((file) => isKind(file, 'manifest') && timesKey(file.parsed.set) === key)) return true;
  const { backend, cipher, prefixes } = target;
  if (backend.promises.consistentList) return false;
  return (await backend.stat(setNames(set.times, cipher, prefixes).manifest)) !== undefined;
}

/**
 * Reads the manifest of a set and decides how each of its files is copied.
 *
 * Errors: `unreadable-manifests`, `encryption`, `backend-not-found`.
 */
export async function planReplica(
  sides: Sides,
  from: SourceSet,
  here: Contents,
  there: Contents,
): Promise<Replica> {
  const { source, target } = sides;
  const { set, manifestName } = from;
  const { manifest, digest, keyFits } = await withSealedFile(source, manifestName, async (path) => ({
    ...(await readManifest(source, from, path)),
    keyFits: await opensWithOurs(sides, manifestName, path),
  }));
  await addUnlistedVolumes(source, set, manifest);
  const to = setNames(set.times, target.cipher, target.prefixes);
  const isKept = (has: FileSealing, wanted: FileSealing) =>
    has.encrypted === wanted.encrypted && has.compressed === wanted.compressed && (!has.encrypted || keyFits);
  const all = await Promise.all(
    manifest.volumes.map(async (record): Promise<ReplicaVolume> => {
      const { number } = record;
      const name = set.volumes.get(number);
      if (name === undefined) {
        throw new TundraError(
          'backend-not-found',
          `volume ${number} of ${manifestName} is not on the storage`,
        );
      }
      const sealing = sealingOf(source, name);
      const sizeBytes = here.sizes.get(name) ?? (await source.backend.stat(name))?.sizeBytes ?? 0;
      const asItIs = isKept(sealing, target.cipher);
      return {
        number,
        name,
        hash: bestHash(record),
        ...sealing,
        sizeBytes,
        targetName: to.volume(number),
        asItIs,
      };
    }),
  );
  const volumes: ReplicaVolume[] = [];
  for (const volume of all) if (!(await isSent(target, volume, there))) volumes.push(volume);
  const own = new Set([to.manifest, to.signatures, ...all.map(({ targetName }) => targetName)]);
  const key = timesKey(set.times);
  const leftovers = there.files
    .filter(({ name, parsed }) => timesKey(parsed.set) === key && !own.has(name))
    .map(({ name }) => name);
  return { from, to, manifestDigest: digest, volumes, isKept, leftovers };
}

/** What the name of a file says of its sealing. */
export function sealingOf({ prefixes }: Pick<Session, 'prefixes'>, name: string): FileSealing {
  const { encrypted = false, compressed = false } = parseRemoteName(name, prefixes) ?? {};
  return { encrypted, compressed };
}

/**
 * Whether what is encrypted as this file is needs no other encryption: this run would encrypt with the same passphrase.
 * Of what is encrypted to keys nobody can tell to whom: that is sealed anew.
 */
async function opensWithOurs({ source, target, signs }: Sides, name: string, path: string): Promise<boolean> {
  if (!target.isSymmetric || signs || !sealingOf(source, name).encrypted) return false;
  return (await source.opener.checkKey(path, name)) === true;
}

/** Whether an earlier run that was broken off has sent a volume. Sealed anew, it would be another one each time. */
async function isSent({ backend }: Session, volume: ReplicaVolume, there: Contents): Promise<boolean> {
  const { asItIs, targetName, sizeBytes } = volume;
  if (!asItIs) return false;
  const consistent = backend.promises.consistentList;
  const size =
    there.sizes.get(targetName) ?? (consistent ? undefined : (await backend.stat(targetName))?.sizeBytes);
  if (size !== sizeBytes) return false;
  const path = backend.localPathOf?.(targetName);
  if (path === undefined) return true;
  // Where it costs no transfer, the hash says more than the size.
  return checkHashOnDisk(volume, path).then(
    () => true,
    () => false,
  );
}

async function readManifest(
  source: Session,
  { set, manifestName }: SourceSet,
  path: string,
): Promise<{ manifest: Manifest; digest: string }> {
  const opened = async () =>
    (await source.opener.open(path, sealingOf(source, manifestName), manifestName)).bytes;
  const parser = new ManifestParser();
  const digest = createHash('sha256');
  try {
    for await (const piece of await opened()) {
      parser.update(piece);
      digest.update(piece);
    }
    const manifest = parser.finish();
    await requireWholeManifest(set, manifest, manifestName, async () => endsWithFileList(await opened()));
    return { manifest, digest: digest.digest('hex') };
  } catch (error) {
    if (!(error instanceof TundraError) || error.message.includes(manifestName)) throw error;
    throw new TundraError(error.code, `${manifestName}: ${error.message}`, { cause: error });
  }
}

/** Hands on the local path of a file of the storage: in place, or as a copy that is removed again. */
export async function withSealedFile<T>(
  session: Session,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const inPlace = session.backend.localPathOf?.(name);
  if (inPlace !== undefined) return use(inPlace);
  const { backend, retries, events } = session;
  const path = newTempPath(session, 'sealed');
  const file = { name, hash: undefined, ...sealingOf(session, name) };
  const options = { backend, retries: { ...retries, onEvent: events } };
  try {
    await bringVolume(file, path, temporaryPlace, options, new AbortController().signal);
    return await use(path);
  } finally {
    await rm(path, { force: true });
  }
}

/** A stream as it passes by. */
export async function* watched(bytes: ByteStream, onPiece: (piece: Uint8Array) => void): ByteStream {
  for await (const piece of bytes) {
    onPiece(piece);
    yield piece;
  }
}
