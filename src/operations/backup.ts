import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorOfPlain, TundraError } from '../base/errors.js';
import type { FileNote } from '../base/file-stamp.js';
import { archivePlace, temporaryPlace } from '../base/local-disk.js';
import { displayKey } from '../base/path-key.js';
import type { BackupStatistics } from '../base/statistics.js';
import {
  type BackupChain,
  type BackupSet,
  type Catalog,
  catalogWithout,
  interruptedSet,
  lastFullTime,
  type SignatureChain,
} from '../chain/catalog.js';
import { fullHostname } from '../chain/host-name.js';
import { indexName, keepIndex } from '../chain/index-update.js';
import { checkLastManifest, type SourceIdentity } from '../chain/last-manifest.js';
import { removePartialFiles, SetWriter, setNames } from '../chain/set-writer.js';
import { keepSignaturePoints, signaturePointBytes } from '../chain/signature-points.js';
import { type SetTimes, setEnd } from '../format/names.js';
import { type EpochSeconds, prettyTime } from '../format/times.js';
import { VolumeCutter } from '../volume/cutter.js';
import { createSlotRing, SlotReader, type SlotRing } from '../volume/slots.js';
import { VolumeFiles } from '../volume/volume-file.js';
import type { BackupThreadJob, BackupThreadMessage } from './backup-thread.js';
import { synchronisedCollection, tellLastFull } from './collection.js';
import { canBuild, planResume, type Resume, tellResume } from './resume.js';
import { readFile, readOpened, sealToFile } from './seal-file.js';
import { sealingNote } from './sealing-note.js';
import { metadataStores, newTempPath, type Session, tell } from './session.js';
import type { SourceSides } from './source-side.js';
import { storeFile, uploadFile } from './uploads.js';
import { VolumeSender } from './volume-sender.js';

export interface BackupOptions {
  /** `auto`: incremental if there is something to build on, else full. */
  mode: 'full' | 'incremental' | 'auto';
  /** What is backed up. Whoever started them stops them. */
  sources: SourceSides;
  volumeSizeBytes: number;
  maxBlockSizeBytes: number;
  /** Make a full backup if the last one is from before this time. */
  fullIfBefore: EpochSeconds | undefined;
  allowSourceMismatch: boolean;
  hostname: string;
  /** Whether the manifest names the files. */
  listFiles: boolean;
  /** Volumes on their way to the storage at once, beside the one being made. */
  uploads: number;
  dryRun: boolean;
  /** Make no incremental set in which there would be nothing. */
  skipIfUnchanged?: boolean | undefined;
  /** For tests: stop right after this volume was sent. */
  failAfterVolume?: number | undefined;
  /** For tests: do not send this volume, as if it were lost on its way. */
  skippedVolume?: number | undefined;
}

export interface BackupReport {
  kind: 'full' | 'incremental';
  times: SetTimes;
  statistics: BackupStatistics;
  /** False in a dry run, and where nothing had changed and that set was to be left out. */
  isMade: boolean;
}

/** Packed bytes on their way from the source side to the sealing. */
const slotBytes = 1024 * 1024;
const slotCount = 4;

/**
 * Makes a backup set and sends it: volumes, then signatures, then the manifest, which makes it count. A set that an
 * earlier run left unfinished is finished instead; where that was an incremental one and a full one is asked for, the
 * full one follows.
 *
 * @returns a report of each set, in order
 */
export async function backup(session: Session, options: BackupOptions): Promise<BackupReport[]> {
  const { dryRun } = options;
  let catalog = await synchronisedCollection(session, { time: session.now(), dryRun });
  const reports: BackupReport[] = [];
  const interrupted = interruptedSet(catalog);
  if (interrupted !== undefined) {
    const goOn = dryRun ? countInterrupted : finishInterrupted;
    const report = await goOn(session, catalog, interrupted, options);
    if (report !== undefined) reports.push(report);
    if (report !== undefined && !(options.mode === 'full' && report.kind === 'incremental')) return reports;
    catalog = dryRun
      ? catalogWithout(catalog, interrupted.times, session.prefixes)
      : await synchronisedCollection(session, { time: session.now(), dryRun });
  }
  const base = chooseBase(session, catalog, options);
  const times = await timesOf(session, catalog, base);
  // Beside the first look at the source, but before anything is stored.
  const permission = base === undefined ? Promise.resolve() : checkBase(session, catalog, options);
  permission.catch(() => {});
  const report = await makeSet(session, options, { times, signatures: base?.signatures, permission });
  return [...reports, report];
}

