import { accessSync, constants, readdirSync, readlinkSync, statSync } from 'node:fs';
import { TundraError } from '../base/errors.js';
import {
  allKeys,
  baseName,
  childKey,
  diskPath,
  displayBytes,
  isWithin,
  type KeyRange,
  type Latin1,
  type PathKey,
  parentKey,
  rootKey,
} from '../base/path-key.js';
import { readEntry, type SourceEntry } from './entry.js';
import { columns, entryTypes, readRow, writeRow } from './entry-rows.js';
import { type NativeFolders, nativeFolders } from './native-folder.js';
import { Owners } from './owners.js';
import { type Selection, selectAll } from './selection.js';
import { childPath } from './source-path.js';
import { type WalkWarning, warningText } from './walk-warnings.js';

export interface WalkOptions {
  /** Take what symbolic links lead to in place of the links (`--copy-links`). */
  followLinks?: boolean;
  owners?: Owners;
  /** Reads folders faster. Left out: what this machine has for it. */
  native?: NativeFolders | undefined;
  /** Only these paths are given and told of, none of which waits for another to be included. */
  range?: KeyRange;
  onWarning(kind: WalkWarning, key: PathKey, text: string): void;
}

/** The entries of a walk, one by one: see `TreeWalk`. */
export function* walk(root: Latin1, selection: Selection, options: WalkOptions): Generator<SourceEntry> {
  const tree = new TreeWalk(root, selection, options);
  while (tree.next()) yield tree.entry();
}

/**
 * Goes through what is to be backed up under `root` (canonical), the root first, in the order of the format: depth first,
 * names by their bytes. Reads synchronously and holds only the names in the directories on the way to the current
 * entry. An entry is a row of numbers; an object is made of it for whoever asks.
 *
 * A root that is not a directory (a symbolic link too, unless followed) is the only entry. What cannot be read, or is
 * gone, is left out with a warning. The first step throws `source-missing` if the root cannot be reached, `generic` if
 * it is a socket.
 */
export class TreeWalk {
  /**
   * The entry it stands at: the key of its directory, undefined for the root, and its name there; its row (see
   * `entry-rows.ts`), which changes with the next step; and the target of a link.
   */
  folderKey: PathKey | undefined;
  name: Latin1 = '';
  rows: Float64Array;
  rowAt = 0;
  linkTarget: Latin1 = '';

  readonly #root: Latin1;
  readonly #selection: Selection;
  readonly #followLinks: boolean;
  readonly #owners: Owners;
  readonly #native: NativeFolders | undefined;
  readonly #range: KeyRange;
  readonly #onWarning: WalkOptions['onWarning'];
  readonly #open: OpenDirectory[] = [];
  /** Entries that wait for something below them to be included. The last of them is the deepest directory that is open. */
  #waiting: SourceEntry[] = [];
  /** Entries that come next, before the walk goes on. */
  #due: SourceEntry[] = [];
  /** Whether the directory it stands at is to be opened before the next step. */
  #isToEnter = false;
  /** The path of its directory; its own path and the entry as an object, once somebody asked. */
  #folderPath: Latin1 = '';
  #path: Latin1 | undefined;
  #entry: SourceEntry | undefined;
  /** Of the names in the deepest open directory. */
  readonly #nativeRows = new Float64Array(rowsAhead * columns);
  readonly #ownRow = new Float64Array(columns);
  #isBegun = false;
  /** What comes before the range is for somebody else to tell of. */
  #isSilent = false;

  constructor(root: Latin1, selection: Selection, options: WalkOptions) {
    this.#root = root;
    this.#selection = selection;
    this.#followLinks = options.followLinks ?? false;
    this.#owners = options.owners ?? new Owners();
    this.#native = 'native' in options ? options.native : nativeFolders();
    this.#range = options.range ?? allKeys;
    this.#onWarning = options.onWarning;
    this.rows = this.#ownRow;
  }

