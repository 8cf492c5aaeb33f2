import { randomFillSync } from 'node:crypto';
import type { PathKey } from '../base/path-key.js';
import type { Cipher, SealWriter } from '../seal/cipher.js';
import type { VolumeFile, VolumeFiles } from './volume-file.js';

/** A sealed volume that waits on the local disk to be sent. */
export interface SealedVolume {
  number: number;
  /** The local file; whoever gets the volume removes it. */
  path: string;
  sizeBytes: number;
  sha1Hex: string;
  startKey: PathKey;
  /** Number of the first block's piece where it is a piece of a file and not the last one. */
  startPiece: number | undefined;
  endKey: PathKey;
  endPiece: number | undefined;
  /** Where it can be read from the middle on: the offset is the writer's (`SealWriter.accessPoints`), and an entry of a
   *  path behind `after` begins there. */
  accessPoints: { offset: number; after: PathKey }[];
}

export interface CutterOptions {
  cipher: Cipher;
  /** A volume's largest size, sealed. */
  limitBytes: number;
  /** How much plaintext lies between two access points, at least; 4 MiB if absent. */
  accessDistanceBytes?: number;
  /** The number of the first volume. From 2, it goes on with a set, and need not be made if there is no block. */
  firstNumber: number;
  /** What writes the volumes. */
  files: VolumeFiles;
  /** Where to build the volume of a number. */
  spoolPath(number: number): string;
  /** Takes a volume over. The next one is not begun before the promise resolves. */
  onVolume(volume: SealedVolume): Promise<void>;
}

const tarBlockBytes = 512;
const tarRecordBytes = 20 * tarBlockBytes;
const fillerPieceBytes = 64 * 1024;
/** To unpack so much takes an instant, and an access point costs next to nothing. */
const usualAccessDistanceBytes = 4 * 1024 * 1024;

/** How much plaintext can grow at most when it is sealed, as what does not compress does. */
function growthBytes(plainBytes: number): number {
  return (plainBytes >> 9) + 64;
}

/**
 * Cuts a stream of blocks into volumes and seals them. A volume ends before the block that might take it past its limit,
 * by its real size after compression. No volume is larger than the limit, unless a single block is.
 */
export class VolumeCutter {
  readonly #options: CutterOptions;
  #number: number;
  #open: OpenVolume | undefined;

  constructor(options: CutterOptions) {
    this.#options = options;
    this.#number = options.firstNumber;
  }

  /** Opens the first volume: sealing may take time to get ready. */
  begin(): void {
    this.#open ??= new OpenVolume(this.#number, this.#options);
  }

  /** Adds a block (copied). Returns a promise where the caller must wait before the next one. */
  add(block: Uint8Array, key: PathKey, piece: number): Promise<void> | undefined {
    const open = this.#open;
    if (open === undefined || !open.surelyHolds(block.length)) return this.#addSlowly(block, key, piece);
    return open.add(block, key, piece);
  }

  async #addSlowly(block: Uint8Array, key: PathKey, piece: number): Promise<void> {
    if (this.#open !== undefined && !(await this.#open.holds(block.length))) await this.#cut(false);
    this.#open ??= new OpenVolume(this.#number, this.#options);
    await this.#open.add(block, key, piece);
  }

