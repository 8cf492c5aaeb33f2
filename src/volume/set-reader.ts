import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { displayKey, isWithin, type PathKey } from '../base/path-key.js';
import { type DifftarKind, parseDifftarName } from '../format/difftar.js';
import type { TarHeader } from '../format/tar/header.js';
import { TarReader } from '../format/tar/read.js';

/** A volume that may hold wanted paths. */
export interface NeededVolume {
  number: number;
  /** What messages call it. */
  name: string;
  startKey: PathKey;
}

/** A volume that was opened; `close` gives up what holds it. One without an entry counts as left out. */
export interface OpenedVolume {
  bytes: ByteStream;
  close(): Promise<void>;
}

/** The entry a set holds for a path: all of it, however many pieces and volumes it lies in. */
export interface SetEntry {
  key: PathKey;
  kind: DifftarKind;
  header: TarHeader;
}

interface Piece extends SetEntry {
  piece: number | undefined;
}

/**
 * Reads the entries of one backup set in path order, over the volumes that may hold what is wanted. A volume is opened
 * only when the merge gets to its first path.
 */
export class SetReader<Volume extends NeededVolume = NeededVolume> {
  readonly age: number;
  readonly #volumes: readonly Volume[];
  readonly #wanted: PathKey;
  readonly #open: (volume: Volume) => Promise<OpenedVolume>;
  #next = 0;
  #volume: OpenedVolume | undefined;
  #tar: TarReader | undefined;
  #name = '';
  #head: Piece | undefined;
  /** The piece behind the head's data, where it was read already. */
  #ahead: Piece | undefined;
  #dataTaken = false;
  /** The volume that was opened last has given no entry. */
  #isEmpty = false;
  /** The volume before it gave none, and this one has not begun an entry of its own. */
  #isBehindGap = false;
  /** Path of the entry, or the lowest path it can have while `entry` is not known yet; undefined at the end. */
  key: PathKey | undefined;

  /**
   * @param age 0 for the full set, counting up
   * @param volumes in order
   * @param wanted only this path and what lies below it is given
   */
  constructor(
    age: number,
    volumes: readonly Volume[],
    wanted: PathKey,
    open: (volume: Volume) => Promise<OpenedVolume>,
  ) {
    this.age = age;
    this.#volumes = volumes;
    this.#wanted = wanted;
    this.#open = open;
    this.#boundByNextVolume();
  }

  /** The entry at `key`; undefined while only the bound is known. */
  get entry(): SetEntry | undefined {
    return this.#head;
  }