  /** Steps to the next entry; false at the end. */
  next(): boolean {
    if (!this.#isBegun) {
      this.#isBegun = true;
      if (this.#begin()) return true;
    }
    if (this.#due.length > 0) {
      this.#standAt(this.#due.shift() as SourceEntry);
      return true;
    }
    const { after, upTo } = this.#range;
    for (;;) {
      if (this.#isToEnter) this.#enter(false);
      const directory = this.#open[this.#open.length - 1];
      if (directory === undefined) return false;
      const index = directory.next;
      const name = directory.names[index];
      if (name === undefined) {
        this.#open.pop();
        if (directory.isScanned) this.#waiting.pop();
        continue;
      }
      directory.next = index + 1;
      let isBefore = false;
      if (after !== undefined || upTo !== undefined) {
        const key = childKey(directory.key, name);
        isBefore = after !== undefined && key <= after;
        if (isBefore && !isWithin(after as PathKey, key)) continue;
        if (upTo !== undefined && key > upTo) {
          this.#open.length = 0;
          return false;
        }
      }
      this.#isSilent = isBefore;
      if (this.#readChild(directory, index) && this.#take() && !isBefore) return true;
    }
  }

  get key(): PathKey {
    return this.folderKey === undefined ? rootKey : childKey(this.folderKey, this.name);
  }

  /** The entry it stands at, as an object. */
  entry(): SourceEntry {
    this.#entry ??= readRow(
      this.rows,
      this.rowAt,
      { key: this.key, path: this.#pathNow(), linkTarget: this.linkTarget },
      this.#owners,
    );
    return this.#entry;
  }

  #pathNow(): Latin1 {
    this.#path ??= childPath(this.#folderPath, this.name);
    return this.#path;
  }

  /** Reads the root; true if it is to be given. */
  #begin(): boolean {
    const top = this.#readRoot();
    const isGiven = this.#range.after === undefined;
    this.#isSilent = !isGiven;
    this.#standAt(top);
    this.#isToEnter = top.attributes.type === 'directory';
    return isGiven;
  }

  /** What the selection makes of the current entry. True if there is one to be given now. */
  #take(): boolean {
    const verdict = this.#selection === selectAll ? 'include' : this.#selection(this.entry());
    if (verdict === 'exclude' || !this.#isReadable()) return false;
    const isDirectory = this.rows[this.rowAt] === directoryType;
    if (isDirectory && this.#followLinks && this.#closesLoop()) {
      this.#warn('link-loop', this.key, this.#pathNow());
      return false;
    }
    if (verdict === 'scan') {
      if (!isDirectory) return false;
      this.#waiting.push(this.entry());
      this.#enter(true);
      return false;
    }
    this.#isToEnter = isDirectory;
    const [first, ...others] = this.#waiting;
    if (first !== undefined) {
      this.#due = [...others, this.entry()];
      this.#waiting = [];
      this.#standAt(first);
    }
    return true;
  }

  #standAt(entry: SourceEntry): void {
    writeRow(this.#ownRow, 0, entry);
    this.rows = this.#ownRow;
    this.rowAt = 0;
    this.folderKey = parentKey(entry.key);
    this.name = baseName(entry.key);
    this.#path = entry.path;
    this.linkTarget = entry.attributes.linkTarget;
    this.#entry = entry;
  }

  #readRoot(): SourceEntry {
    const root = this.#root;
    let found: ReturnType<typeof readEntry>;
    try {
      found = readEntry(rootKey, root, this.#owners, this.#followLinks);
    } catch (cause) {
      throw new TundraError('source-missing', `Backup source ${displayBytes(root)} cannot be read.`, {
        cause,
      });
    }
    if (typeof found !== 'string') return found;
    if (found === 'gone') {
      throw new TundraError('source-missing', `Backup source ${displayBytes(root)} does not exist.`);
    }
    throw new TundraError(
      'generic',
      `Backup source ${displayBytes(root)} is of a type that cannot be backed up.`,
    );
  }

  /** Opens the directory it stands at: its names, sorted; none, and a warning, if it cannot be listed. */
  #enter(isScanned: boolean): void {
    this.#isToEnter = false;
    const { key, rows, rowAt } = this;
    const path = this.#pathNow();
    const place = { device: rows[rowAt + 8]!, inode: rows[rowAt + 9]! };
    // Its rows take the place of those of the directory that it is in.
    const above = this.#open[this.#open.length - 1];
    if (above !== undefined) above.rowsEnd = 0;
    const listed = this.#native?.list(path, this.#nativeRows, this.#followLinks);
    const names = listed?.names ?? this.#namesIn(key, path);
    const rowsEnd = listed?.count ?? 0;
    this.#open.push({ key, path, ...place, names, next: 0, rowsStart: 0, rowsEnd, isScanned });
  }

