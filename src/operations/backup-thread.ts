/**
 * The source side of a backup, run in a thread of its own: compare, delta, pack. File calls are synchronous here:
 * that is several times faster than a promise for each small file. Packed blocks leave through a slot ring, everything
 * else as messages.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { emptyAttributes } from '../base/attributes.js';
import { messageOf, type PlainError, plainError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { diskPath, displayKey, type Latin1, type PathKey } from '../base/path-key.js';
import { type BackupCounts, emptyCounts } from '../base/statistics.js';
import { xattrCalls } from '../base/xattrs.js';
import { IndexUpdate, type UpdatedIndex } from '../chain/index-update.js';
import { IndexedSignatures } from '../chain/indexed-signatures.js';
import { SignatureFileWriter } from '../chain/signature-file.js';
import type { IndexEntry } from '../chain/signature-index.js';
import { type KnownSignatures, type SignatureEntry, SignatureStore } from '../chain/signature-store.js';
import { type Change, Comparison } from '../change/compare.js';
import { formatFileListEntry } from '../format/manifest.js';
import type { RecordKinds } from '../format/tar/records.js';
import type { SourceEntry } from '../source/entry.js';
import { Owners } from '../source/owners.js';
import { RecordReader } from '../source/records.js';
import { walkWarnings } from '../source/walk-warnings.js';
import { BlockPacker, headerOf, type PackedBatch } from '../volume/packer.js';
import { type SlotRing, SlotWriter } from '../volume/slots.js';
import { EventBatch } from './event-batch.js';
import { FileHasChanged, FilePacker } from './file-packer.js';
import { LineFile } from './line-file.js';
import { Replay } from './replay.js';
import type { ResumePoint } from './resume.js';
import { cannotProcess } from './source-events.js';
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
  /** How many processors to keep busy. */
  processors: number;
  /** Folder for temporary files. */
  tempDir: string;
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
  readonly #counts = emptyCounts();
  readonly #files: FilePacker;
  readonly #events: EventBatch;
  #scratchFiles = 0;
  /** Sizes of what was packed, but for files. */
  #changedBytes = 0;

  constructor(input: BackupThreadInput, job: BackupThreadJob, send: (message: BackupThreadMessage) => void) {
    this.#input = input;
    this.#job = job;
    this.#send = send;
    this.#events = new EventBatch((events) => send({ kind: 'events', events }));
    this.#records = this.#recordReader(input);
    this.#packer = new BlockPacker(new SlotWriter(job.ring), (batch) => {
      this.#events.flush();
      // Whoever seals these blocks notes that they are stored: then their signatures must not be lost.
      this.#signatures?.flush();
      const { readBytes, packedBytes } = this.#files;
      const sourceBytes = this.#counts.sourceFileSizeBytes + readBytes;
      send({ kind: 'batch', batch, sourceBytes, changedBytes: this.#changedBytes + packedBytes + readBytes });
    });
    if (job.signatureFile !== undefined) this.#signatures = new SignatureFileWriter(job.signatureFile);
    this.#files = new FilePacker({
      packer: this.#packer,
      signatures: this.#signatures,
      records: this.#records,
      counts: this.#counts,
      followLinks: input.followLinks,
      maxBlockSizeBytes: job.maxBlockSizeBytes,
      processors: job.processors,
      makeScratchPath: () => join(job.tempDir, `signature.${process.pid}.${this.#scratchFiles++}`),
      warn: (key, text) => this.#warn(key, cannotProcess, text),
      fail: (key, error, detail) => this.#fail(key, error, detail),
    });
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
      this.#files.close();
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
    this.#files.interrupted = file;
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
    } else if (this.#files.addWhole(change.current)) {
      this.#countNew(change.current);
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

  /** A regular file that has a signature. */
  async #addChangedFile(entry: SourceEntry, known: KnownSignatures): Promise<void> {
    const added = await this.#files.addChanged(entry, known.data());
    if (added === 'diff') this.#countChanged(entry);
    else if (added === 'snapshot') this.#countNew(entry);
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

function keyOf(change: Change<SourceEntry, SignatureEntry>): PathKey {
  return change.kind === 'deleted' ? change.known.key : change.current.key;
}

/** Whether a path is sent as the difference to what its signature tells. */
function isDelta(change: Change<SourceEntry, SignatureEntry>): boolean {
  return (
    change.kind === 'changed' &&
    change.current.attributes.type === 'file' &&
    change.known.kind === 'signature'
  );
}

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
