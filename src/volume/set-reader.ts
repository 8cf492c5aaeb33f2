import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { allKeys, displayKey, isWithin, type KeyRange, type PathKey } from '../base/path-key.js';
import { blockSizeBytes, type DifftarKind, parseDifftarName } from '../format/difftar.js';
import type { TarHeader } from '../format/tar/header.js';
import { TarReader } from '../format/tar/read.js';

/** A volume that may hold wanted paths. */
export interface NeededVolume {
  number: number;
  /** What messages call it. */
  name: string;
  /** What its manifest says it begins with: an entry, or a file that goes on. */
  startKey: PathKey;
  /** No path in it is lower. */
  lowestKey: PathKey;
}

/** A volume that was opened; `close` gives up what holds it. */
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

export interface SetReaderOptions<Volume> {
  /** Opens a volume; undefined if it is to be left out. */
  open(volume: Volume): Promise<OpenedVolume | undefined>;
  /** Is told why the rest of a volume cannot be read. If it returns, that rest is left out; if not given, it is thrown. */
  onDamage?: ((error: TundraError) => void) | undefined;
  /**
   * Is told of a file that stops in the middle with its volume, and that no other volume goes on with: the peer writes
   * such a set when it takes up a broken-off run after the file has become shorter or is gone.
   */
  onCutShort?: ((key: PathKey) => void) | undefined;
  /** Volumes are missing in which nothing is wanted: a file may begin in one of them, and go on in the next. */
  skipsVolumes?: boolean;
  /** Only these paths are given. */
  range?: KeyRange;
}

/**
 * Reads the entries of one backup set in path order, over the volumes that may hold what is wanted. A volume is opened
 * only when the merge gets to its lowest path. Error: `format`, naming volume and path.
 */
export class SetReader<Volume extends NeededVolume = NeededVolume> {
  readonly age: number;
  readonly #volumes: readonly Volume[];
  readonly #wanted: PathKey;
  readonly #options: SetReaderOptions<Volume>;
  readonly #range: KeyRange;
  #next = 0;
  #volume: OpenedVolume | undefined;
  #tar: TarReader | undefined;
  #name = '';
  /** No path of the open volume may be lower. */
  #lowestKey: PathKey = '';
  #head: Piece | undefined;
  /** The piece behind the head's data, where it was read already. */
  #ahead: Piece | undefined;
  /** Its header, if there is something wrong with that. */
  #header: TarHeader | undefined;
  #dataTaken = false;
  /** Something was left out behind the last entry. */
  #isInGap = false;
  /** Something was left out before the head. */
  #isBehindGap = false;
  /** The volume before the open one was passed over, as nothing in it is wanted. */
  #isBehindSkipped = false;
  #lastNumber = 0;
  /** Path of the entry, or the lowest path it can have while `entry` is not known yet; undefined at the end. */
  key: PathKey | undefined;

  /**
   * @param age 0 for the full set, counting up
   * @param volumes in order
   * @param wanted only this path and what lies below it is given
   */
  constructor(age: number, volumes: readonly Volume[], wanted: PathKey, options: SetReaderOptions<Volume>) {
    this.age = age;
    this.#volumes = volumes;
    this.#wanted = wanted;
    this.#options = options;
    this.#range = options.range ?? allKeys;
    this.#boundByNextVolume();
  }

  /** The entry at `key`; undefined while only the bound is known. */
  get entry(): SetEntry | undefined {
    return this.#head;
  }

  /** Whether the set may hold a path, up to `key`, that was left out with a volume or its rest. */
  mayLack(path: PathKey): boolean {
    const head = this.#head;
    return head === undefined ? this.#isInGap : this.#isBehindGap && path < head.key;
  }

  /**
   * Goes on to the next wanted entry. At a volume's end it stops at the bound of the next volume instead. Returns a promise
   * where it must be waited for: mostly the entry is at hand.
   */
  advance(): Promise<void> | undefined {
    const piece = this.#pieceAtHand();
    if (piece === undefined) return this.#advanceSlowly();
    this.#ahead = undefined;
    this.#stopAt(piece);
    return undefined;
  }

  /** The next piece, if it is buffered and nothing is odd about it. Else it stays to be looked at more closely. */
  #pieceAtHand(): Piece | undefined {
    const previous = this.#head;
    if (this.#tar === undefined) return undefined;
    if (this.#ahead === undefined) {
      try {
        const header = this.#tar.poll();
        if (header === undefined || header === 'more') return undefined;
        this.#header = header;
        const { key, kind, piece } = parseDifftarName(header.name);
        this.#ahead = { key, kind, piece, header };
        this.#header = undefined;
      } catch {
        return undefined;
      }
    }
    const piece = this.#ahead;
    const { key } = piece;
    const isNext = (previous === undefined || key > previous.key) && key >= this.#lowestKey;
    return isNext && !continues(piece) && this.#isWanted(key) ? piece : undefined;
  }

