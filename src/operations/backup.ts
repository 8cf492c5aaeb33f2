import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorOfPlain, TundraError } from '../base/errors.js';
import { archivePlace, temporaryPlace } from '../base/local-disk.js';
import type { BackupStatistics } from '../base/statistics.js';
import { type BackupChain, type Catalog, lastFullTime, type SignatureChain } from '../chain/catalog.js';
import { fullHostname } from '../chain/host-name.js';
import { indexName, keepIndex } from '../chain/index-update.js';
import { checkLastManifest } from '../chain/last-manifest.js';
import { SetWriter, setNames } from '../chain/set-writer.js';
import { type SetTimes, setEnd } from '../format/names.js';
import { type EpochSeconds, prettyTime } from '../format/times.js';
import { type SealedVolume, VolumeCutter } from '../volume/cutter.js';
import { createSlotRing, SlotReader, type SlotRing } from '../volume/slots.js';
import type { BackupThreadJob, BackupThreadMessage } from './backup-thread.js';
import { synchronisedCollection } from './collection.js';
import { readFile, sealToFile } from './seal-file.js';
import { metadataStores, newTempPath, type Session, tell } from './session.js';
import type { SourceSide } from './source-side.js';
import { UploadQueue, uploadFile } from './uploads.js';

export interface BackupOptions {
  /** `auto`: incremental if there is something to build on, else full. */
  mode: 'full' | 'incremental' | 'auto';
  /** What is backed up. Whoever started it stops it. */
  source: SourceSide;
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
}

export interface BackupReport {
  kind: 'full' | 'incremental';
  statistics: BackupStatistics;
}

/** Packed bytes on their way from the source side to the sealing. */
const slotBytes = 1024 * 1024;
const slotCount = 4;

/** Makes a backup set and sends it: volumes, then signatures, then the manifest, which makes it count. */
export async function backup(session: Session, options: BackupOptions): Promise<BackupReport> {
  const { dryRun } = options;
  let catalog = await synchronisedCollection(session, { time: session.now(), dryRun });
  if (await dropPartialSet(session, catalog, dryRun)) {
    catalog = await synchronisedCollection(session, { time: session.now(), dryRun });
  }
  const base = chooseBase(session, catalog, options);
  const times = await timesOf(session, catalog, base);
  // Beside the first look at the source, but before anything is stored.
  const permission = base === undefined ? Promise.resolve() : checkBase(session, catalog, options);
  permission.catch(() => {});
  return makeSet(session, options, times, base?.signatures, permission);
}

