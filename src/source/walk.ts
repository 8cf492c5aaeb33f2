import { accessSync, constants, readdirSync, readlinkSync, statSync } from 'node:fs';
import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import type { Level } from '../base/events.js';
import {
  allKeys,
  childKey,
  diskPath,
  displayBytes,
  isWithin,
  type KeyRange,
  type Latin1,
  type PathKey,
  rootKey,
} from '../base/path-key.js';
import { readEntry, type SourceEntry } from './entry.js';
import { columns, entryTypes, readRow } from './entry-rows.js';
import { type NativeFolders, nativeFolders } from './native-folder.js';
import { Owners } from './owners.js';
import type { Selection } from './selection.js';
import { childPath } from './source-path.js';

/**
 * What a walk may have to say of an entry that it leaves out: its level, its code in the machine log, and whether it
 * counts as an error in the statistics of a backup.
 */
export const walkWarnings = {
  socket: { level: 'info', code: 15, isError: false },
  /** Listed, but gone before it was read; with `followLinks` also a link that leads nowhere. */
  vanished: { level: 'info', code: 1, isError: false },
  'unknown-type': { level: 'warning', code: 8, isError: false },
  'link-loop': { level: 'warning', code: 8, isError: false },
  'cannot-stat': { level: 'warning', code: 9, isError: false },
  'cannot-read': { level: 'warning', code: 10, isError: true },
  /** Nothing below is taken; the directory itself is. */
  'cannot-list': { level: 'warning', code: 1, isError: false },
} as const satisfies Record<string, { level: Level; code: number; isError: boolean }>;

export type WalkWarning = keyof typeof walkWarnings;

export interface WalkOptions {
  /** Take what symbolic links lead to in place of the links (`--copy-links`). */
  followLinks?: boolean;
  owners?: Owners;
  /** Reads folders faster; left out: what this machine has for it. */
  native?: NativeFolders | undefined;
  /** Only these paths are given and told of, none of which waits for another to be included. */
  range?: KeyRange;
  onWarning(kind: WalkWarning, key: PathKey, text: string): void;
}

/**
 * Yields what is to be backed up under `root` (canonical), the root first, in the order of the format: depth first,
 * names by their bytes. Reads synchronously and holds only the names in the directories on the way to the current
 * entry.
 *
 * A root that is not a directory (a symbolic link too, unless followed) is the only entry. What cannot be read, or is
 * gone, is left out with a warning. The first step throws `source-missing` if the root cannot be reached, `generic` if
 * it is a socket.
 */
export function* walk(root: Latin1, selection: Selection, options: WalkOptions): Generator<SourceEntry> {
  const followLinks = options.followLinks ?? false;
  const reader: Reader = {
    followLinks,
    owners: options.owners ?? new Owners(),
    native: 'native' in options ? options.native : nativeFolders(),
    rows: new Float64Array(rowsAhead * columns),
    warn: options.onWarning,
  };
  /** What is before the range is for somebody else to tell of. */
  const silent: Reader = { ...reader, warn: () => {} };
  const { after, upTo } = options.range ?? allKeys;
  const top = readRoot(root, reader);
  if (after === undefined) yield top;
  if (top.attributes.type !== 'directory') return;

  const open: OpenDirectory[] = [openDirectory(top, false, after === undefined ? reader : silent)];
  /** Directories that wait for something below them to be included; always the deepest of those open. */
  const waiting: SourceEntry[] = [];
  while (open.length > 0) {
    const directory = open[open.length - 1]!;
    const index = directory.next;
    const name = directory.names[index];
    if (name === undefined) {
      open.pop();
      if (directory.isScanned) waiting.pop();
      continue;
    }
    directory.next = index + 1;
    const key = childKey(directory.entry.key, name);
    const isBefore = after !== undefined && key <= after;
    if (isBefore && !isWithin(after, key)) continue;
    if (upTo !== undefined && key > upTo) return;
    const teller = isBefore ? silent : reader;
    const entry = readChild(directory, index, key, teller);
    if (entry === undefined) continue;
    const verdict = selection(entry);
    if (verdict === 'exclude' || !isReadable(entry, teller)) continue;
    const isDirectory = entry.attributes.type === 'directory';
    if (isDirectory && followLinks && closesLoop(entry, open)) {
      warn(teller, 'link-loop', entry);
    } else if (verdict === 'include') {
      yield* waiting;
      waiting.length = 0;
      if (!isBefore) yield entry;
      if (isDirectory) open.push(openDirectory(entry, false, teller));
    } else if (isDirectory) {
      waiting.push(entry);
      open.push(openDirectory(entry, true, teller));
    }
  }
}

interface Reader {
  followLinks: boolean;
  owners: Owners;
  native: NativeFolders | undefined;
  /** Of the names in the deepest open directory, from `rowsStart` to `rowsEnd`. */
  rows: Float64Array;
  warn: WalkOptions['onWarning'];
}