/** What a dry run tells of an interrupted set: what there will be in all of it. Undefined if it cannot be gone on with. */
async function countInterrupted(
  session: Session,
  catalog: Catalog,
  { times }: BackupSet,
  options: BackupOptions,
): Promise<BackupReport | undefined> {
  const rest = catalogWithout(catalog, times, session.prefixes);
  if (!canBuild(rest, times)) return undefined;
  tell(
    session,
    'notice',
    `The ${times.type} backup of ${prettyTime(setEnd(times))} was interrupted: a run would go on with it.`,
  );
  const isFull = times.type === 'full';
  return makeSet(session, options, {
    times,
    signatures: isFull ? undefined : rest.primary?.signatures,
    permission: isFull ? Promise.resolve() : checkBase(session, rest, options),
  });
}

/** Goes on with a set that an earlier run left. Undefined if nothing of it can be used: then it is given up. */
async function finishInterrupted(
  session: Session,
  catalog: Catalog,
  set: BackupSet,
  options: BackupOptions,
): Promise<BackupReport | undefined> {
  const { allowSourceMismatch } = options;
  for (const wholeFiles of [false, true]) {
    const resume = await planResume(session, catalog, set, {
      source: sourceIdentity(options),
      allowSourceMismatch,
      wholeFiles,
    });
    if (resume === undefined) break;
    tellResume(session, resume);
    const { times } = resume;
    const signatures = times.type === 'full' ? undefined : resume.catalog.primary?.signatures;
    const permission =
      times.type === 'full' ? Promise.resolve() : checkBase(session, resume.catalog, options);
    permission.catch(() => {});
    try {
      return await makeSet(session, options, { times, signatures, permission, resume });
    } catch (error) {
      if (!(error instanceof CannotContinue)) throw error;
      tell(session, 'notice', `${displayKey(resume.at.key)} is not as it was: the backup goes further back.`);
    }
  }
  const { times, volumes } = set;
  tell(
    session,
    'notice',
    `The ${times.type} backup of ${prettyTime(setEnd(times))} was interrupted, and nothing of it can be used: ` +
      'it is given up, and a new one is begun.',
  );
  const names = setNames(times, session.cipher, session.prefixes);
  await session.backend.remove([...volumes.values(), names.signatures]);
  await removePartialFiles(session.archive, names);
  return undefined;
}

/** The file in the middle of which a set was to be gone on with is another one now. */
class CannotContinue extends Error {}

/** A set to make. */
interface SetPlan {
  times: SetTimes;
  /** What an incremental one builds on. */
  signatures: SignatureChain | undefined;
  /** Resolves when something may be stored. */
  permission: Promise<void>;
  /** Where it is gone on with. */
  resume?: Resume | undefined;
}

/** What an incremental backup builds on; undefined for a full one. */
function chooseBase(
  session: Session,
  catalog: Catalog,
  options: BackupOptions,
): { chain: BackupChain; signatures: SignatureChain } | undefined {
  tellLastFull(session, catalog);
  if (options.mode === 'full') return undefined;
  if (options.fullIfBefore !== undefined && (lastFullTime(catalog) ?? 0) < options.fullIfBefore) {
    tell(session, 'notice', 'Last full backup is too old, forcing full backup');
    return undefined;
  }
  const { primary } = catalog;
  if (primary === undefined) {
    if (options.mode === 'incremental') {
      throw new TundraError(
        'incremental-without-signatures',
        'Unable to start incremental backup. Old signatures not found and incremental specified',
        { advice: 'Make a full backup first: run the same command with "full".' },
      );
    }
    tell(session, 'warning', 'No signatures found, switching to full backup.');
    return undefined;
  }
  return primary;
}

/** Makes sure that an incremental backup is of the same source as what it builds on. */
function checkBase(session: Session, catalog: Catalog, options: BackupOptions): Promise<void> {
  return checkLastManifest(catalog, metadataStores(session), sourceIdentity(options), {
    checkRemote: session.canOpen,
    mustOpen: session.isSymmetric,
    allowSourceMismatch: options.allowSourceMismatch,
  });
}

function sourceIdentity({ hostname, sources }: BackupOptions): SourceIdentity {
  return { hostname, fullHostname, directory: sources.root };
}