/** What an incremental backup builds on; undefined for a full one. */
function chooseBase(
  session: Session,
  catalog: Catalog,
  options: BackupOptions,
): { chain: BackupChain; signatures: SignatureChain } | undefined {
  const lastFull = lastFullTime(catalog);
  tell(session, 'notice', `Last full backup date: ${lastFull === undefined ? 'none' : prettyTime(lastFull)}`);
  if (options.mode === 'full') return undefined;
  if (options.fullIfBefore !== undefined && (lastFull ?? 0) < options.fullIfBefore) {
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
  return checkLastManifest(
    catalog,
    metadataStores(session),
    { hostname: options.hostname, fullHostname, directory: options.source.root },
    {
      checkRemote: session.canOpen,
      mustOpen: session.isSymmetric,
      allowSourceMismatch: options.allowSourceMismatch,
    },
  );
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

/**
 * Gives up a set that an interrupted run left: its local files go, so that it counts as incomplete; the volumes stay on
 * the storage until a clean-up. True if there was one.
 */
async function dropPartialSet(session: Session, catalog: Catalog, dryRun: boolean): Promise<boolean> {
  const last = catalog.chains.at(-1);
  const set = last?.incrementals.at(-1) ?? last?.full;
  if (!set?.partial || dryRun) return false;
  const { volumes, times } = set;
  tell(
    session,
    'notice',
    `The last backup (${prettyTime(setEnd(times))}) was interrupted after ${volumes.size} volumes. A new one is begun; ` +
      'what it sent stays on the storage and is told as an incomplete set.',
  );
  const names = setNames(times, session.cipher, session.prefixes);
  await session.archive.remove(names.partialManifest);
  await session.archive.remove(names.partialSignatures);
  return true;
}

async function makeSet(
  session: Session,
  options: BackupOptions,
  times: SetTimes,
  known: SignatureChain | undefined,
  permission: Promise<void>,
): Promise<BackupReport> {
  const { archive, cipher } = session;
  const kind = times.type;
  const knownSignatures = known?.files.map(({ name }) => archive.pathOf(name)) ?? [];
  if (options.dryRun) {
    await permission;
    return { kind, statistics: await countOnly(session, options, knownSignatures) };
  }
  const startTime = Date.now() / 1000;
  const set = new SetWriter(archive, setNames(times, cipher, session.prefixes), {
    hostname: options.hostname,
    localDir: options.source.root,
  });
  const sending = new VolumeSender(session, set, options.uploads);
  const cutter = new VolumeCutter({
    cipher,
    limitBytes: options.volumeSizeBytes,
    firstNumber: 1,
    spoolPath: (number) => newTempPath(session, `vol${number}`),
    onVolume: (volume) => sending.add(volume),
  });
  const ring = createSlotRing(slotBytes, slotCount);
  const job = jobOf(session, options, knownSignatures, ring);
  const messages = options.source.begin({
    ...job,
    signatureFile: set.signaturePath,
    fileListFile: options.listFiles ? set.fileListPath : undefined,
  });
  try {
    await permission;
    cutter.begin();
    const done = await packVolumes(session, messages, new SlotReader(ring), cutter);
    await cutter.finish();
    await sending.drain();
    const endTime = Date.now() / 1000;
    const statistics = {
      ...done.counts,
      startTime,
      endTime,
      totalDestinationSizeChangeBytes: sending.bytesSent,
    };
    await commit(session, set, done.fileListCount);
    if (done.index !== undefined) {
      await keepIndex(archive, done.index, [...knownSignatures, archive.pathOf(set.names.localSignatures)]);
    }
    return { kind, statistics };
  } catch (error) {
    await options.source.stop();
    await cutter.abort();
    await sending.settle();
    await set.abandon();
    await rm(job.index.newPath, { force: true });
    throw error;
  }
}

type Done = Extract<BackupThreadMessage, { kind: 'done' }>;

/** Takes what the source side packs and cuts it into volumes. */
async function packVolumes(
  session: Session,
  messages: AsyncIterable<BackupThreadMessage>,
  slots: SlotReader,
  cutter: VolumeCutter | undefined,
): Promise<Done> {
  for await (const message of messages) {
    switch (message.kind) {
      case 'batch': {
        const { slot, ends, keys, pieces } = message.batch;
        const bytes = slots.bytes(slot);
        let start = 0;
        for (let i = 0; i < ends.length; i++) {
          const end = ends[i] as number;
          const waiting = cutter?.add(bytes.subarray(start, end), keys[i] as string, pieces[i] as number);
          if (waiting !== undefined) await waiting;
          start = end;
        }
        slots.release(slot);
        session.events({ kind: 'progress', bytesDone: message.sourceBytes });
        break;
      }
      case 'events':
        for (const event of message.events) session.events(event);
        break;
      case 'failed':
        throw errorOfPlain(message.error);
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
  const messages = options.source.begin(jobOf(session, options, knownSignatures, ring));
  const { counts } = await packVolumes(session, messages, new SlotReader(ring), undefined);
  return { ...counts, startTime, endTime: Date.now() / 1000, totalDestinationSizeChangeBytes: 0 };
}

/** What the source side is to do, as a dry run has it: nothing is written. */
function jobOf(
  { archive, tellFiles }: Session,
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
    tellFiles,
  };
}

/** Records sealed volumes in the manifest and sends them while the next ones are made. */
class VolumeSender {
  readonly #session: Session;
  readonly #set: SetWriter;
  readonly #queue: UploadQueue;
  bytesSent = 0;

  constructor(session: Session, set: SetWriter, uploads: number) {
    this.#session = session;
    this.#set = set;
    this.#queue = new UploadQueue(uploads);
  }

  async add(volume: SealedVolume): Promise<void> {
    await this.#set.addVolume({
      number: volume.number,
      startKey: volume.startKey,
      startBlock: volume.startPiece,
      endKey: volume.endKey,
      endBlock: volume.endPiece,
      hashes: [{ algorithm: 'SHA1', hex: volume.sha1Hex }],
    });
    const { backend, events } = this.#session;
    await this.#queue.add(async () => {
      this.bytesSent += await uploadFile(backend, this.#set.names.volume(volume.number), volume.path);
      events({ kind: 'volume', number: volume.number, sizeBytes: volume.sizeBytes });
    });
  }

  drain(): Promise<void> {
    return this.#queue.drain();
  }

  settle(): Promise<void> {
    return this.#queue.settle();
  }
}

/** Sends the signatures and last the manifest; then the local archive keeps both. */
async function commit(session: Session, set: SetWriter, fileListCount: number): Promise<void> {
  const { archive, backend, cipher, manifestCipher, localSignatureCipher } = session;
  const remoteSignatures = newTempPath(session, 'sigtar');
  const localSignatures = archive.newTemporaryPath();
  try {
    await Promise.all([
      sealToFile(cipher, readFile(set.signaturePath), remoteSignatures, temporaryPlace),
      sealToFile(localSignatureCipher, readFile(set.signaturePath), localSignatures, archivePlace),
    ]);
    await uploadFile(backend, set.names.signatures, remoteSignatures);

    const manifest = await set.endManifest(fileListCount);
    const remoteManifest = newTempPath(session, 'manifest');
    await sealToFile(manifestCipher, readFile(manifest), remoteManifest, temporaryPlace);
    await uploadFile(backend, set.names.manifest, remoteManifest);
    await set.finish(localSignatures);
  } finally {
    await rm(localSignatures, { force: true });
  }
}
