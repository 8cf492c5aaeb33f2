import { type Attributes, emptyAttributes } from '../base/attributes.js';
import type { FileNote } from '../base/file-stamp.js';
import type { PathKey } from '../base/path-key.js';
import { blockSizeBytes, type DifftarKind, formatDifftarName } from '../format/difftar.js';
import type { TarHeader } from '../format/tar/header.js';
import { tarHeaderBytes, writeTarHeader } from '../format/tar/write.js';

/** Blocks of a difftar, back to back, that were packed into one slot. */
export interface PackedBatch {
  /** Index of the slot in the ring. */
  slot: number;
  /** Offset in the slot behind each block. */
  ends: number[];
  /** Path each block belongs to. */
  keys: PathKey[];
  /** Number of the piece, from 1, where a block is a piece of a file and not the last one; else 0. */
  pieces: number[];
  /** What is known of the files of which there are pieces. */
  notes: { key: PathKey; note: FileNote }[];
}

/** The data has ended before the piece that was to come next: it is not the data that the first pieces were of. */
export class PiecesMissing extends Error {}

export interface SlotSource {
  take(): { index: number; bytes: Buffer };
}

/** Fills a buffer with an entry's data. Returning fewer bytes than asked for is the end of the data. */
export type DataReader = (target: Uint8Array) => number;

const tarBlockBytes = 512;
/** Longest header but for the records: the entry's own block and two long-name records for a path and a link target. */
const headerSlackBytes = 64 * 1024;
/** A slot must hold at least one block of this size, and the longest records that are to be packed besides. */
export const largestBlockBytes = blockSizeBytes + headerSlackBytes;

/**
 * Packs entries into the blocks of a difftar: each block is one tar entry, header and padded data, so that a volume may
 * end between any two. Blocks gather in slots; a full slot goes out as a batch.
 */
export class BlockPacker {
  readonly #slots: SlotSource;
  readonly #emit: (batch: PackedBatch) => void;
  #bytes: Buffer | undefined;
  #used = 0;
  #batch: PackedBatch = { slot: -1, ends: [], keys: [], pieces: [], notes: [] };
  /** Data bytes packed so far, without headers and padding. */
  dataBytes = 0;

  constructor(slots: SlotSource, emit: (batch: PackedBatch) => void) {
    this.#slots = slots;
    this.#emit = emit;
  }

  /** Packs an entry that has no data: anything but a regular file. */
  addEntry(key: PathKey, attributes: Attributes): void {
    const isDirectory = attributes.type === 'directory';
    this.#addHeaderOnly(key, headerOf(formatDifftarName('snapshot', key, isDirectory), attributes));
  }

  addDeleted(key: PathKey): void {
    this.#addHeaderOnly(key, headerOf(formatDifftarName('deleted', key, false), emptyAttributes));
  }

  /**
   * Packs a regular file, whole (`snapshot`) or as a delta (`diff`): one block if the data is shorter than 64 KiB, else a
   * block for each 64 KiB piece, the last one shorter, possibly empty.
   *
   * @param sizeHintBytes expected size of the data; only speed depends on it
   * @param read gives the data. If it throws before the first block is full, nothing of the entry is packed.
   * @param stamp for the note of a file that takes several pieces
   */
  addFile(
    kind: Exclude<DifftarKind, 'deleted'>,
    key: PathKey,
    attributes: Attributes,
    sizeHintBytes: number,
    read: DataReader,
    stamp?: string,
  ): void {
    const expectSingle = sizeHintBytes < blockSizeBytes;
    const header = headerOf(
      expectSingle ? formatDifftarName(kind, key, false) : formatDifftarName(kind, key, false, 1),
      attributes,
    );
    const slot = this.#room(header);
    const headerAt = this.#used;
    let dataAt = headerAt + tarHeaderBytes(header);
    const size = read(slot.subarray(dataAt, dataAt + blockSizeBytes));
    const single = size < blockSizeBytes;
    if (single !== expectSingle) {
      header.name = single ? formatDifftarName(kind, key, false) : formatDifftarName(kind, key, false, 1);
      const movedTo = headerAt + tarHeaderBytes(header);
      if (movedTo !== dataAt) slot.copyWithin(movedTo, dataAt, dataAt + size);
      dataAt = movedTo;
    }
    if (single) {
      this.#finishBlock(slot, header, dataAt, size, key, 0);
    } else {
      const note = { kind, stamp };
      this.#finishBlock(slot, header, dataAt, size, key, 1, note);
      this.#addPieces(key, withoutRecords(header), 2, read, note);
    }
  }

