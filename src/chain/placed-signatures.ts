import { closeSync, openSync, readSync } from 'node:fs';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { displayKey, type PathKey } from '../base/path-key.js';
import { parseSigtarName } from '../format/sigtar.js';
import { TarReader } from '../format/tar/read.js';
import { inflateHere } from '../seal/inflate-here.js';
import { readSignaturePoints, signaturePointBytes } from './signature-points.js';
import { damagedSignatures, openSignatureFile } from './signature-store.js';

const segmentBytes = 64 * 1024;

/**
 * Signatures of one local signature file, each read from the place where it begins. Where the file has access points, it is
 * unpacked from the one before that place on; else up to there, once, if places are asked for in order.
 */
export class PlacedSignatures {
  readonly #file: string;
  readonly #streamBytes: number;
  /** Where parts of the file begin that can be unpacked alone. The first is the file's start. */
  #points: readonly number[];
  #reader: TarReader | undefined;
  /** Where the plain bytes begin that the reader gets. */
  #readerAt = 0;

  /**
   * @param file plain or gzipped by its name
   * @param streamBytes how much of it is read at once where it has no access points
   */
  constructor(file: string, streamBytes: number) {
    this.#file = file;
    this.#streamBytes = streamBytes;
    this.#points = [0, ...readSignaturePoints(file)];
  }

  /**
   * The data of a path's signature, piece by piece.
   * Errors: `format` where another entry, or none, is at that place; `bad-archive-dir` where the file cannot be unpacked.
   */
  async *data(key: PathKey, startBytes: number): AsyncGenerator<Uint8Array> {
    let found = false;
    if (this.#points.length > 1) {
      // What goes wrong here is seen again, and told, where the file is read from its start.
      found = await this.#find(key, startBytes).catch(() => false);
      if (!found) {
        this.#points = [0];
        await this.close();
      }
    }
    if (!found && !(await this.#find(key, startBytes))) {
      throw new TundraError('format', `no signature of ${displayKey(key)} is where the index has it`);
    }
    const reader = this.#reader as TarReader;
    for (let piece = reader.pollBody(); piece !== undefined; piece = reader.pollBody()) {
      if (piece === 'more') await reader.fill();
      else yield piece;
    }
  }

  /** Whether to close it costs nothing: another signature is found as fast. */
  get hasPoints(): boolean {
    return this.#points.length > 1;
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#reader = undefined;
  }

  /** Has the reader stand behind the header that is at a place. Returns whether it is that of the path's signature. */
  async #find(key: PathKey, startBytes: number): Promise<boolean> {
    const point = Math.min(Math.floor(startBytes / signaturePointBytes), this.#points.length - 1);
    const pointAt = point * signaturePointBytes;
    const at = this.#readerAt + (this.#reader?.position ?? 0);
    if (this.#reader === undefined || startBytes < at || at < pointAt) {
      await this.close();
      const bytes = point === 0 ? openSignatureFile(this.#file, this.#streamBytes) : this.#bytesFrom(point);
      this.#reader = new TarReader(bytes, this.#file);
      this.#readerAt = pointAt;
    }
    this.#reader.skipTo(startBytes - this.#readerAt);
    const header = await this.#reader.next();
    if (header === undefined) return false;
    const found = parseSigtarName(header.name);
    return found.kind === 'signature' && found.key === key;
  }

  /** The plain bytes from a point on. */
  async *#bytesFrom(point: number): ByteStream {
    const segments = new SegmentReader(this.#file, this.#points, point);
    try {
      yield* inflateHere(segments, 'raw');
    } catch (cause) {
      throw damagedSignatures(this.#file, cause);
    } finally {
      segments.close();
    }
  }
}

/** Reads a file from a point on, and never more at once than up to the next one: there may be no need for that. */
class SegmentReader {
  readonly #fd: number;
  readonly #points: readonly number[];
  readonly #buffer = Buffer.allocUnsafe(segmentBytes);
  #next: number;
  #position: number;

  constructor(file: string, points: readonly number[], point: number) {
    this.#fd = openSync(file, 'r');
    this.#points = points;
    this.#next = point + 1;
    this.#position = points[point] as number;
  }

  async next(): Promise<Uint8Array | undefined> {
    const end = this.#points[this.#next] ?? Number.POSITIVE_INFINITY;
    const wanted = Math.min(end - this.#position, segmentBytes);
    const size = readSync(this.#fd, this.#buffer, 0, wanted, this.#position);
    this.#position += size;
    if (this.#position >= end) this.#next++;
    return size === 0 ? undefined : this.#buffer.subarray(0, size);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