  /** Seals the last volume; that of number 1 is made even when there was no block at all. */
  async finish(): Promise<void> {
    if (this.#number === 1) this.begin();
    if (this.#open?.isEmpty && this.#number > 1) await this.abort();
    if (this.#open !== undefined) await this.#cut(true);
  }

  /** Gives up the volume in work and removes its file. */
  async abort(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.abort();
  }

  async #cut(last: boolean): Promise<void> {
    const open = this.#open as OpenVolume;
    const volume = await open.seal(last);
    this.#open = undefined;
    this.#number++;
    await this.#options.onVolume(volume);
  }
}

/** The volume that is being filled. */
class OpenVolume {
  readonly #number: number;
  readonly #path: string;
  readonly #limitBytes: number;
  readonly #accessDistanceBytes: number;
  readonly #encrypted: boolean;
  readonly #file: VolumeFile;
  readonly #writer: SealWriter;
  #plainBytes = 0;
  #startKey: PathKey | undefined;
  #startPiece = 0;
  #endKey: PathKey = '';
  #endPiece = 0;
  /** The last path before each access point. */
  readonly #accessKeys: PathKey[] = [];
  #accessedBytes = 0;

  constructor(number: number, options: CutterOptions) {
    this.#number = number;
    this.#path = options.spoolPath(number);
    this.#limitBytes = options.limitBytes;
    this.#accessDistanceBytes = options.accessDistanceBytes ?? usualAccessDistanceBytes;
    this.#encrypted = options.cipher.encrypted;
    this.#writer = options.cipher.seal((piece) => this.#file.write(piece));
    // Last, so that no file stays behind where sealing is refused. Nothing comes out before something was written.
    this.#file = options.files.create(this.#path);
  }

  get isEmpty(): boolean {
    return this.#startKey === undefined;
  }

  /** Whether a block of this size fits, however badly everything compresses. */
  surelyHolds(blockBytes: number): boolean {
    const { bytesOut, bytesPending } = this.#writer;
    const moreBytes = blockBytes + this.#footerBytes(blockBytes);
    return bytesOut + bytesPending + moreBytes + growthBytes(moreBytes) <= this.#limitBytes;
  }

  /** Whether a block fits by the real size so far. An empty volume takes any. */
  async holds(blockBytes: number): Promise<boolean> {
    if (this.#startKey === undefined || this.surelyHolds(blockBytes)) return true;
    await this.#writer.settle();
    return this.surelyHolds(blockBytes);
  }

  add(block: Uint8Array, key: PathKey, piece: number): Promise<void> | undefined {
    const isDue = this.#plainBytes - this.#accessedBytes >= this.#accessDistanceBytes;
    if (isDue && key > this.#endKey)
      return this.#beginAccessPoint().then(() => this.#write(block, key, piece));
    return this.#write(block, key, piece);
  }

  #beginAccessPoint(): Promise<void> {
    this.#accessKeys.push(this.#endKey);
    this.#accessedBytes = this.#plainBytes;
    return this.#writer.beginAccessPoint();
  }

  #write(block: Uint8Array, key: PathKey, piece: number): Promise<void> | undefined {
    if (this.#startKey === undefined) {
      this.#startKey = key;
      this.#startPiece = piece;
    }
    this.#endKey = key;
    this.#endPiece = piece;
    this.#plainBytes += block.length;
    return this.#writer.write(block);
  }

  async seal(last: boolean): Promise<SealedVolume> {
    if (this.#encrypted) {
      await this.#writer.write(Buffer.alloc(this.#footerBytes(0)));
      if (!last) await this.#fill();
    }
    await this.#writer.finish();
    const written = await this.#file.finish();
    const accessPoints = this.#writer.accessPoints.map((offset, i) => ({
      offset,
      after: this.#accessKeys[i] as PathKey,
    }));
    return {
      accessPoints,
      number: this.#number,
      path: this.#path,
      ...written,
      startKey: this.#startKey ?? '',
      startPiece: this.#startPiece || undefined,
      endKey: this.#endKey,
      endPiece: this.#endPiece || undefined,
    };
  }

  async abort(): Promise<void> {
    try {
      await this.#writer.abort();
    } finally {
      await this.#file.abort();
    }
  }

  /** Only an encrypted volume ends as a tar does: with zero blocks up to a whole record. */
  #footerBytes(moreBytes: number): number {
    if (!this.#encrypted) return 0;
    const end = this.#plainBytes + moreBytes + 2 * tarBlockBytes;
    return Math.ceil(end / tarRecordBytes) * tarRecordBytes - this.#plainBytes - moreBytes;
  }

  /** Fills an encrypted volume up to its size with noise, so that full volumes do not tell how well they packed. */
  async #fill(): Promise<void> {
    await this.#writer.settle();
    const noise = Buffer.alloc(fillerPieceBytes);
    for (;;) {
      const { bytesOut, bytesPending } = this.#writer;
      const roomBytes = this.#limitBytes - bytesOut - bytesPending;
      const sizeBytes = Math.min(roomBytes - growthBytes(roomBytes), noise.length);
      if (sizeBytes < tarBlockBytes) return;
      const piece = noise.subarray(0, sizeBytes);
      randomFillSync(piece);
      await this.#writer.write(piece);
      await this.#writer.settle();
    }
  }
}
