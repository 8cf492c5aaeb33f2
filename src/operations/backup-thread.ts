/**
 * The source side of a backup, run in a thread of its own: compare, delta, pack. File calls are synchronous here:
 * that is several times faster than a promise for each small file. Packed blocks leave through a slot ring, everything
 * else as messages.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { emptyAttributes } from '../base/attributes.js';
import { messageOf, type PlainError, plainError, TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { fileStamp, isSettled } from '../base/file-stamp.js';
import { diskPath, displayKey, type Latin1, type PathKey } from '../base/path-key.js';
import { type BackupCounts, emptyCounts } from '../base/statistics.js';
import { xattrCalls } from '../base/xattrs.js';
import { IndexUpdate, type UpdatedIndex } from '../chain/index-update.js';
import { IndexedSignatures } from '../chain/indexed-signatures.js';
import { type GrowingSignature, otherTime, SignatureFileWriter } from '../chain/signature-file.js';
import type { IndexEntry } from '../chain/signature-index.js';
import { type KnownSignatures, type SignatureEntry, SignatureStore } from '../chain/signature-store.js';
import { type Change, Comparison } from '../change/compare.js';
import { blockSizeBytes } from '../format/difftar.js';
import { formatFileListEntry } from '../format/manifest.js';
import type { RecordKinds } from '../format/tar/records.js';
import { DeltaBuilder } from '../rsync/delta-builder.js';
import { loadKernel } from '../rsync/kernel.js';
import { SignatureBuilder } from '../rsync/signature-builder.js';
import { signatureBlockSize, signatureSizeBytes } from '../rsync/signature-format.js';
import type { SourceEntry } from '../source/entry.js';
import { Owners } from '../source/owners.js';
import { RecordReader } from '../source/records.js';
import { walkWarnings } from '../source/walk-warnings.js';
import { BlockPacker, type DataReader, headerOf, type PackedBatch, PiecesMissing } from '../volume/packer.js';
import { type SlotRing, SlotWriter } from '../volume/slots.js';
import { EventBatch } from './event-batch.js';
import { LineFile } from './line-file.js';
import { Replay } from './replay.js';
import type { InterruptedFile, ResumePoint } from './resume.js';
import { cannotProcess } from './source-events.js';
import { SourceFile } from './source-file.js';
import { WalkReader } from './walk-ahead.js';

/** What the thread is started with. */
export interface BackupThreadInput {
  root: Latin1;
  /** Whether the walk follows symbolic links. */
  followLinks: boolean;
  recordKinds: RecordKinds;
  /** Where the walk's entries come from. */
  walk: { port: MessagePort; gate: SharedArrayBuffer };
}

/** What it gets to do, once that is known. */
export interface BackupThreadJob {
  maxBlockSizeBytes: number;
  /** Only count what a backup would hold. */
  dryRun: boolean;
  ring: SlotRing;
  /** Signature files of the chain to compare with, oldest first; empty for a full backup. */
  knownSignatures: readonly string[];
  /** The index of those signatures, and where the one with this set goes. */
  index: { oldPath: string; newPath: string };
  /** Where the new signatures go, plain. Undefined in a dry run. */
  signatureFile: string | undefined;
  /** Where the lines of the manifest's file list go; undefined to leave the list out. */
  fileListFile: string | undefined;
  /** Whether each new, changed or deleted path is to be told. */
  tellFiles: boolean;
  /** Where an interrupted set is gone on with. */
  resume: ResumePoint | undefined;
}

export type BackupThreadMessage =
  | { kind: 'batch'; batch: PackedBatch; sourceBytes: number; changedBytes: number }
  | { kind: 'events'; events: OperationEvent[] }
  | { kind: 'done'; counts: BackupCounts; fileListCount: number; index: UpdatedIndex | undefined }
  /** The file that was to be gone on with is another one now. Nothing was packed. */
  | { kind: 'cannot-continue' }
  | { kind: 'failed'; error: PlainError };

/** Signatures above this size are written as they grow instead of being gathered. */
const gatheredSignatureLimitBytes = 1024 * 1024;
const readBytes = 128 * 1024;

