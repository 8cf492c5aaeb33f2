import { TundraError } from '../base/errors.js';
import { isWithin, keyOfSlashPath, type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import { quotePath, unquotePath } from './quoting.js';

export { quotePath, unquotePath };

/**
 * A volume as its set's manifest records it.
 *
 * The block numbers say where a file is split over volumes. They are the K of a piece `multivol_…/PATH/K`, counted
 * from 1: `startBlock` of the piece the volume begins with, `endBlock` of the piece it ends with. They are absent for an
 * entry that is whole, and for the last piece of a split file, whatever its K.
 */
export interface VolumeRecord {
  /** From 1. */
  number: number;
  startKey: PathKey;
  startBlock: number | undefined;
  endKey: PathKey;
  endBlock: number | undefined;
  /** Hashes of the stored file, after compression and encryption; `hex` in lower case. */
  hashes: { algorithm: string; hex: string }[];
}

export interface Manifest {
  hostname: string | undefined;
  /** The source folder as the user gave it. */
  localDir: Latin1 | undefined;
  /** By number, ascending. */
  volumes: VolumeRecord[];
  /** Whether the file list, if there is one, names as many files as it says. */
  fileListComplete: boolean;
}

export type FileChange = 'new' | 'changed' | 'deleted';

/** The hash to check a volume with: SHA1, else MD5, else any; undefined if none is recorded. */
export function bestHash(volume: VolumeRecord): { algorithm: string; hex: string } | undefined {
  const named = (algorithm: string) => volume.hashes.find((hash) => hash.algorithm === algorithm);
  return named('SHA1') ?? named('MD5') ?? volume.hashes[0];
}

/** Whether `key`, or anything below it, can be in the volume. */
export function volumeMayHold(volume: VolumeRecord, key: PathKey): boolean {
  return key <= volume.endKey && (volume.startKey <= key || isWithin(volume.startKey, key));
}

/** The first lines of a manifest, as a byte string; what is undefined or empty is left out. */
export function formatManifestHeader(header: {
  hostname: string | undefined;
  localDir: Latin1 | undefined;
}): Latin1 {
  const { hostname, localDir } = header;
  const hostLine = hostname ? `Hostname ${Buffer.from(hostname, 'utf8').toString('latin1')}\n` : '';
  const dirLine = localDir ? `Localdir ${quotePath(localDir)}\n` : '';
  return hostLine + dirLine;
}

/** A volume's lines, as a byte string. */
export function formatVolumeRecord(volume: VolumeRecord): Latin1 {
  const lines = [
    `Volume ${volume.number}:`,
    `    StartingPath   ${quotePath(slashPath(volume.startKey))} ${volume.startBlock ?? ' '}`,
    `    EndingPath     ${quotePath(slashPath(volume.endKey))} ${volume.endBlock ?? ' '}`,
    ...volume.hashes.map(({ algorithm, hex }) => `    Hash ${algorithm} ${hex}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The line that begins the list of files; `count` entries follow it. The list stands after the volumes. */
export function formatFileListHeader(count: number): Latin1 {
  return `Filelist ${count}\n`;
}

/** An entry of the list of files, which names regular files only. */
export function formatFileListEntry(change: FileChange, key: PathKey): Latin1 {
  return `    ${change.padEnd(7)}  ${quotePath(slashPath(key))}\n`;
}

/** A line is a path and little else: longer ones are not a manifest's. */
const lineLimitBytes = 1 << 20;
const keptLimitBytes = 160 << 20;
/** What a volume takes in memory beside its text. */
const volumeBytes = 250;
const lineFeed = 0x0a;
const space = 0x20;

export interface ManifestParserOptions {
  /** Called for each entry of the file list, in its order; without it the list is passed over. */
  onFile?: (change: FileChange, key: PathKey) => void;
  /** How much memory may be kept, the file list aside: 160 MiB unless given, which is some 300,000 volumes. */
  limitBytes?: number;
}

/**
 * Reads a manifest as it streams in. The file list is never kept: it may stand before or after the volumes, or be
 * missing. Where volume numbers go back (1 2 3 2), the later records stand and higher ones are dropped. Field names are
 * of any case, and unknown ones are passed over. Error: `unreadable-manifests`, naming the line.
 */
export class ManifestParser {
  readonly #onFile: ManifestParserOptions['onFile'];
  readonly #limitBytes: number;
  /** The pieces of a line that is not complete. */
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #keptBytes = 0;
  #lineNumber = 0;
  #sawText = false;
  #sawField = false;
  #hostname: string | undefined;
  #localDir: Latin1 | undefined;
  #volumes = new Map<number, VolumeRecord>();
  #volume: VolumeDraft | undefined;
  #inFileList = false;
  #filesExpected = 0;
  #filesSeen = 0;

  constructor(options: ManifestParserOptions = {}) {
    this.#onFile = options.onFile;
    this.#limitBytes = options.limitBytes ?? keptLimitBytes;
  }

  /** Takes the next piece of the text. */
  update(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      if (this.#tailBytes === 0) {
        // A list of a million files that nobody asked for is only counted.
        if (this.#inFileList && this.#onFile === undefined && bytes[start] === space) this.#countFile();
        else this.#line(bytes.toString('latin1', start, end));
      } else {
        this.#keepTail(bytes.subarray(start, end));
        this.#endTail();
      }
      start = end + 1;
    }
    if (start < bytes.length) this.#keepTail(Buffer.from(bytes.subarray(start)));
  }

  /** The manifest, when all of its text has been given. */
  finish(): Manifest {
    if (this.#tailBytes > 0) this.#endTail();
    const latest = this.#volume?.number ?? 0;
    this.#endVolume();
    if (this.#sawText && !this.#sawField) {
      throw new TundraError('unreadable-manifests', 'This is not a manifest: no line of it is known');
    }
    const volumes = [...this.#volumes.values()].filter(({ number }) => number <= latest);
    return {
      hostname: this.#hostname,
      localDir: this.#localDir,
      volumes: volumes.sort((a, b) => a.number - b.number),
      fileListComplete: this.#filesSeen === this.#filesExpected,
    };
  }

  #keepTail(piece: Buffer): void {
    this.#tail.push(piece);
    this.#tailBytes += piece.length;
    if (this.#tailBytes > lineLimitBytes) {
      this.#lineNumber++;
      this.#fail('a line is too long');
    }
  }

  #endTail(): void {
    const line = Buffer.concat(this.#tail, this.#tailBytes).toString('latin1');
    this.#tail = [];
    this.#tailBytes = 0;
    this.#line(line);
  }

  #line(line: Latin1): void {
    this.#lineNumber++;
    const indented = isSpace(line.charCodeAt(0));
    if (indented && this.#inFileList) {
      this.#fileEntry(line);
      return;
    }
    const words = wordsOf(line);
    const field = words[0]?.toLowerCase();
    if (field === undefined) return;
    this.#sawText = true;
    if (indented ? this.#volumeField(field, words) : this.#topField(field, words, line)) {
      this.#sawField = true;
      this.#keptBytes += line.length;
      if (field === 'volume') this.#keptBytes += volumeBytes;
      if (this.#keptBytes > this.#limitBytes) this.#fail('the manifest is too large');
    }
  }

  /** Takes a line that begins in the first column; false if its field is not known. */
  #topField(field: string, words: Latin1[], line: Latin1): boolean {
    switch (field) {
      case 'hostname':
        this.#hostname ??= Buffer.from(this.#unquote(line.slice(field.length + 1)), 'latin1').toString(
          'utf8',
        );
        return true;
      case 'localdir':
        this.#localDir ??= this.#unquote(line.slice(field.length + 1));
        return true;
      case 'volume':
        this.#beginVolume(line);
        return true;
      case 'filelist':
        this.#inFileList = true;
        this.#filesExpected += this.#number(words[1]);
        return true;
      default:
        return this.#volumeField(field, words);
    }
  }

  #beginVolume(line: Latin1): void {
    this.#endVolume();
    this.#inFileList = false;
    const number = Number(/^volume ([0-9]+):/i.exec(line)?.[1]);
    if (!Number.isSafeInteger(number) || number < 1) this.#fail('a volume must begin with "Volume NUMBER:"');
    this.#volume = new VolumeDraft(number, this.#lineNumber);
  }

  #endVolume(): void {
    const draft = this.#volume;
    this.#volume = undefined;
    if (draft === undefined) return;
    const { number, start, end, hashes } = draft;
    if (start === undefined || end === undefined) {
      this.#fail(`volume ${number} has no starting or no ending path`, draft.lineNumber);
    }
    this.#volumes.set(number, {
      number,
      startKey: start.key,
      startBlock: start.block,
      endKey: end.key,
      endBlock: end.block,
      hashes: [...hashes].map(([algorithm, hex]) => ({ algorithm, hex })),
    });
  }

  /** Takes a line of a volume; false if there is no volume, or its field is not known. */
  #volumeField(field: string, words: Latin1[]): boolean {
    const volume = this.#volume;
    if (volume === undefined) return false;
    switch (field) {
      case 'startingpath':
        volume.start = this.#position(words);
        return true;
      case 'endingpath':
        volume.end = this.#position(words);
        return true;
      case 'hash': {
        const [, algorithm, hex] = words;
        if (algorithm === undefined || hex === undefined) this.#fail('a hash needs a name and a value');
        volume.hashes.set(algorithm, hex.toLowerCase());
        return true;
      }
      default:
        return false;
    }
  }

  #position(words: Latin1[]): Position {
    const [, quoted, block] = words;
    if (quoted === undefined) this.#fail('a path is missing');
    const key = keyOfSlashPath(this.#unquote(quoted));
    return { key, block: block === undefined ? undefined : this.#number(block) };
  }

  #fileEntry(line: Latin1): void {
    const [word, quoted, more] = wordsOf(line);
    const change = word?.toLowerCase();
    const path = quoted === undefined || more !== undefined ? undefined : unquotePath(quoted);
    // A list that cannot be read must not keep the volumes from being restored: its count will not fit.
    if (path === undefined || (change !== 'new' && change !== 'changed' && change !== 'deleted')) return;
    this.#filesSeen++;
    this.#onFile?.(change, keyOfSlashPath(path));
  }

  #countFile(): void {
    this.#lineNumber++;
    this.#filesSeen++;
  }

  #number(word: Latin1 | undefined): number {
    const number = word !== undefined && /^[0-9]+$/.test(word) ? Number(word) : Number.NaN;
    if (!Number.isSafeInteger(number)) this.#fail('a number is missing or wrong');
    return number;
  }

  #unquote(quoted: Latin1): Latin1 {
    return unquotePath(quoted) ?? this.#fail('the quoting of a path is broken');
  }

  #fail(what: string, lineNumber = this.#lineNumber): never {
    throw new TundraError('unreadable-manifests', `Bad manifest, line ${lineNumber}: ${what}`);
  }
}

interface Position {
  key: PathKey;
  block: number | undefined;
}

/** A volume whose lines are still coming. */
class VolumeDraft {
  readonly number: number;
  readonly lineNumber: number;
  readonly hashes = new Map<string, string>();
  start: Position | undefined;
  end: Position | undefined;

  constructor(number: number, lineNumber: number) {
    this.number = number;
    this.lineNumber = lineNumber;
  }
}

function isSpace(byte: number): boolean {
  return byte === space || (byte >= 0x09 && byte <= 0x0d);
}

/** The words of a line. Not `\s`: it would split at the byte 0xA0 of a name. */
function wordsOf(line: Latin1): Latin1[] {
  return line.split(/[\t-\r ]+/).filter((word) => word !== '');
}