  #stopAt(piece: Piece): void {
    this.#isBehindGap = this.#isInGap;
    this.#isInGap = false;
    this.#head = piece;
    this.key = piece.key;
    this.#dataTaken = false;
  }

  async #advanceSlowly(): Promise<void> {
    let previous = this.#head;
    if (this.#tar === undefined) {
      // Reading the head's data has come to the end of its volume.
      if (previous !== undefined) return this.#stopAtBound();
      if (!(await this.#openNext())) return this.#end();
    }
    for (;;) {
      const piece = await this.#nextPiece(previous);
      if (piece === undefined) {
        await this.#closeVolume();
        // A file may go on in the next volume: what is left of it is skipped there.
        if (previous === undefined || !(await this.#openContinued(previous.key))) return this.#stopAtBound();
        continue;
      }
      if (previous !== undefined && goesOn(previous, piece)) continue;
      previous = piece;
      if (!this.#isWanted(piece.key)) {
        // Behind the wanted paths in order: nothing more can come.
        if (piece.key > this.#lowestWanted()) return this.#end();
        continue;
      }
      // Its beginning was left out.
      if (continues(piece)) continue;
      this.#stopAt(piece);
      return;
    }
  }

  /** The data of the entry, over all its pieces. To be read at most once, before `advance`. */
  async *data(): AsyncGenerator<Uint8Array> {
    const head = this.#head;
    if (head === undefined || this.#dataTaken) throw new Error('no data to read');
    this.#dataTaken = true;
    yield* this.#body(head.key);
    if (head.piece === undefined) return;
    let last: Piece = head;
    for (let number = 2; ; number++) {
      const volumesBefore = this.#next;
      const piece = await this.#readOverVolumes(head.key);
      if (piece === undefined || !goesOn(head, piece)) {
        this.#ahead = piece;
        // The last piece is always shorter than the others.
        const isFull = last.header.sizeBytes === blockSizeBytes;
        const isLeftOut = this.#isInGap && (isFull || this.#next > volumesBefore);
        if (isLeftOut || (isFull && piece !== undefined))
          throw this.#damaged(head.key, 'the end of the file is missing');
        if (isFull) this.#options.onCutShort?.(head.key);
        return;
      }
      if (piece.piece !== number) throw this.#damaged(head.key, `piece ${number} is missing`);
      yield* this.#body(head.key);
      last = piece;
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
    const bound = this.#volumes[this.#next]?.lowestKey;
    const lowest = this.#lowestWanted();
    this.key = bound !== undefined && bound < lowest ? lowest : bound;
  }

  /** No wanted path is lower. */
  #lowestWanted(): PathKey {
    const { after } = this.#range;
    return after === undefined || after < this.#wanted ? this.#wanted : `${after}\0`;
  }

  #isWanted(key: PathKey): boolean {
    const { after, upTo } = this.#range;
    return (
      (after === undefined || key > after) &&
      (upTo === undefined || key <= upTo) &&
      isWithin(key, this.#wanted)
    );
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

  /** Opens the next volume, unless it is left out; false if there is none. */
  async #openNext(): Promise<boolean> {
    const volume = this.#volumes[this.#next];
    if (volume === undefined) return false;
    this.#next++;
    this.#volume = await this.#options.open(volume);
    this.#name = volume.name;
    this.#lowestKey = volume.lowestKey;
    this.#isBehindSkipped = this.#options.skipsVolumes === true && volume.number !== this.#lastNumber + 1;
    this.#lastNumber = volume.number;
    if (this.#volume === undefined) this.#isInGap = true;
    else this.#tar = new TarReader(this.#volume.bytes, volume.name);
    return true;
  }

  /** Opens the next volume if a file that begins before it may go on there. */
  async #openContinued(key: PathKey): Promise<boolean> {
    return this.#volumes[this.#next]?.startKey === key && this.#openNext();
  }

  /** Leaves out what is left of the volume, if that is wanted; else throws the error that is why. */
  async #leaveOutRest(error: unknown): Promise<void> {
    const { onDamage } = this.#options;
    if (onDamage === undefined || !(error instanceof TundraError)) throw error;
    onDamage(error);
    this.#isInGap = true;
    await this.#closeVolume();
  }

  async #closeVolume(): Promise<void> {
    const tar = this.#tar;
    const volume = this.#volume;
    this.#tar = undefined;
    this.#volume = undefined;
    this.#header = undefined;
    try {
      await tar?.close();
    } finally {
      await volume?.close();
    }
  }

  /** The next piece of the volume, which must come behind the one before it; undefined where the volume ends. */
  async #nextPiece(previous: Piece | undefined): Promise<Piece | undefined> {
    const piece = this.#ahead ?? (await this.#read());
    this.#ahead = undefined;
    const problem = piece && this.#misplaced(piece, previous);
    if (problem === undefined) return piece;
    await this.#leaveOutRest(problem);
    return undefined;
  }

  #misplaced(piece: Piece, previous: Piece | undefined): TundraError | undefined {
    const { key } = piece;
    if (previous !== undefined && goesOn(previous, piece)) return undefined;
    if (previous !== undefined && key <= previous.key)
      return this.#damaged(key, 'entries are not in path order');
    if (key < this.#lowestKey)
      return this.#damaged(key, 'the volume begins before the path that its manifest says');
    // What is not wanted was cut off by volumes that are not needed.
    if (continues(piece) && this.#isWanted(key) && !this.#isInGap && !this.#isBehindSkipped)
      return this.#damaged(key, 'the beginning of the file is missing');
    return undefined;
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
    try {
      let header = this.#header ?? tar.poll();
      this.#header = undefined;
      while (header === 'more') {
        await tar.fill();
        header = tar.poll();
      }
      if (header === undefined) return undefined;
      const { kind, key, piece } = parseDifftarName(header.name);
      return { key, kind, piece, header };
    } catch (error) {
      await this.#leaveOutRest(error);
      return undefined;
    }
  }

  async *#body(key: PathKey): AsyncGenerator<Uint8Array> {
    const tar = this.#tar as TarReader;
    for (;;) {
      let part: Uint8Array | 'more' | undefined;
      try {
        part = tar.pollBody();
        if (part === 'more') await tar.fill();
      } catch (error) {
        await this.#leaveOutRest(error);
        throw this.#damaged(key, 'the rest of the file is damaged');
      }
      if (part === undefined) return;
      if (part !== 'more') yield part;
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

/** Whether a block is a further piece of the file that the one before it is a piece of. */
function goesOn(previous: Piece, piece: Piece): boolean {
  return piece.key === previous.key && piece.kind === previous.kind && continues(piece);
}