/** The file of which some pieces are stored is no longer there as it was. */
class FileHasChanged extends Error {}

class SourceThread {
  readonly #input: BackupThreadInput;
  readonly #job: BackupThreadJob;
  readonly #send: (message: BackupThreadMessage) => void;
  readonly #owners = new Owners();
  readonly #records: RecordReader;
  readonly #packer: BlockPacker;
  readonly #signatures: SignatureFileWriter | undefined;
  readonly #fileList: LineFile | undefined;
  #index: IndexUpdate | undefined;
  /** The file whose first pieces are stored. */
  #interrupted: InterruptedFile | undefined;
  readonly #counts = emptyCounts();
  readonly #signatureBuilder: SignatureBuilder;
  readonly #deltaBuilder: DeltaBuilder;
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBytes);
  readonly #events: EventBatch;
  /** The file that is being read, and the sizes of what was packed before it. */
  #packing: SourceFile | undefined;
  #changedBytes = 0;

  constructor(input: BackupThreadInput, job: BackupThreadJob, send: (message: BackupThreadMessage) => void) {
    this.#input = input;
    this.#job = job;
    this.#send = send;
    this.#events = new EventBatch((events) => send({ kind: 'events', events }));
    this.#records = this.#recordReader(input);
    const kernel = loadKernel();
    this.#signatureBuilder = new SignatureBuilder(kernel, signatureBlockSize(0));
    this.#deltaBuilder = new DeltaBuilder(kernel);
    this.#packer = new BlockPacker(new SlotWriter(job.ring), (batch) => {
      this.#events.flush();
      // Whoever seals these blocks notes that they are stored: then their signatures must not be lost.
      this.#signatures?.flush();
      const readBytes = this.#packing?.size ?? 0;
      const sourceBytes = this.#counts.sourceFileSizeBytes + readBytes;
      send({ kind: 'batch', batch, sourceBytes, changedBytes: this.#changedBytes + readBytes });
    });
    if (job.signatureFile !== undefined) this.#signatures = new SignatureFileWriter(job.signatureFile);
    if (job.fileListFile !== undefined) this.#fileList = new LineFile(job.fileListFile);
  }

  async run(): Promise<void> {
    const { root, walk } = this.#input;
    const walked = new WalkReader(root, walk, this.#owners, (events, errors) => {
      this.#counts.errors += errors;
      for (const event of events) this.#events.add(event);
    });
    const { knownSignatures, index, resume } = this.#job;
    const indexed = IndexedSignatures.open(index.oldPath, knownSignatures);
    const known = indexed ?? new SignatureStore(knownSignatures);
    // Of what was stored before an interruption there would be nothing in it: the next run makes it anew.
    if (this.#signatures !== undefined && resume === undefined) {
      this.#index = new IndexUpdate({
        files: knownSignatures,
        oldPath: indexed && index.oldPath,
        newPath: index.newPath,
      });
    }
    const changes = new Comparison<SourceEntry, SignatureEntry>(
      walked,
      known,
      this.#owners,
      (entry, signature) => this.#records.isSame(entry, signature),
      // What was stored before an interruption is looked at path by path.
      indexed && resume === undefined ? () => this.#passUnchanged(walked, indexed) : undefined,
    );
    let replay = this.#replay(resume);
    try {
      for (;;) {
        const next = changes.next();
        // Most are there at once, and to wait for nothing takes longer than the comparison.
        const change = next instanceof Promise ? await next : next;
        if (replay !== undefined) {
          if (change !== undefined && replay.covers(keyOf(change))) {
            await replay.pass(change);
            continue;
          }
          await replay.finish();
          replay = undefined;
          this.#beginInterrupted(resume as ResumePoint, change);
        }
        if (change === undefined) break;
        const waiting = this.#backUp(change, known);
        if (waiting !== undefined) await waiting;
        this.#updateIndex(change);
      }
    } finally {
      await known.close();
      this.#events.flush();
    }
    this.#packer.flush();
    this.#signatures?.finish();
    const fileListCount = this.#fileList?.finish() ?? 0;
    this.#counts.rawDeltaSizeBytes = this.#packer.dataBytes;
    const updated = this.#index?.finish(indexed?.body);
    this.#send({ kind: 'done', counts: this.#counts, fileListCount, index: updated });
  }

  /** Counts what comes next as long as it is as the index has it: most are, and need no object then. */
  #passUnchanged(walked: WalkReader, indexed: IndexedSignatures): void {
    const { at } = walked;
    while (walked.next()) {
      if (!indexed.pass(at, this.#owners)) {
        walked.hold();
        return;
      }
      this.#counts.sourceFiles++;
      this.#counts.sourceFileSizeBytes += at.sizeBytes;
      this.#index?.keepPassed(indexed);
    }
  }

  #replay(resume: ResumePoint | undefined): Replay | undefined {
    const writer = this.#signatures;
    if (resume === undefined || writer === undefined) return undefined;
    const { signatureFile, key, file, unsureSinceMs } = resume;
    return new Replay({
      signatureFile,
      limit: { key, inclusive: file === undefined },
      unsureSinceMs,
      writer,
      counts: this.#counts,
      record: (change, key, isFile) => this.#record(change, key, isFile),
    });
  }

  /** Makes sure that what comes first is the file of which pieces are stored, if there is one. */
  #beginInterrupted(
    { key, file }: ResumePoint,
    change: Change<SourceEntry, SignatureEntry> | undefined,
  ): void {
    if (file === undefined) return;
    const isSame =
      (change?.kind === 'new' || change?.kind === 'changed') &&
      change.current.key === key &&
      change.current.attributes.type === 'file' &&
      isDelta(change) === (file.kind === 'diff');
    if (!isSame) throw new FileHasChanged();
    this.#interrupted = file;
  }

  /** Notes what the signatures say of a path from now on: what has just been written, or else what they said before. */
  #updateIndex(change: Change<SourceEntry, SignatureEntry>): void {
    const index = this.#index;
    if (index === undefined) return;
    const key = keyOf(change);
    const written = change.kind === 'unchanged' ? undefined : this.#signatures?.last;
    if (written?.key === key) {
      const { kind, header, startBytes } = written;
      const changeTimeMs = change.kind === 'deleted' ? 0 : this.#records.knownChangeTime(change.current);
      if (kind === 'deleted') index.drop();
      else
        index.replace({
          key,
          kind,
          attributes: header,
          file: this.#job.knownSignatures.length,
          startBytes,
          changeTimeMs,
        });
    } else if (change.kind !== 'new') {
      const known = change.known as IndexEntry;
      const changeTimeMs =
        change.kind === 'unchanged' ? this.#records.newChangeTime(change.current, known) : 0;
      if (changeTimeMs === 0) index.keep(known);
      else index.replace({ ...known, changeTimeMs });
    }
  }

  /** Returns a promise only where signatures must be read first. */
  #backUp(change: Change<SourceEntry, SignatureEntry>, known: KnownSignatures): Promise<void> | undefined {
    if (this.#job.dryRun) {
      this.#count(change);
    } else if (change.kind === 'unchanged') {
      this.#counts.sourceFiles++;
      this.#counts.sourceFileSizeBytes += change.current.sizeBytes;
    } else if (change.kind === 'deleted') {
      this.#packer.addDeleted(change.known.key);
      this.#signatures?.add('deleted', change.known.key, headerOf('', emptyAttributes));
      this.#counts.deletedFiles++;
      this.#record('deleted', change.known.key, change.known.attributes.type === 'file');
    } else if (change.current.attributes.type !== 'file') {
      this.#addEntry(change.current);
    } else if (isDelta(change)) {
      return this.#addChangedFile(change.current, known);
    } else {
      this.#addWholeFile(change.current);
    }
    return undefined;
  }

  /** What a dry run does: no file is read. */
  #count(change: Change<SourceEntry, SignatureEntry>): void {
    if (change.kind === 'deleted') {
      this.#counts.deletedFiles++;
      this.#record('deleted', change.known.key, change.known.attributes.type === 'file');
      return;
    }
    const { current } = change;
    this.#counts.sourceFileSizeBytes += current.sizeBytes;
    if (change.kind === 'unchanged') this.#counts.sourceFiles++;
    else if (isDelta(change)) this.#countChanged(current);
    else this.#countNew(current);
  }

  #addEntry(entry: SourceEntry): void {
    entry.attributes.records = this.#records.read(entry);
    this.#packer.addEntry(entry.key, entry.attributes);
    this.#signatures?.add('snapshot', entry.key, headerOf('', entry.attributes));
    this.#counts.sourceFileSizeBytes += entry.sizeBytes;
    this.#changedBytes += entry.sizeBytes;
    this.#countNew(entry);
  }

  #addWholeFile(entry: SourceEntry): void {
    const opened = this.#open(entry);
    if (opened === undefined) return;
    const { fd } = opened;
    try {
      const file = new SourceFile(fd);
      const signature = this.#beginSignature(entry);
      const packed = this.#pack('snapshot', entry, opened, file, entry.sizeBytes, (target) => {
        const size = file.read(target);
        signature.update(target.subarray(0, size));
        return size;
      });
      if (packed === undefined) return;
      if (packed.fits) signature.end(file.error === undefined);
      else signature.discard();
      this.#countNew(entry);
    } finally {
      closeSync(fd);
    }
  }

  /** A regular file that has a signature: sent as the difference to it. */
  async #addChangedFile(entry: SourceEntry, known: KnownSignatures): Promise<void> {
    const delta = this.#deltaBuilder;
    delta.begin();
    try {
      for await (const piece of known.data()) delta.addSignature(piece);
      // Nothing yet, but now a signature that is cut short shows.
      delta.update(empty);
    } catch (error) {
      if (!(error instanceof TundraError) || error.code !== 'format') throw error;
      this.#warn(
        entry.key,
        cannotProcess,
        `signature is unusable (${error.message}): sending the whole file`,
      );
      this.#addWholeFile(entry);
      return;
    }
    const opened = this.#open(entry);
    if (opened === undefined) return;
    const { fd } = opened;
    try {
      const file = new SourceFile(fd);
      const signature = this.#beginSignature(entry);
      let pending: Uint8Array = empty;
      let ended = false;
      const packed = this.#pack('diff', entry, opened, file, 0, (target) => {
        let filled = 0;
        while (filled < target.length) {
          if (pending.length > 0) {
            const part = pending.subarray(0, target.length - filled);
            target.set(part, filled);
            filled += part.length;
            pending = pending.subarray(part.length);
          } else if (ended) {
            break;
          } else {
            const size = file.read(this.#readBuffer);
            const data = this.#readBuffer.subarray(0, size);
            if (size > 0) {
              signature.update(data);
              pending = delta.update(data);
            }
            if (size < this.#readBuffer.length) {
              // The last bytes of `update` must be taken before `finish` overwrites them.
              const rest = Buffer.from(pending);
              pending = Buffer.concat([rest, delta.finish()]);
              ended = true;
            }
          }
        }
        return filled;
      });
      if (packed === undefined) return;
      if (packed.fits) signature.end(file.error === undefined);
      else signature.discard();
      this.#countChanged(entry);
    } finally {
      closeSync(fd);
    }
  }

  #open(entry: SourceEntry): OpenedFile | undefined {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const flags = O_RDONLY | O_NONBLOCK | (this.#input.followLinks ? 0 : O_NOFOLLOW);
    try {
      const fd = openSync(diskPath(entry.path), flags);
      // Something else may have taken its place: a FIFO says nothing, and some devices never end.
      const stats = fstatSync(fd, { bigint: true });
      if (stats.isFile()) {
        entry.attributes.records = this.#records.read(entry, fd);
        return { fd, stats };
      }
      closeSync(fd);
      throw new Error('it is no longer a regular file');
    } catch (error) {
      if (this.#interrupted !== undefined) throw new FileHasChanged();
      this.#fail(entry.key, error);
      return undefined;
    }
  }

  #recordReader({ root, followLinks, recordKinds }: BackupThreadInput): RecordReader {
    const calls = xattrCalls();
    if (calls === undefined && (recordKinds.xattrs || recordKinds.acls)) {
      const text =
        'Extended attributes and ACLs are left out: the package koffi is missing, or has no binary for this machine.';
      this.#events.add({ kind: 'message', level: 'info', text });
    }
    return new RecordReader({
      ...recordKinds,
      ...{ calls, owners: this.#owners, followLinks },
      rootDevice: statSync(diskPath(root), { throwIfNoEntry: false })?.dev ?? -1,
      onWarning: (key, text) => this.#warn(key, cannotProcess, text),
    });
  }

  /** Packs a file's data; undefined if nothing could be read and the file is left out. */
  #pack(
    kind: 'snapshot' | 'diff',
    entry: SourceEntry,
    { fd, stats }: OpenedFile,
    file: SourceFile,
    sizeHintBytes: number,
    read: DataReader,
  ): PackedFile | undefined {
    const { key, attributes } = entry;
    const interrupted = this.#interrupted;
    const isLarge = stats.size >= blockSizeBytes;
    const stamp = isLarge && isSettled(stats, Date.now()) ? fileStamp(stats) : undefined;
    this.#packing = file;
    try {
      if (interrupted === undefined) {
        this.#packer.addFile(kind, key, attributes, sizeHintBytes, read, stamp);
      } else {
        this.#interrupted = undefined;
        if (interrupted.kind !== kind || interrupted.stamp !== fileStamp(stats)) throw new FileHasChanged();
        this.#packer.continueFile(kind, key, attributes, interrupted.piecesDone, read, stamp);
      }
    } catch (error) {
      if (error instanceof PiecesMissing || (interrupted !== undefined && file.error !== undefined)) {
        throw new FileHasChanged();
      }
      if (file.error === undefined) throw error;
      this.#fail(entry.key, file.error);
      return undefined;
    } finally {
      this.#packing = undefined;
    }
    this.#counts.sourceFileSizeBytes += file.size;
    this.#changedBytes += file.size;
    if (file.error !== undefined) {
      this.#fail(entry.key, file.error, `after ${file.size} bytes, which are kept`);
    } else if (file.size !== entry.sizeBytes) {
      const how = file.size < entry.sizeBytes ? 'shrank' : 'grew';
      this.#counts.errors++;
      this.#warn(
        entry.key,
        cannotProcess,
        `the file ${how} while it was read (${entry.sizeBytes} to ${file.size} bytes)`,
      );
    }
    // What is stored of it comes from two runs: if it changed, the signature would be of another file than that.
    return {
      fits: interrupted === undefined || fileStamp(fstatSync(fd, { bigint: true })) === interrupted.stamp,
    };
  }

  /** Makes the signature of a file beside the reading of it. */
  #beginSignature(entry: SourceEntry): NewSignature {
    const builder = this.#signatureBuilder;
    const file = this.#signatures;
    if (file === undefined) return { update: () => {}, end: () => {}, discard: () => {} };
    const blockSize = signatureBlockSize(entry.sizeBytes, this.#job.maxBlockSizeBytes);
    const expectedBytes = signatureSizeBytes(entry.sizeBytes, blockSize);
    builder.reset(blockSize);
    const header = headerOf('', entry.attributes);
    header.mtimeSeconds = knownTime(entry.attributes.mtimeSeconds, Date.now() / 1000);
    // Records are stored with the first piece, by another run: perhaps not those, as duplicity and --no-xattrs store none.
    if (this.#interrupted !== undefined) delete header.records;
    if (expectedBytes <= gatheredSignatureLimitBytes) {
      return {
        update: (data) => builder.update(data),
        end: (whole) => {
          if (!whole) header.mtimeSeconds = otherTime(entry.attributes.mtimeSeconds);
          file.add('signature', entry.key, header, builder.finish());
        },
        discard: () => {
          builder.finish();
          file.addUnknown(entry.key, header);
        },
      };
    }
    let growing: GrowingSignature | undefined;
    const take = (data: Uint8Array) => {
      growing ??= file.begin(entry.key, header, expectedBytes);
      growing.write(data);
      return growing;
    };
    return {
      update: (data) => {
        builder.update(data);
        take(builder.take());
      },
      end: (whole) =>
        take(builder.finish()).end(whole ? undefined : otherTime(entry.attributes.mtimeSeconds)),
      discard: () => {
        take(builder.finish()).discard();
        file.addUnknown(entry.key, header);
      },
    };
  }

  #countNew(entry: SourceEntry): void {
    this.#counts.sourceFiles++;
    this.#counts.newFiles++;
    this.#counts.newFileSizeBytes += entry.sizeBytes;
    this.#record('new', entry.key, entry.attributes.type === 'file');
  }

  #countChanged(entry: SourceEntry): void {
    this.#counts.sourceFiles++;
    this.#counts.changedFiles++;
    this.#counts.changedFileSizeBytes += entry.sizeBytes;
    this.#record('changed', entry.key, true);
  }

  #record(change: 'new' | 'changed' | 'deleted', key: PathKey, isFile: boolean): void {
    this.#counts.deltaEntries++;
    if (isFile) this.#fileList?.add(formatFileListEntry(change, key));
    if (this.#job.tellFiles) this.#events.add({ kind: 'file', change, key });
  }

  /** A path that could not be backed up: told and counted. */
  #fail(key: PathKey, error: unknown, detail = ''): void {
    this.#counts.errors++;
    this.#warn(key, walkWarnings['cannot-read'].code, [messageOf(error), detail].filter(Boolean).join(' '));
  }

  #warn(key: PathKey, code: number, text: string): void {
    this.#events.add({ kind: 'file-warning', key, code, text: `${displayKey(key)}: ${text}` });
  }
}

