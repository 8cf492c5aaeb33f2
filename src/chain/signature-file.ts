import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { archivePlace, onDisk, writeAllSync } from '../base/local-disk.js';
import type { PathKey } from '../base/path-key.js';
import { formatSigtarName, type SigtarKind } from '../format/sigtar.js';
import type { TarHeader } from '../format/tar/header.js';
import { tarHeaderBytes, writeTarHeader } from '../format/tar/write.js';
import { formatSignatureHeader, signatureBlockSize } from '../rsync/signature-format.js';

const bufferBytes = 256 * 1024;
const tarBlockBytes = 512;

/**
 * Writes the plain sigtar of a set to a local file while the backup runs, synchronously, through one buffer. Entries come
 * in path order. A signature too large to be kept in memory is written as it grows: its header goes first with the size
 * it should get, and is mended in place if the file turned out longer or shorter.
 */
export class SignatureFileWriter {
  readonly #path: string;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;
  /** Position in the file of the buffer's first byte. */
  #flushed = 0;
  /** The entry that was begun last; its header is final once the entry has ended. */
  last: WrittenEntry | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#fd = onDisk(archivePlace, path, () => openSync(path, 'w', 0o600));
  }

  /** Adds an entry. `header.name` is set here; the data's padding too. */
  add(kind: SigtarKind, key: PathKey, header: TarHeader, data?: Uint8Array): void {
    header.name = formatSigtarName(kind, key, header.type === 'directory');
    header.sizeBytes = data?.length ?? 0;
    this.last = { kind, key, header, startBytes: this.#flushed + this.#used };
    this.#writeHeader(header);
    if (data !== undefined) {
      this.#write(data);
      this.#pad(data.length);
    }
  }

  /**
   * Adds an entry for a path of which is not known what the set has of it: the signature of an empty file, at a time that
   * is not its own. So the next run stores the path, a file as a delta that fits whatever is stored: it copies nothing.
   */
  addUnknown(key: PathKey, header: TarHeader): void {
    const mtimeSeconds = otherTime(header.mtimeSeconds);
    const unknown: TarHeader = { ...header, type: 'file', linkTarget: '', mtimeSeconds };
    this.add('signature', key, unknown, formatSignatureHeader(signatureBlockSize(0)));
  }

  /**
   * Begins a signature whose data follows piece by piece.
   *
   * @param expectedBytes size the signature will have if its file does not change
   */
  begin(key: PathKey, header: TarHeader, expectedBytes: number): GrowingSignature {
    header.name = formatSigtarName('signature', key, false);
    header.sizeBytes = expectedBytes;
    const headerAt = this.#flushed + this.#used;
    this.last = { kind: 'signature', key, header, startBytes: headerAt };
    this.#writeHeader(header);
    let written = 0;
    return {
      write: (data) => {
        this.#write(data);
        written += data.length;
      },
      end: (mtimeSeconds = header.mtimeSeconds) => {
        this.#pad(written);
        if (written === expectedBytes && mtimeSeconds === header.mtimeSeconds) return;
        header.sizeBytes = written;
        header.mtimeSeconds = mtimeSeconds;
        this.#mendHeader(header, headerAt);
      },
      discard: () => {
        // What came before it may still be in the buffer.
        this.flush();
        this.#flushed = headerAt;
        this.last = undefined;
        onDisk(archivePlace, this.#path, () => ftruncateSync(this.#fd, headerAt));
      },
    };
  }

  /** Has the file hold all that was added so far: the process may be killed at any moment. */
  flush(): void {
    if (this.#used > 0) this.#flush();
  }

  /** Writes the end of the archive and closes the file. */
  finish(): void {
    const end = this.#flushed + this.#used;
    const record = 20 * tarBlockBytes;
    const total = Math.ceil((end + 2 * tarBlockBytes) / record) * record;
    this.#write(Buffer.alloc(total - end));
    this.#flush();
    closeSync(this.#fd);
  }

  /** Closes the file as it is. */
  abandon(): void {
    closeSync(this.#fd);
  }

  #writeHeader(header: TarHeader): void {
    const size = tarHeaderBytes(header);
    if (size > this.#buffer.length - this.#used) this.#flush();
    if (size > this.#buffer.length) {
      const bytes = Buffer.alloc(size);
      writeTarHeader(header, bytes, 0);
      this.#write(bytes);
      return;
    }
    this.#used += writeTarHeader(header, this.#buffer, this.#used);
  }

  #mendHeader(header: TarHeader, at: number): void {
    this.#flush();
    const bytes = Buffer.alloc(tarHeaderBytes(header));
    writeTarHeader(header, bytes, 0);
    this.#writeAt(bytes, at);
  }

  #pad(size: number): void {
    const rest = size % tarBlockBytes;
    if (rest !== 0) this.#write(zeros.subarray(0, tarBlockBytes - rest));
  }

  #write(data: Uint8Array): void {
    if (data.length > this.#buffer.length - this.#used) this.#flush();
    if (data.length > this.#buffer.length) {
      this.#writeAt(data, this.#flushed);
      this.#flushed += data.length;
      return;
    }
    this.#buffer.set(data, this.#used);
    this.#used += data.length;
  }

  #flush(): void {
    this.#writeAt(this.#buffer.subarray(0, this.#used), this.#flushed);
    this.#flushed += this.#used;
    this.#used = 0;
  }

  #writeAt(bytes: Uint8Array, position: number): void {
    onDisk(archivePlace, this.#path, () => writeAllSync(this.#fd, bytes, position));
  }
}

/** An entry of a signature file. */
export interface WrittenEntry {
  kind: SigtarKind;
  key: PathKey;
  header: TarHeader;
  /** Where its header begins in the file. */
  startBytes: number;
}

/** A signature that is written while its file is read. */
export interface GrowingSignature {
  write(data: Uint8Array): void;
  /** Ends it; the header's time may still be replaced. */
  end(mtimeSeconds?: number): void;
  /** Takes it back instead: the file then has no entry. */
  discard(): void;
}

/** A time that does not count as equal: it makes the next run look at the file again. */
export function otherTime(mtimeSeconds: number): number {
  return mtimeSeconds > 0 ? mtimeSeconds - 1 : 1;
}

const zeros = new Uint8Array(tarBlockBytes);