  /**
   * Packs the rest of a file whose first pieces were packed by another run; they are read once more, and left out.
   * Errors: `PiecesMissing`; nothing is packed then.
   */
  continueFile(
    kind: Exclude<DifftarKind, 'deleted'>,
    key: PathKey,
    attributes: Attributes,
    piecesDone: number,
    read: DataReader,
    stamp?: string,
  ): void {
    const piece = Buffer.allocUnsafe(blockSizeBytes);
    for (let done = 0; done < piecesDone; done++) if (read(piece) < blockSizeBytes) throw new PiecesMissing();
    this.#addPieces(key, withoutRecords(headerOf('', attributes)), piecesDone + 1, read, { kind, stamp });
  }

  /** Sends what is packed, however little. */
  flush(): void {
    if (this.#bytes === undefined) return;
    this.#emit(this.#batch);
    this.#bytes = undefined;
  }

  /** Packs the pieces from a number on, which all those before it being full makes the next one. */
  #addPieces(key: PathKey, header: TarHeader, from: number, read: DataReader, note: FileNote): void {
    let size = blockSizeBytes;
    for (let piece = from; size === blockSizeBytes; piece++) {
      header.name = formatDifftarName(note.kind, key, false, piece);
      const slot = this.#room(header);
      const at = this.#used + tarHeaderBytes(header);
      size = read(slot.subarray(at, at + blockSizeBytes));
      this.#finishBlock(slot, header, at, size, key, size < blockSizeBytes ? 0 : piece, note);
    }
  }

  #addHeaderOnly(key: PathKey, header: TarHeader): void {
    const slot = this.#room(header);
    this.#used += writeTarHeader(header, slot, this.#used);
    this.#endBlock(key, 0);
  }

  #finishBlock(
    slot: Buffer,
    header: TarHeader,
    dataAt: number,
    size: number,
    key: PathKey,
    piece: number,
    note?: FileNote,
  ): void {
    header.sizeBytes = size;
    writeTarHeader(header, slot, this.#used);
    const end = dataAt + size;
    const paddedEnd = end + ((tarBlockBytes - (size % tarBlockBytes)) % tarBlockBytes);
    slot.fill(0, end, paddedEnd);
    this.#used = paddedEnd;
    this.dataBytes += size;
    const { notes } = this.#batch;
    if (note !== undefined && notes.at(-1)?.key !== key) notes.push({ key, note });
    this.#endBlock(key, piece);
  }

  #endBlock(key: PathKey, piece: number): void {
    this.#batch.ends.push(this.#used);
    this.#batch.keys.push(key);
    this.#batch.pieces.push(piece);
  }

  /** The slot to write the next block into, with room for the largest one. */
  #room({ records = '' }: TarHeader): Buffer {
    const mostBytes = largestBlockBytes + records.length;
    if (this.#bytes !== undefined && this.#bytes.length - this.#used < mostBytes) this.flush();
    if (this.#bytes === undefined) {
      const { index, bytes } = this.#slots.take();
      this.#bytes = bytes;
      this.#used = 0;
      this.#batch = { slot: index, ends: [], keys: [], pieces: [], notes: [] };
    }
    return this.#bytes;
  }
}

/** Records are kept once, with the first piece. */
function withoutRecords(header: TarHeader): TarHeader {
  delete header.records;
  return header;
}

/** The tar header of an entry, its size still 0. */
export function headerOf(name: string, attributes: Attributes): TarHeader {
  const header: TarHeader = {
    name,
    type: attributes.type,
    mode: attributes.mode,
    uid: attributes.uid,
    gid: attributes.gid,
    uname: attributes.uname,
    gname: attributes.gname,
    mtimeSeconds: attributes.mtimeSeconds,
    sizeBytes: 0,
    linkTarget: attributes.linkTarget,
    deviceMajor: attributes.deviceMajor,
    deviceMinor: attributes.deviceMinor,
  };
  if (attributes.records !== undefined) header.records = attributes.records;
  return header;
}