/** A regular file of the source, open. */
interface OpenedFile {
  fd: number;
  stats: BigIntStats;
}

interface PackedFile {
  /** Whether the signature made beside is that of the data that is stored. */
  fits: boolean;
}

/** The signature of a file, made beside the reading of it. */
interface NewSignature {
  update(data: Uint8Array): void;
  /** @param whole whether the file could be read to its end */
  end(whole: boolean): void;
  /** Notes instead that it is not known: the next run stores the file whole. */
  discard(): void;
}

function keyOf(change: Change<SourceEntry, SignatureEntry>): PathKey {
  return change.kind === 'deleted' ? change.known.key : change.current.key;
}

/** How far the clocks of file systems may be off, and the coarsest of their time stamps. */
const clockMarginSeconds = 2;

/**
 * The time to note in the signatures for a file that is about to be read. Times are compared by the second: a file that
 * was changed in this very second may be changed again in it, after it was read, and nobody would see that. So such a
 * file gets a time that is not its own, which makes the next run look at it again.
 */
function knownTime(mtimeSeconds: number, nowSeconds: number): number {
  return Math.abs(nowSeconds - mtimeSeconds) < clockMarginSeconds ? otherTime(mtimeSeconds) : mtimeSeconds;
}

/** Whether a path is sent as the difference to what its signature tells. */
function isDelta(change: Change<SourceEntry, SignatureEntry>): boolean {
  return (
    change.kind === 'changed' &&
    change.current.attributes.type === 'file' &&
    change.known.kind === 'signature'
  );
}

const empty = new Uint8Array(0);

const port = parentPort;
if (port !== null) {
  const send = (message: BackupThreadMessage) => port.postMessage(message);
  // One job: nothing more is waited for, so that the thread ends with it.
  port.once('message', (job: BackupThreadJob) => {
    new SourceThread(workerData as BackupThreadInput, job, send).run().catch((error: unknown) => {
      if (error instanceof FileHasChanged) send({ kind: 'cannot-continue' });
      else send({ kind: 'failed', error: plainError(error) });
    });
  });
}