/** The set's own times. They must lie after the last set's, whose end is also where an incremental one starts. */
async function timesOf(
  session: Session,
  catalog: Catalog,
  base: { chain: BackupChain } | undefined,
): Promise<SetTimes> {
  const last = catalog.chains.at(-1)?.endTime;
  let now = session.now();
  if (last !== undefined && now < last) {
    throw new TundraError(
      'user-error',
      `the clock says ${prettyTime(now)}, but the last backup is from ${prettyTime(last)}`,
      { advice: "Set this machine's clock right, then run the backup again." },
    );
  }
  while (now === last) {
    await sleep(1000);
    const later = session.now();
    if (later === now) throw new TundraError('user-error', 'a backup of this very second exists already');
    now = later;
  }
  if (base === undefined) return { type: 'full', time: now };
  const lastSet = base.chain.incrementals.at(-1) ?? base.chain.full;
  return { type: 'incremental', start: setEnd(lastSet.times), end: now };
}

async function makeSet(session: Session, options: BackupOptions, plan: SetPlan): Promise<BackupReport> {
  const { archive, cipher } = session;
  const { times, signatures, permission, resume } = plan;
  const kind = times.type;
  const knownSignatures = signatures?.files.map(({ name }) => archive.pathOf(name)) ?? [];
  if (options.dryRun) {
    await permission;
    return { kind, times, statistics: await countOnly(session, options, knownSignatures), isMade: false };
  }
  const startTime = Date.now() / 1000;
  const set = new SetWriter(archive, {
    times,
    names: setNames(times, cipher, session.prefixes),
    hostname: options.hostname,
    localDir: options.sources.root,
    volumes: resume?.volumes ?? [],
  });
  const sending = new VolumeSender(session, set, options);
  const files = new VolumeFiles();
  const cutter = new VolumeCutter({
    cipher,
    files,
    limitBytes: options.volumeSizeBytes,
    firstNumber: (resume?.volumes.length ?? 0) + 1,
    spoolPath: (number) => newTempPath(session, `vol${number}`),
    onVolume: (volume) => sending.add(volume),
  });
  const ring = createSlotRing(slotBytes, slotCount);
  const job = jobOf(session, options, knownSignatures, ring);
  const source = options.sources.next();
  const messages = source.begin({
    ...job,
    resume: resume?.at,
    signatureFile: set.signaturePath,
    fileListFile: options.listFiles ? set.fileListPath : undefined,
  });
  try {
    await permission;
    // Not before: then the salt of what was opened for it can be taken again.
    set.note(resume?.checkpoint ?? { ...(await sealingNote(session)), volumes: new Map() });
    cutter.begin();
    const done = await packVolumes(session, messages, new SlotReader(ring), cutter, sending);
    const isSkipped = options.skipIfUnchanged && kind === 'incremental' && done.counts.deltaEntries === 0;
    if (isSkipped && resume === undefined) {
      tell(session, 'notice', 'Nothing has changed: no backup set is made.');
      await cutter.abort();
      await set.abandon();
      await rm(job.index.newPath, { force: true });
      const statistics = {
        ...done.counts,
        startTime,
        endTime: Date.now() / 1000,
        totalDestinationSizeChangeBytes: 0,
      };
      return { kind, times, statistics, isMade: false };
    }
    // Beside the end of the last volume, and its way to the storage.
    const signatures = sealSignatures(session, set);
    signatures.catch(() => {});
    try {
      await cutter.finish();
      await sending.drain();
    } catch (error) {
      await signatures.then(removeSealed, () => {});
      throw error;
    }
    const endTime = Date.now() / 1000;
    const statistics = {
      ...done.counts,
      startTime,
      endTime,
      totalDestinationSizeChangeBytes: sending.bytesSent,
    };
    const sealed = await signatures;
    await commit(session, set, sealed, done.fileListCount);
    await keepSignaturePoints(archive, set.names.localSignatures, sealed.points);
    if (done.index !== undefined) {
      await keepIndex(archive, done.index, [...knownSignatures, archive.pathOf(set.names.localSignatures)]);
    }
    return { kind, times, statistics, isMade: true };
  } catch (error) {
    await source.stop();
    await cutter.abort();
    await sending.settle();
    await set.abandon();
    await rm(job.index.newPath, { force: true });
    throw error;
  } finally {
    await source.stop();
    await files.close();
  }
}

type Done = Extract<BackupThreadMessage, { kind: 'done' }>;