  #namesIn(key: PathKey, path: Latin1): Latin1[] {
    try {
      return readdirSync(diskPath(path), { encoding: 'latin1' }).sort();
    } catch (error) {
      this.#warn('cannot-list', key, path, error);
      return [];
    }
  }

  /** Stands at a name in a directory; false if nothing could be read there. */
  #readChild(directory: OpenDirectory, index: number): boolean {
    this.folderKey = directory.key;
    this.name = directory.names[index]!;
    this.#folderPath = directory.path;
    this.#path = undefined;
    this.#entry = undefined;
    if (this.#readFast(directory, index)) return true;
    const key = this.key;
    const path = this.#pathNow();
    try {
      const found = readEntry(key, path, this.#owners, this.#followLinks);
      if (typeof found === 'string') {
        this.#warn(found === 'gone' ? 'vanished' : found, key, path);
        return false;
      }
      this.#standAt(found);
      return true;
    } catch (error) {
      this.#warn('cannot-stat', key, path, error);
      return false;
    }
  }

  /** Reads a row by native calls; false if they could not. */
  #readFast(directory: OpenDirectory, index: number): boolean {
    const native = this.#native;
    if (native === undefined) return false;
    const rows = this.#nativeRows;
    if (index >= directory.rowsEnd) {
      const count = native.read(directory.path, directory.names, index, rows, this.#followLinks);
      directory.rowsStart = index;
      directory.rowsEnd = index + count;
    }
    const rowAt = (index - directory.rowsStart) * columns;
    const type = rows[rowAt]!;
    if (type < 0) return false;
    const linkTarget = type === linkType ? targetOf(this.#pathNow()) : '';
    if (linkTarget === undefined) return false;
    this.rows = rows;
    this.rowAt = rowAt;
    this.linkTarget = linkTarget;
    return true;
  }

  /**
   * Whether the content may be read; only files and directories have content to ask about. The system is asked where the
   * mode alone does not tell: it does for the owner, and root is not bound by it.
   */
  #isReadable(): boolean {
    const { rows, rowAt } = this;
    const type = rows[rowAt]!;
    if (type !== fileType && type !== directoryType) return true;
    if (ownUid === 0 || (rows[rowAt + 2] === ownUid && (rows[rowAt + 1]! & ownerMayRead) !== 0)) return true;
    try {
      accessSync(diskPath(this.#pathNow()), constants.R_OK);
      return true;
    } catch (error) {
      this.#warn('cannot-read', this.key, this.#pathNow(), error);
      return false;
    }
  }

  /** Whether a directory is one of those that led to it: by way of links it would be entered again and again. */
  #closesLoop(): boolean {
    const device = this.rows[this.rowAt + 8];
    const inode = this.rows[this.rowAt + 9];
    return this.#open.some(
      (above) => above.inode === inode && above.device === device && isSameFile(above.path, this.#pathNow()),
    );
  }

  #warn(kind: WalkWarning, key: PathKey, path: Latin1, error?: unknown): void {
    if (!this.#isSilent) this.#onWarning(kind, key, warningText(kind, path, error));
  }
}

interface OpenDirectory {
  key: PathKey;
  path: Latin1;
  device: number;
  inode: number;
  /** Its names in order, and the next one to read. */
  names: Latin1[];
  next: number;
  /** Of which names there are native rows, from the one to before the other. */
  rowsStart: number;
  rowsEnd: number;
  isScanned: boolean;
}

/** So many names of a directory are read at once, unless there is a directory among them. */
const rowsAhead = 64;

const fileType = entryTypes.indexOf('file');
const directoryType = entryTypes.indexOf('directory');
const linkType = entryTypes.indexOf('symlink');

/** Undefined if it cannot be read. */
function targetOf(path: Latin1): Latin1 | undefined {
  try {
    return readlinkSync(diskPath(path), 'latin1');
  } catch {
    return undefined;
  }
}

const ownUid = process.geteuid?.();
const ownerMayRead = 0o400;

/** Exact, where the rounded numbers of an entry leave doubt. */
function isSameFile(one: Latin1, other: Latin1): boolean {
  const options = { bigint: true, throwIfNoEntry: false } as const;
  const first = statSync(diskPath(one), options);
  const second = statSync(diskPath(other), options);
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino;
}
