import { type BigIntStats, closeSync, constants, fstatSync, openSync } from 'node:fs';
import { TundraError } from '../base/errors.js';
import { fileStamp, isSettled } from '../base/file-stamp.js';
import { diskPath, type PathKey } from '../base/path-key.js';
import type { BackupCounts } from '../base/statistics.js';
import type { SignatureFileWriter } from '../chain/signature-file.js';
import { Scratch } from '../change/scratch.js';
import { blockSizeBytes } from '../format/difftar.js';
import { DeltaBuilder } from '../rsync/delta-builder.js';
import { loadKernel } from '../rsync/kernel.js';
import { SignatureBuilder } from '../rsync/signature-builder.js';
import { signatureBlockSize } from '../rsync/signature-format.js';
import type { SourceEntry } from '../source/entry.js';
import type { RecordReader } from '../source/records.js';
import { type BlockPacker, type DataReader, PiecesMissing } from '../volume/packer.js';
import { DeltaReader } from './delta-reader.js';
import { beginSignature, type NewSignature, noSignature } from './new-signature.js';
import type { InterruptedFile } from './resume.js';
import { SigningThreads } from './signing-threads.js';
import { SourceFile } from './source-file.js';

const readBytes = 128 * 1024;

/** The file of which some pieces are stored is no longer there as it was. */
export class FileHasChanged extends Error {}

export interface FilePackerOptions {
  packer: BlockPacker;
  /** Where the new signatures go; none in a dry run. */
  signatures: SignatureFileWriter | undefined;
  records: RecordReader;
  /** Sizes and errors are counted here, but not whether a file is new. */
  counts: BackupCounts;
  followLinks: boolean;
  maxBlockSizeBytes: number;
  /** How many to keep busy. */
  processors: number;
  /** Names a new temporary file. */
  makeScratchPath: () => string;
  warn(key: PathKey, text: string): void;
  /** A path could not be backed up, or not to its end. */
  fail(key: PathKey, error: unknown, detail?: string): void;
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

/** Packs regular files, whole or as differences to what their signatures tell, and makes their new signatures. */
export class FilePacker {
  readonly #options: FilePackerOptions;
  readonly #signatureBuilder: SignatureBuilder;
  readonly #deltaBuilder: DeltaBuilder;
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBytes);
  readonly #threads: SigningThreads;
  /** The file that comes next, if its first pieces are stored. */
  interrupted: InterruptedFile | undefined;
  /** The file that is being read. */
  #packing: SourceFile | undefined;
  /** Sizes of the files that were packed. */
  packedBytes = 0;

  constructor(options: FilePackerOptions) {
    this.#options = options;
    this.#threads = new SigningThreads(options.processors - 1);
    const kernel = loadKernel();
    this.#signatureBuilder = new SignatureBuilder(kernel, signatureBlockSize(0));
    this.#deltaBuilder = new DeltaBuilder(kernel, { makeFile: () => new Scratch(options.makeScratchPath) });
  }

  /** What was read so far of a file that is not packed yet. */
  get readBytes(): number {
    return this.#packing?.size ?? 0;
  }