  /** Goes on to the next wanted entry. At a volume's end it stops at the bound of the next volume instead. */
  async advance(): Promise<void> {
    let previous = this.#head;
    if (this.#tar === undefined) {
      // Reading the head's data has come to the end of its volume.
      if (previous !== undefined) return this.#stopAtBound();
      if (!(await this.#openNext())) return this.#end();
    }
    for (;;) {
      const piece = this.#ahead ?? (await this.#read());
      this.#ahead = undefined;
      if (piece === undefined) {
        await this.#closeVolume();
        // A file may go on in the next volume: what is left of it is skipped there.
        if (previous === undefined || !(await this.#openContinued(previous.key))) return this.#stopAtBound();
        continue;
      }
      if (previous !== undefined) {
        if (piece.key === previous.key && piece.kind === previous.kind && continues(piece)) continue;
        if (piece.key <= previous.key) throw this.#damaged(piece.key, 'entries are not in path order');
        previous = undefined;
      }
      if (!isWithin(piece.key, this.#wanted)) {
        // Behind the wanted paths in order: nothing more can come.
        if (piece.key > this.#wanted) return this.#end();
        previous = piece;
        continue;
      }
      if (continues(piece)) {
        if (!this.#isBehindGap) throw this.#damaged(piece.key, 'the beginning of the file is missing');
        previous = piece;
        continue;
      }
      this.#isBehindGap = false;
      this.#head = piece;
      this.key = piece.key;
      this.#dataTaken = false;
      return;
    }
  }

  /** The data of the entry, over all its pieces. To be read at most once, before `advance`. */
  async *data(): AsyncGenerator<Uint8Array> {
    const head = this.#head;
    if (head === undefined || this.#dataTaken) throw new Error('no data to read');
    this.#dataTaken = true;
    yield* this.#body();
    for (let number = 2; head.piece !== undefined; number++) {
      const piece = await this.#readOverVolumes(head.key);
      if (piece === undefined && this.#isEmpty)
        throw this.#damaged(head.key, 'the end of the file is missing');
      if (piece === undefined) return;
      if (piece.key !== head.key || piece.kind !== head.kind || piece.piece === undefined) {
        this.#ahead = piece;
        return;
      }
      if (piece.piece !== number) throw this.#damaged(head.key, `piece ${number} is missing`);
      yield* this.#body();
    }
  }

  /** The whole data if it is small and buffered: the fast way for small files. */
  bufferedData(): Uint8Array | undefined {
    if (this.#head === undefined || this.#head.piece !== undefined || this.#dataTaken) return undefined;
    const data = this.#tar?.bodyIfBuffered();
    if (data !== undefined) this.#dataTaken = true;
    return data;
  }

  async close(): Promise<void> {
    await this.#closeVolume();
  }

  #boundByNextVolume(): void {
    const bound = this.#volumes[this.#next]?.startKey;
    const wanted = this.#wanted;
    this.key = bound !== undefined && bound < wanted ? wanted : bound;
  }

  #stopAtBound(): void {
    this.#head = undefined;
    this.#boundByNextVolume();
  }

  async #end(): Promise<void> {
    await this.#closeVolume();
    this.#next = this.#volumes.length;
    this.#head = undefined;
    this.key = undefined;
  }

  async #openNext(): Promise<boolean> {
    const volume = this.#volumes[this.#next];
    if (volume === undefined) return false;
    this.#next++;
    this.#volume = await this.#open(volume);
    this.#name = volume.name;
    this.#isBehindGap = this.#isEmpty;
    this.#isEmpty = true;
    this.#tar = new TarReader(this.#volume.bytes, volume.name);
    return true;
  }

  /** Opens the next volume if a file that begins before it may go on there. */
  async #openContinued(key: PathKey): Promise<boolean> {
    return this.#volumes[this.#next]?.startKey === key && this.#openNext();
  }

  async #closeVolume(): Promise<void> {
    const tar = this.#tar;
    const volume = this.#volume;
    this.#tar = undefined;
    this.#volume = undefined;
    try {
      await tar?.close();
    } finally {
      await volume?.close();
    }
  }

  /** The next piece; undefined where the volume ends and the file of this key with it. */
  async #readOverVolumes(key: PathKey): Promise<Piece | undefined> {
    for (;;) {
      const piece = await this.#read();
      if (piece !== undefined) return piece;
      await this.#closeVolume();
      if (!(await this.#openContinued(key))) return undefined;
    }
  }

  async #read(): Promise<Piece | undefined> {
    const tar = this.#tar;
    if (tar === undefined) return undefined;
    let header = tar.poll();
    while (header === 'more') {
      await tar.fill();
      header = tar.poll();
    }
    if (header === undefined) return undefined;
    this.#isEmpty = false;
    const { kind, key, piece } = parseDifftarName(header.name);
    return { key, kind, piece, header };
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    const tar = this.#tar as TarReader;
    for (;;) {
      const part = tar.pollBody();
      if (part === undefined) return;
      if (part === 'more') await tar.fill();
      else yield part;
    }
  }

  #damaged(key: PathKey, what: string): TundraError {
    return new TundraError('format', `${this.#name}: ${displayKey(key)}: ${what}`);
  }
}

/** Whether a block goes on with a file that began in an earlier one. */
function continues(piece: Piece): boolean {
  return piece.piece !== undefined && piece.piece > 1;
}
