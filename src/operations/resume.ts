import { type BigIntStats, statSync } from 'node:fs';
import { collectBytes } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { fileStamp, isSettled } from '../base/file-stamp.js';
import { diskPath, displayKey, type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import { type BackupSet, type Catalog, catalogWithout } from '../chain/catalog.js';
import { type Checkpoint, type CheckpointVolume, readCheckpoint } from '../chain/checkpoint.js';
import { checkSource, type SourceIdentity } from '../chain/last-manifest.js';
import { lastPartialSignature } from '../chain/partial-signatures.js';
import { type SetNames, setNames } from '../chain/set-writer.js';
import { blockSizeBytes } from '../format/difftar.js';
import { type Manifest, ManifestParser, type VolumeRecord } from '../format/manifest.js';
import { type SetTimes, setEnd } from '../format/names.js';
import { prettyTime } from '../format/times.js';
import { deltaRevision } from '../rsync/delta-builder.js';
import { checkSealing, sealingNote } from './sealing-note.js';
import { type Session, tell } from './session.js';

/** A set that was interrupted, and where it is gone on with. */
export interface Resume {
  times: SetTimes;
  names: SetNames;
  /** What there is besides it. */
  catalog: Catalog;
  /** The volumes that stay, from 1. */
  volumes: VolumeRecord[];
  checkpoint: Checkpoint;
  at: ResumePoint;
}

/** What the source side must know to go on. */
export interface ResumePoint {
  /** The signatures of what is stored. */
  signatureFile: string;
  /** The last path that is stored, at least in part. */
  key: PathKey;
  /** Where its last pieces are missing. */
  file: InterruptedFile | undefined;
  /**
   * Where the signatures may be of files as they were later than they were stored, when the set was begun, in
   * milliseconds: a run of duplicity that goes on with a set writes the signatures of all files anew.
   */
  unsureSinceMs: number | undefined;
}

/** What there is of an interrupted set's manifest. */
interface PartialManifest extends Manifest {
  /** Whether another run has gone on with the set before, and appended its records. */
  isTakenUp: boolean;
}

/** A file of which pieces are stored. */
export interface InterruptedFile {
  piecesDone: number;
  /** The stamp it must have, so that the rest fits the pieces. */
  stamp: string;
  kind: 'snapshot' | 'diff';
}

export interface ResumeOptions {
  source: SourceIdentity;
  allowSourceMismatch: boolean;
  /** Go back to where a file ends: the one that was being stored is another one now. */
  wholeFiles: boolean;
}

/**
 * Finds out how much of an interrupted set stands. No volume is read but, where nothing else tells whether the passphrase
 * fits, the beginning of the first one, if it is not in cold storage. Undefined if nothing of it can be used.
 *
 * @throws TundraError `encryption-mismatch` if this run would seal in another way than the interrupted one;
 *   `hostname-mismatch`, `source-directory-mismatch`
 */
export async function planResume(
  session: Session,
  catalog: Catalog,
  set: BackupSet,
  options: ResumeOptions,
): Promise<Resume | undefined> {
  const { archive, cipher, prefixes } = session;
  const { times } = set;
  const names = setNames(times, cipher, prefixes);
  const manifest = await readPartialManifest(session, set);
  const rest = catalogWithout(catalog, times, prefixes);
  const signatureFile = archive.pathOf(names.partialSignatures);
  if (manifest === undefined || !isExisting(signatureFile) || !canBuild(rest, times)) return undefined;
  if (!options.allowSourceMismatch) await checkSource(manifest, options.source);
  const checkpoint = readCheckpoint(archive, times);
  await checkSealing(session, set, names, checkpoint);

  const stored = await storedSizes(session, set, names);
  const sent = sentVolumes(manifest.volumes, stored, checkpoint);
  const lastSigned = await lastPartialSignature(signatureFile);
  for (let count = sent.length; count > 0; count--) {
    const last = sent[count - 1] as VolumeRecord;
    const file =
      last.endBlock === undefined ? undefined : interruptedFile(last, set, options, checkpoint, session);
    const holds =
      last.endBlock === undefined
        ? lastSigned !== undefined && lastSigned >= last.endKey
        : file !== undefined;
    if (!holds) continue;
    const volumes = sent.slice(0, count);
    const isOurs = !manifest.isTakenUp && volumes.every((record) => noteOf(record, checkpoint) !== undefined);
    // What is made anew may end up as fewer volumes.
    const later = [...set.volumes].filter(([number]) => number > count).map(([, name]) => name);
    if (later.length > 0) await session.backend.remove(later);
    return {
      times,
      names,
      catalog: rest,
      volumes,
      checkpoint: await keptCheckpoint(session, checkpoint, volumes),
      at: {
        signatureFile,
        key: last.endKey,
        file,
        unsureSinceMs: isOurs ? undefined : beginningMs(session, set),
      },
    };
  }
  return undefined;
}

/** Says where a set is gone on with. */
export function tellResume(session: Session, { times, volumes, at }: Resume): void {
  const where =
    at.key === '' ? '' : `, ${at.file === undefined ? 'behind' : 'in the middle of'} ${displayKey(at.key)}`;
  tell(
    session,
    'notice',
    `The ${times.type} backup of ${prettyTime(setEnd(times))} was interrupted: it goes on after volume ${volumes.length}${where}.`,
  );
}

/** The manifest as far as it was written. */
async function readPartialManifest(
  { archive }: Session,
  set: BackupSet,
): Promise<PartialManifest | undefined> {
  if (set.localManifestName === undefined) return undefined;
  const text = (await collectBytes(archive.read(set.localManifestName), manifestLimitBytes)).toString(
    'latin1',
  );
  // The last record may be cut off, and what follows the records is made anew.
  const end = text.search(/^filelist /im);
  const records = end < 0 ? text : text.slice(0, end);
  const manifest = parse(records) ?? parse(records.slice(0, records.lastIndexOf('\nVolume ') + 1));
  const numbers = [...records.matchAll(/^volume ([0-9]+):/gim)].map(([, number]) => Number(number));
  const isTakenUp = numbers.some((number, index) => index > 0 && number <= (numbers[index - 1] as number));
  return manifest && { ...manifest, isTakenUp };
}

const manifestLimitBytes = 1 << 28;

function parse(text: Latin1): Manifest | undefined {
  try {
    const parser = new ManifestParser();
    parser.update(Buffer.from(text, 'latin1'));
    return parser.finish();
  } catch (error) {
    if (error instanceof TundraError) return undefined;
    throw error;
  }
}

/** Undefined where it cannot be looked at, for whatever reason. */
function statsOf(path: string | Buffer): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function isExisting(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Whether what the set builds on is there, and is still the newest. */
export function canBuild({ primary }: Catalog, times: SetTimes): boolean {
  return times.type === 'full' || primary?.signatures.endTime === times.start;
}

/** Sizes of the set's volumes by number, of those that have the names this run would give them. */
async function storedSizes(
  { backend }: Session,
  set: BackupSet,
  names: SetNames,
): Promise<Map<number, number>> {
  const sizes = new Map((await backend.list()).map(({ name, sizeBytes }) => [name, sizeBytes]));
  const found = new Map<number, number>();
  for (const number of set.volumes.keys()) {
    const size = sizes.get(names.volume(number));
    if (size !== undefined) found.set(number, size);
  }
  return found;
}

/**
 * The volumes that are on the storage whole, as far as none is missing. Without a note of its size the last one is made
 * anew: it may have been cut off.
 */
function sentVolumes(
  records: readonly VolumeRecord[],
  stored: ReadonlyMap<number, number>,
  checkpoint: Checkpoint | undefined,
): VolumeRecord[] {
  const sent: VolumeRecord[] = [];
  for (const record of records) {
    const { number } = record;
    const size = stored.get(number);
    if (number !== sent.length + 1 || size === undefined || !isWholeRecord(record)) break;
    const note = noteOf(record, checkpoint);
    if (note === undefined ? !stored.has(number + 1) : note.sizeBytes !== size) break;
    sent.push(record);
  }
  return sent;
}

/** The hash comes last, and a record may be cut off. */
function isWholeRecord({ hashes }: VolumeRecord): boolean {
  return hashes.some(({ algorithm, hex }) => algorithm === 'SHA1' && /^[0-9a-f]{40}$/.test(hex));
}

/** What was noted of a volume beside the manifest. */
function noteOf(record: VolumeRecord, checkpoint: Checkpoint | undefined): CheckpointVolume | undefined {
  const note = checkpoint?.volumes.get(record.number);
  return record.hashes.some(({ algorithm, hex }) => algorithm === 'SHA1' && hex === note?.sha1Hex)
    ? note
    : undefined;
}

/**
 * The file in the middle of which a volume ends, if it is surely the one that the pieces are of: by the stamp that was
 * noted, or because it was last changed before the interrupted run began.
 */
function interruptedFile(
  record: VolumeRecord,
  set: BackupSet,
  { source, wholeFiles }: ResumeOptions,
  checkpoint: Checkpoint | undefined,
  session: Session,
): InterruptedFile | undefined {
  if (wholeFiles || record.endBlock === undefined) return undefined;
  const path = diskPath(`${source.directory}/${slashPath(record.endKey)}`);
  const stats = statsOf(path);
  if (!stats?.isFile()) return undefined;
  const stamp = fileStamp(stats);
  const piecesDone = record.endBlock;
  const note = noteOf(record, checkpoint)?.file;
  if (note !== undefined) {
    const isSame = note.stamp === stamp && (note.kind === 'snapshot' || note.deltaRevision === deltaRevision);
    return isSame ? { piecesDone, stamp, kind: note.kind } : undefined;
  }
  const isOld = isSettled(stats, beginningMs(session, set)) && stats.size >= piecesDone * blockSizeBytes;
  return isOld ? { piecesDone, stamp, kind: 'snapshot' } : undefined;
}

/** When a set was begun, or somewhat before. */
function beginningMs({ archive }: Session, { times, localManifestName }: BackupSet): number {
  const { birthtimeMs } = statSync(archive.pathOf(localManifestName as string));
  return Math.min(setEnd(times) * 1000, birthtimeMs || Number.POSITIVE_INFINITY);
}

/** The notes of the volumes that stay; of a set of duplicity, with the sealing of this run. */
async function keptCheckpoint(
  session: Session,
  checkpoint: Checkpoint | undefined,
  volumes: readonly VolumeRecord[],
): Promise<Checkpoint> {
  const kept = new Map<number, CheckpointVolume>();
  for (const record of volumes) {
    const note = noteOf(record, checkpoint);
    if (note !== undefined) kept.set(record.number, note);
  }
  const { token, keys } = checkpoint ?? (await sealingNote(session));
  return { token, keys, volumes: kept };
}