  /** Says whether the file, or some of it, was packed. */
  addWhole(entry: SourceEntry): boolean {
    const opened = this.#open(entry);
    if (opened === undefined) return false;
    const { fd } = opened;
    try {
      const file = new SourceFile(fd);
      const signature = this.#beginSignature(entry);
      const packed = this.#pack('snapshot', entry, opened, file, entry.sizeBytes, (target) => {
        const size = file.read(target);
        signature.update(target.subarray(0, size));
        return size;
      });
      if (packed === undefined) return false;
      if (packed.fits) signature.end(file.error === undefined);
      else signature.discard();
      return true;
    } finally {
      closeSync(fd);
    }
  }

  /**
   * A file that has a signature is packed as the difference to it; whole, if the signature is unusable. Says how;
   * undefined: it was not packed.
   */
  async addChanged(
    entry: SourceEntry,
    oldSignature: AsyncIterable<Uint8Array>,
  ): Promise<'diff' | 'snapshot' | undefined> {
    const delta = this.#deltaBuilder;
    delta.begin();
    this.#threads.expect(entry.sizeBytes);
    try {
      for await (const piece of oldSignature) delta.addSignature(piece);
      // Nothing yet, but now a signature that is cut short shows.
      delta.update(new Uint8Array(0));
    } catch (error) {
      if (!(error instanceof TundraError) || error.code !== 'format') throw error;
      delta.release();
      this.#options.warn(entry.key, `signature is unusable (${error.message}): sending the whole file`);
      return this.addWhole(entry) ? 'snapshot' : undefined;
    }
    const opened = this.#open(entry);
    if (opened === undefined) {
      delta.release();
      return undefined;
    }
    const { fd } = opened;
    let reader: DeltaReader | undefined;
    try {
      const file = new SourceFile(fd);
      const signature = this.#beginSignature(entry);
      const deltaReader = new DeltaReader({
        ...{ file, sizeBytes: entry.sizeBytes, delta, signature },
        ...{ blockSizeBytes: this.#blockSizeBytes(entry), buffer: this.#readBuffer, threads: this.#threads },
      });
      reader = deltaReader;
      const packed = this.#pack('diff', entry, opened, file, 0, (target) => deltaReader.read(target));
      if (packed === undefined) return undefined;
      if (packed.fits) signature.end(file.error === undefined);
      else signature.discard();
      return 'diff';
    } finally {
      reader?.close();
      delta.release();
      closeSync(fd);
    }
  }

  /** Ends its threads, and removes its temporary file. */
  close(): void {
    this.#threads.stop();
    this.#deltaBuilder.release();
  }

  #open(entry: SourceEntry): OpenedFile | undefined {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const flags = O_RDONLY | O_NONBLOCK | (this.#options.followLinks ? 0 : O_NOFOLLOW);
    try {
      const fd = openSync(diskPath(entry.path), flags);
      // Something else may have taken its place: a FIFO says nothing, and some devices never end.
      const stats = fstatSync(fd, { bigint: true });
      if (stats.isFile()) {
        entry.attributes.records = this.#options.records.read(entry, fd);
        return { fd, stats };
      }
      closeSync(fd);
      throw new Error('it is no longer a regular file');
    } catch (error) {
      if (this.interrupted !== undefined) throw new FileHasChanged();
      this.#options.fail(entry.key, error);
      return undefined;
    }
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
    const { packer, counts, fail, warn } = this.#options;
    const interrupted = this.interrupted;
    const isLarge = stats.size >= blockSizeBytes;
    const stamp = isLarge && isSettled(stats, Date.now()) ? fileStamp(stats) : undefined;
    this.#packing = file;
    try {
      if (interrupted === undefined) {
        packer.addFile(kind, key, attributes, sizeHintBytes, read, stamp);
      } else {
        this.interrupted = undefined;
        if (interrupted.kind !== kind || interrupted.stamp !== fileStamp(stats)) throw new FileHasChanged();
        packer.continueFile(kind, key, attributes, interrupted.piecesDone, read, stamp);
      }
    } catch (error) {
      if (error instanceof PiecesMissing || (interrupted !== undefined && file.error !== undefined)) {
        throw new FileHasChanged();
      }
      if (file.error === undefined) throw error;
      fail(entry.key, file.error);
      return undefined;
    } finally {
      this.#packing = undefined;
    }
    counts.sourceFileSizeBytes += file.size;
    this.packedBytes += file.size;
    if (file.error !== undefined) {
      fail(entry.key, file.error, `after ${file.size} bytes, which are kept`);
    } else if (file.size !== entry.sizeBytes) {
      const how = file.size < entry.sizeBytes ? 'shrank' : 'grew';
      counts.errors++;
      warn(entry.key, `the file ${how} while it was read (${entry.sizeBytes} to ${file.size} bytes)`);
    }
    // What is stored of it comes from two runs: if it changed, the signature would be of another file than that.
    return {
      fits: interrupted === undefined || fileStamp(fstatSync(fd, { bigint: true })) === interrupted.stamp,
    };
  }

  #beginSignature(entry: SourceEntry): NewSignature {
    const { signatures } = this.#options;
    if (signatures === undefined) return noSignature;
    const isContinued = this.interrupted !== undefined;
    const size = this.#blockSizeBytes(entry);
    return beginSignature(this.#signatureBuilder, signatures, entry, size, isContinued);
  }

  #blockSizeBytes({ sizeBytes }: SourceEntry): number {
    return signatureBlockSize(sizeBytes, this.#options.maxBlockSizeBytes);
  }
}