/** So many names of a directory are read at once, unless one of them is a directory. */
const rowsAhead = 64;

interface OpenDirectory {
  entry: SourceEntry;
  /** Its names in order, and the next one to read. */
  names: Latin1[];
  next: number;
  /** Which of them the rows tell of. */
  rowsStart: number;
  rowsEnd: number;
  isScanned: boolean;
}

type Place = Pick<SourceEntry, 'key' | 'path'>;

const sentenceOf: Record<WalkWarning, string> = {
  socket: 'Skipping socket',
  vanished: 'Skipping what is no longer there:',
  'unknown-type': 'Skipping file of unknown type',
  'link-loop': 'Skipping a link back to a folder it lies in:',
  'cannot-stat': 'Error accessing possibly locked file',
  'cannot-read': 'Error accessing possibly locked file',
  'cannot-list': 'Error listing directory',
};

function warn(reader: Reader, kind: WalkWarning, { key, path }: Place, error?: unknown): void {
  const reason = error === undefined ? '' : `: ${errnoOf(error) ?? messageOf(error)}`;
  reader.warn(kind, key, `${sentenceOf[kind]} ${displayBytes(path)}${reason}`);
}

function readRoot(root: Latin1, reader: Reader): SourceEntry {
  let found: ReturnType<typeof readEntry>;
  try {
    found = readEntry(rootKey, root, reader.owners, reader.followLinks);
  } catch (cause) {
    throw new TundraError('source-missing', `Backup source ${displayBytes(root)} cannot be read.`, { cause });
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

/** The names in a directory, sorted; none, and a warning, if it cannot be listed. */
function openDirectory(entry: SourceEntry, isScanned: boolean, reader: Reader): OpenDirectory {
  let names: Latin1[] = [];
  try {
    names = reader.native?.names(entry.path) ?? readdirSync(diskPath(entry.path), { encoding: 'latin1' });
    names.sort();
  } catch (error) {
    warn(reader, 'cannot-list', entry, error);
  }
  return { entry, names, next: 0, rowsStart: 0, rowsEnd: 0, isScanned };
}

function readChild(
  directory: OpenDirectory,
  index: number,
  key: PathKey,
  reader: Reader,
): SourceEntry | undefined {
  const { names, entry: parent } = directory;
  const { owners, followLinks } = reader;
  const path = childPath(parent.path, names[index]!);
  try {
    const found = readFast(directory, index, key, path, reader) ?? readEntry(key, path, owners, followLinks);
    if (typeof found !== 'string') return found;
    warn(reader, found === 'gone' ? 'vanished' : found, { key, path });
  } catch (error) {
    warn(reader, 'cannot-stat', { key, path }, error);
  }
  return undefined;
}

/** An entry that native calls read, undefined if they did not. */
function readFast(
  directory: OpenDirectory,
  index: number,
  key: PathKey,
  path: Latin1,
  { native, rows, followLinks, owners }: Reader,
): SourceEntry | undefined {
  if (native === undefined) return undefined;
  if (index >= directory.rowsEnd) {
    directory.rowsStart = index;
    directory.rowsEnd = index + native.read(directory.entry.path, directory.names, index, rows, followLinks);
  }
  const at = (index - directory.rowsStart) * columns;
  const type = entryTypes[rows[at]!];
  if (type === undefined) return undefined;
  const linkTarget = type === 'symlink' ? targetOf(path) : '';
  return linkTarget === undefined ? undefined : readRow(rows, at, { key, path, linkTarget }, owners);
}

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

/**
 * Whether the content may be read; only files and directories have content to ask about. The system is asked where the
 * mode alone does not tell: it does for the owner, and root is not bound by it.
 */
function isReadable(entry: SourceEntry, reader: Reader): boolean {
  const { type, uid, mode } = entry.attributes;
  if (type !== 'file' && type !== 'directory') return true;
  if (ownUid === 0 || (uid === ownUid && (mode & ownerMayRead) !== 0)) return true;
  try {
    accessSync(diskPath(entry.path), constants.R_OK);
    return true;
  } catch (error) {
    warn(reader, 'cannot-read', entry, error);
    return false;
  }
}

/** Whether a directory is one of those that led to it: by way of links it would be entered again and again. */
function closesLoop(entry: SourceEntry, open: readonly OpenDirectory[]): boolean {
  return open.some(
    ({ entry: above }) =>
      above.inode === entry.inode && above.device === entry.device && isSameFile(above.path, entry.path),
  );
}

/** Exact, where the rounded numbers of an entry leave doubt. */
function isSameFile(one: Latin1, other: Latin1): boolean {
  const options = { bigint: true, throwIfNoEntry: false } as const;
  const first = statSync(diskPath(one), options);
  const second = statSync(diskPath(other), options);
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino;
}