/** Takes what the source side packs and cuts it into volumes. */
async function packVolumes(
  session: Session,
  messages: AsyncIterable<BackupThreadMessage>,
  slots: SlotReader,
  cutter: VolumeCutter | undefined,
  notes: { note: FileNote | undefined } | undefined,
): Promise<Done> {
  for await (const message of messages) {
    switch (message.kind) {
      case 'batch': {
        const { slot, ends, keys, pieces, notes: noted } = message.batch;
        const bytes = slots.take(slot, ends.at(-1) as number);
        let start = 0;
        let noteAt = 0;
        for (let i = 0; i < ends.length; i++) {
          const end = ends[i] as number;
          const key = keys[i] as string;
          if (notes !== undefined && noted[noteAt]?.key === key) notes.note = noted[noteAt++]?.note;
          const waiting = cutter?.add(bytes.subarray(start, end), key, pieces[i] as number);
          if (waiting !== undefined) await waiting;
          start = end;
        }
        session.events({
          kind: 'progress',
          bytesDone: message.sourceBytes,
          changedBytes: message.changedBytes,
        });
        break;
      }
      case 'events':
        for (const event of message.events) session.events(event);
        break;
      case 'failed':
        throw errorOfPlain(message.error);
      case 'cannot-continue':
        throw new CannotContinue();
      case 'done':
        return message;
    }
  }
  throw new TundraError('unexpected', 'the source thread ended without a result');
}

async function countOnly(
  session: Session,
  options: BackupOptions,
  knownSignatures: string[],
): Promise<BackupStatistics> {
  const startTime = Date.now() / 1000;
  const ring = createSlotRing(slotBytes, 1);
  const source = options.sources.next();
  try {
    const messages = source.begin(jobOf(session, options, knownSignatures, ring));
    const { counts } = await packVolumes(session, messages, new SlotReader(ring), undefined, undefined);
    return { ...counts, startTime, endTime: Date.now() / 1000, totalDestinationSizeChangeBytes: 0 };
  } finally {
    await source.stop();
  }
}

/** What the source side is to do, as a dry run has it: nothing is written. */
function jobOf(
  { archive, processors, tempFolder, tellFiles }: Session,
  { maxBlockSizeBytes, dryRun }: BackupOptions,
  knownSignatures: string[],
  ring: SlotRing,
): BackupThreadJob {
  return {
    maxBlockSizeBytes,
    dryRun,
    ring,
    knownSignatures,
    index: { oldPath: archive.pathOf(indexName), newPath: archive.newTemporaryPath() },
    signatureFile: undefined,
    fileListFile: undefined,
    processors,
    tempDir: tempFolder,
    tellFiles,
    resume: undefined,
  };
}

/** The signatures of a set, sealed: paths of the files. */
interface SealedSignatures {
  /** Undefined where the storage gets the local one. */
  remote: string | undefined;
  local: string;
  /** Access points of the local one. */
  points: readonly number[];
}

/** Seals the signatures for the storage and for the local archive. */
async function sealSignatures(session: Session, set: SetWriter): Promise<SealedSignatures> {
  const { archive, cipher, localSignatureCipher } = session;
  const remote = localSignatureCipher && newTempPath(session, 'sigtar');
  const sealed = { remote, local: archive.newTemporaryPath() };
  // Opened at once: the file gets another name with the set's first volume.
  const forLocal = readOpened(set.signaturePath);
  const forRemote = readOpened(set.signaturePath);
  const results = await Promise.allSettled([
    sealToFile(localSignatureCipher ?? cipher, forLocal, sealed.local, archivePlace, signaturePointBytes),
    remote === undefined ? undefined : sealToFile(cipher, forRemote, remote, temporaryPlace),
  ]);
  for (const stream of [forRemote, forLocal]) stream.destroy();
  const [points] = results;
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined && points.status === 'fulfilled') return { ...sealed, points: points.value };
  await removeSealed(sealed);
  throw failed?.reason;
}

async function removeSealed({ remote, local }: Omit<SealedSignatures, 'points'>): Promise<void> {
  for (const path of [remote, local]) if (path !== undefined) await rm(path, { force: true });
}

/** Sends the signatures and last the manifest; then the local archive keeps both. */
async function commit(
  session: Session,
  set: SetWriter,
  signatures: SealedSignatures,
  fileListCount: number,
): Promise<void> {
  const { backend, manifestCipher } = session;
  try {
    const { remote, local } = signatures;
    if (remote === undefined) await storeFile(backend, set.names.signatures, local);
    else await uploadFile(backend, set.names.signatures, remote);

    const manifest = await set.endManifest(fileListCount);
    const remoteManifest = newTempPath(session, 'manifest');
    await sealToFile(manifestCipher, readFile(manifest), remoteManifest, temporaryPlace);
    await uploadFile(backend, set.names.manifest, remoteManifest);
    await set.finish(signatures.local);
  } finally {
    await removeSealed(signatures);
  }
}
