import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import type { Attributes } from '../base/attributes.js';
import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import {
  childKey,
  diskPath,
  displayBytes,
  isWithin,
  type Latin1,
  type PathKey,
  parentKey,
  slashPath,
} from '../base/path-key.js';
import { SparseFile } from '../base/sparse-file.js';
import type { XattrTarget } from '../base/xattrs.js';
import { hardLinkGroup } from '../format/tar/records.js';
import { relink, sameContents, tryLink } from './hard-links.js';
import { type Linked, type LinkGroups, linkedOf } from './link-groups.js';
import type { RecordWriter } from './record-writer.js';
import { removeLeftovers, temporaryPrefix } from './temporary.js';

export interface TreeWriterOptions {
  /** Maps owners in the backup to ids here; undefined restores no ownership. */
  owners: { userId(name: string): number | undefined; groupId(name: string): number | undefined } | undefined;
  /** Ids as they stand in the backup, whatever the names. */
  numericOwner: boolean;
  /** Directories that other writers may work in at the same time: they get their attributes with `finishShared`. */
  shared?: ReadonlySet<PathKey>;
  /** Places that entries of several paths of the backup may come to: there a directory never makes way for anything else,
   *  nor anything else for a directory. */
  mayMeet?(key: PathKey): boolean;
  /** What a directory that has no entry may get at the end; without it only its owner may enter it. */
  modeOfMissing?: number;
  /** Called before anything but a directory comes to the place of a shared one: no other writer may work in it then. */
  beforeReplacing?(): void;
  /** Restores extended attributes and ACLs. */
  records?: RecordWriter;
  /** Where names of one file are noted, so that they are names of one file again. */
  links?: LinkGroups | undefined;
  /** Tells of an attribute that could not be restored. */
  onWarning(key: PathKey, text: string): void;
  /** Tells of an entry that got no set-id bits because its owner was not restored. */
  onSetIdLeftOut(key: PathKey): void;
}

/** A file being written. */
export interface FileWriter {
  write(bytes: Uint8Array): void;
  /** Gives it its attributes and its name. */
  commit(): void;
  /** Removes what was written. */
  abort(): void;
}

interface OpenDirectory {
  key: PathKey;
  attributes: Attributes | undefined;
  /** Nobody else may change it while it is open. */
  isOwn: boolean;
  /** What is made in it inherits an ACL. */
  givesAcl: boolean;
  /** Whose files are that this process makes in it, once one was looked at. */
  ownerOfNew?: { uid: number; gid: number };
}

/** Each takes away what stands in the way of a directory. */
const mostAttempts = 10;

/** Set-user-ID and set-group-ID. */
const setIdBits = 0o6000;

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW, O_DIRECTORY, O_RDONLY } = constants;

/**
 * Writes a tree in path order. Everything is made under a temporary name and renamed, but for small files in directories
 * that this writer has made: no other file is lost if one of them stays unfinished. Directories get their attributes when
 * their last entry has been written. Nothing is ever written through a symbolic link, also if paths come in another
 * order or twice: a parent is a directory that this writer made or looked at itself, and has not replaced since. From
 * folders that were there it removes the temporary files of restores that were killed.
 *
 * What is set-user-ID or set-group-ID is so only with the owner that it had: else it would run with the rights of whoever
 * restores it. As for cp and pax, those bits stay away where the owner was not restored.
 */
export class TreeWriter {
  readonly #root: Latin1;
  readonly #options: TreeWriterOptions;
  readonly #open: OpenDirectory[] = [];
  #openShared: OpenDirectory[] = [];
  readonly #isRoot = process.geteuid?.() === 0;
  readonly #temporaryPrefix = temporaryPrefix();
  #temporary = 0;
  /** The backup has put something else than a directory in the place of the root, such as a link: it is no longer what
   *  the user named. */
  #rootReplaced = false;

  /** @param root where the entry with the empty key goes: absolute, without a trailing slash */
  constructor(root: Latin1, options: TreeWriterOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** Makes a directory, or takes one that is there. */
  directory(key: PathKey, attributes: Attributes): void {
    this.#enterParentOf(key);
    const wasThere = this.#makeDirectory(key);
    this.#makeWritable(key);
    if (wasThere) removeLeftovers(this.#path(key));
    this.#open.push({ key, attributes, isOwn: !wasThere, givesAcl: this.#givesAcl(key, !wasThere, false) });
  }

  /**
   * Begins a regular file.
   * @param isAtHand all of its contents will be written at once, and `commit` follows
   */
  file(key: PathKey, attributes: Attributes, isAtHand = false): FileWriter {
    this.#enterParentOf(key);
    const direct = isAtHand && this.#isFree(key, attributes) ? tryCreate(this.#path(key)) : undefined;
    const path = direct === undefined ? this.#temporaryPath(key) : this.#path(key);
    const fd = direct ?? create(path);
    const contents = new SparseFile(fd);
    if (this.#open.at(-1)?.givesAcl !== false) this.#options.records?.removeAcl(key, fd);
    let closed = false;
    const close = () => {
      if (closed) return;
      closed = true;
      closeSync(fd);
    };
    return {
      write: (bytes) => contents.write(bytes),
      commit: () => {
        contents.finish();
        this.#setAttributes(key, attributes, {
          target: fd,
          chown: (uid, gid) => {
            const made = this.#ownerOfNew(fd);
            if (uid !== made.uid || gid !== made.gid) fchownSync(fd, uid, gid);
          },
          chmod: (mode) => fchmodSync(fd, mode),
          utimes: (time) => futimesSync(fd, time, time),
        });
        close();
        if (direct === undefined) this.#place(path, key, attributes);
      },
      abort: () => {
        close();
        rmSync(diskPath(path), { force: true });
      },
    };
  }

  /** Makes a symbolic link, FIFO or device. */
  special(key: PathKey, attributes: Attributes): void {
    this.#enterParentOf(key);
    const temporary = this.#temporaryPath(key);
    const path = diskPath(temporary);
    try {
      if (attributes.type === 'symlink') {
        symlinkSync(diskPath(attributes.linkTarget), path);
        const isOwned = this.#chown(key, attributes, (uid, gid) => lchownSync(path, uid, gid));
        this.#options.records?.setXattrs(key, temporary, attributes.records, isOwned);
      } else {
        this.#makeNode(temporary, attributes);
        this.#options.records?.removeAcl(key, temporary);
        this.#setAttributes(key, attributes, {
          target: temporary,
          chown: (uid, gid) => chownSync(path, uid, gid),
          chmod: (mode) => chmodSync(path, mode),
          utimes: (time) => utimesSync(path, time, time),
        });
      }
      this.#place(temporary, key, attributes);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  /**
   * Makes what other writers have made names of what this one has, where they were that in the backup. Only once no other
   * writer works.
   */
  linkAcross(others: Iterable<Linked>): void {
    const { links } = this.#options;
    for (const other of others) {
      const first = links?.find(other.group);
      if (first?.digest === other.digest) {
        relink(this.#path(first.key), this.#path(other.key), this.#temporaryPath(other.key));
      }
      links?.add(other);
    }
  }

  /** Gives the directories that are still open their attributes, but for shared ones. */
  finish(): void {
    while (this.#open.length > 0) this.#closeDirectory();
  }

  /** Gives shared directories their attributes, once no other writer works in them. */
  finishShared(): void {
    // The innermost first: once those above them are closed to their owner, they cannot be reached.
    const directories = this.#openShared.sort((a, b) => (a.key < b.key ? 1 : a.key > b.key ? -1 : 0));
    this.#openShared = [];
    for (const directory of directories) this.#setDirectoryAttributes(directory);
  }

  /** Whether nothing can be at the place of a file, unless the backup holds its path twice. */
  #isFree(key: PathKey, attributes: Attributes): boolean {
    const parent = this.#open.at(-1);
    // Where records are set a run that is ended at once may stop, in the middle of a file.
    const isPlain = attributes.records === undefined && parent?.givesAcl === false;
    return isPlain && parent.isOwn && !this.#isShared(key) && !this.#mayMeet(key);
  }

  /** Who owns a file just made in the innermost directory. */
  #ownerOfNew(fd: number): { uid: number; gid: number } {
    const directory = this.#open.at(-1);
    if (directory?.ownerOfNew !== undefined) return directory.ownerOfNew;
    const { uid, gid } = fstatSync(fd);
    if (directory?.isOwn) directory.ownerOfNew = { uid, gid };
    return { uid, gid };
  }

  #isShared(key: PathKey): boolean {
    return this.#options.shared?.has(key) ?? false;
  }

  #mayMeet(key: PathKey): boolean {
    return this.#options.mayMeet?.(key) ?? false;
  }

  /** What is there may be of the backup, from another path, and must not be taken away. */
  #requireAlone(key: PathKey): void {
    if (!this.#mayMeet(key)) return;
    // A system error as other calls give it: it concerns this path alone.
    throw Object.assign(new Error('a folder and something else come to one place'), { code: 'EEXIST' });
  }

  #path(key: PathKey): Latin1 {
    return key === '' ? this.#root : `${this.#root}/${slashPath(key)}`;
  }

  /** What is above the root is not of the backup: made as any program makes folders. */
  #makeFoldersAbove(): void {
    const folder = this.#root.slice(0, this.#root.lastIndexOf('/'));
    if (folder !== '') mkdirSync(diskPath(folder), { recursive: true });
  }

  /** A name beside the final one. */
  #temporaryPath(key: PathKey): Latin1 {
    const path = this.#path(key);
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    if (key === '') {
      this.#makeFoldersAbove();
      removeLeftovers(folder);
    }
    return `${folder}${this.#temporaryPrefix}.${this.#temporary++}`;
  }

  /** Leaves the directories that `key` is not in, and makes those above it that the backup does not hold. */
  #enterParentOf(key: PathKey): void {
    let open = this.#open.at(-1);
    while (open !== undefined && (open.key === key || !isWithin(key, open.key))) {
      this.#closeDirectory();
      open = this.#open.at(-1);
    }
    if (key === '') return;
    if (open === undefined) this.#openMissing('');
    let parent = open?.key ?? '';
    if (parent === parentKey(key)) return;
    const components = key.split('\0');
    for (let depth = parent === '' ? 0 : parent.split('\0').length; depth < components.length - 1; depth++) {
      parent = childKey(parent, components[depth] as string);
      this.#openMissing(parent);
    }
  }

  #openMissing(key: PathKey): void {
    const wasThere = this.#makeDirectory(key);
    // Another writer has the directory's own entry, and may come here later.
    if (this.#isShared(key)) this.#makeWritable(key);
    if (wasThere) removeLeftovers(this.#path(key));
    const givesAcl = this.#givesAcl(key, !wasThere, true);
    this.#open.push({ key, attributes: undefined, isOwn: !wasThere, givesAcl });
  }

  /** Whether this is the root as the user named it: then it may be a link to a folder. */
  #isNamed(key: PathKey): boolean {
    return key === '' && !this.#rootReplaced;
  }

  /** True if the directory was there. */
  #makeDirectory(key: PathKey): boolean {
    const path = diskPath(this.#path(key));
    for (let attempt = 1; ; attempt++) {
      try {
        if (key === '') this.#makeFoldersAbove();
        mkdirSync(path, { mode: 0o700 });
        return false;
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST' || attempt === mostAttempts) throw error;
      }
      try {
        if (this.#statDirectory(key).isDirectory()) return true;
        this.#requireAlone(key);
        unlinkSync(path);
      } catch (error) {
        // Another writer may have put a directory there meanwhile.
        if (!this.#isShared(key) || this.#mayMeet(key)) throw error;
      }
    }
  }

  #statDirectory(key: PathKey): Stats {
    const path = diskPath(this.#path(key));
    return this.#isNamed(key) ? statSync(path) : lstatSync(path);
  }

  /** A directory that was there may be closed to its own owner; it gets its attributes when it is left. */
  #makeWritable(key: PathKey): void {
    if (this.#isRoot) return;
    const { mode } = this.#statDirectory(key);
    if ((mode & 0o700) === 0o700) return;
    try {
      chmodSync(diskPath(this.#path(key)), (mode & 0o7777) | 0o700);
    } catch {
      // Another owner's: whether it can be written shows with what goes into it.
    }
  }

  #closeDirectory(): void {
    const directory = this.#open.pop() as OpenDirectory;
    if (this.#isShared(directory.key)) this.#openShared.push(directory);
    else this.#setDirectoryAttributes(directory);
  }

  #setDirectoryAttributes({ key, attributes, isOwn }: OpenDirectory): void {
    const { modeOfMissing } = this.#options;
    if (attributes === undefined && (!isOwn || modeOfMissing === undefined)) return;
    const path = diskPath(this.#path(key));
    // A failure here must not count for the path that comes next.
    this.#attempt(key, 'attributes', () => {
      const fd = openSync(path, O_RDONLY | O_DIRECTORY | (this.#isNamed(key) ? 0 : O_NOFOLLOW));
      try {
        if (attributes === undefined) fchmodSync(fd, modeOfMissing as number);
        else {
          if (!isOwn) this.#options.records?.removeAcl(key, fd);
          this.#setAttributes(key, attributes, {
            target: fd,
            chown: (uid, gid) => fchownSync(fd, uid, gid),
            chmod: (mode) => fchmodSync(fd, mode),
            utimes: (time) => futimesSync(fd, time, time),
          });
        }
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Gives an entry its name, or makes the name one of an entry that is the same, if they were one in the backup. */
  #place(temporary: Latin1, key: PathKey, attributes: Attributes): void {
    const { links } = this.#options;
    const group = links && hardLinkGroup(attributes.records);
    if (links === undefined || group === undefined) {
      this.#rename(temporary, key);
      return;
    }
    const entry = linkedOf(key, attributes, group);
    const first = links.find(entry.group);
    const isLinked = first?.digest === entry.digest && this.#linkTo(this.#path(first.key), temporary, key);
    if (!isLinked) this.#rename(temporary, key);
    links.add(entry);
  }

  #linkTo(from: Latin1, temporary: Latin1, key: PathKey): boolean {
    const other = this.#temporaryPath(key);
    try {
      if (!sameContents(from, temporary) || !tryLink(from, other)) return false;
    } catch {
      return false;
    }
    rmSync(diskPath(temporary));
    try {
      this.#rename(other, key);
    } finally {
      // Between two names of one file, as from a restore before, a rename does nothing.
      rmSync(diskPath(other), { force: true });
    }
    return true;
  }

  /** Whether entries made in a directory inherit an ACL. */
  #givesAcl(key: PathKey, isNew: boolean, isKept: boolean): boolean {
    // With a slash behind it, a link to a folder is followed.
    const path = `${this.#path(key)}${this.#isNamed(key) ? '/' : ''}`;
    return this.#options.records?.enterDirectory(path, { isNew, isKept }) ?? false;
  }

  #rename(temporary: Latin1, key: PathKey): void {
    if (this.#isShared(key)) this.#options.beforeReplacing?.();
    const path = diskPath(this.#path(key));
    try {
      renameSync(diskPath(temporary), path);
    } catch (error) {
      const code = errnoOf(error);
      if (code !== 'EISDIR' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      this.#requireAlone(key);
      if (key === '') this.#removeEmptyRoot();
      else rmSync(path, { recursive: true });
      renameSync(diskPath(temporary), path);
    }
    if (key === '') this.#rootReplaced = true;
  }

  /** Where one file is restored to the name of a folder: that is more likely a slip than a wish to lose the folder. */
  #removeEmptyRoot(): void {
    try {
      rmdirSync(diskPath(this.#root));
    } catch (cause) {
      throw new TundraError(
        'restore-target-exists',
        `${displayBytes(this.#root)} is a folder that is not empty, and what is to be restored is none`,
        { cause, advice: 'Give the name that the restored file is to have.' },
      );
    }
  }

  #setAttributes(
    key: PathKey,
    attributes: Attributes,
    set: {
      target: XattrTarget;
      chown(uid: number, gid: number): void;
      chmod(mode: number): void;
      utimes(time: number): void;
    },
  ): void {
    const isOwned = this.#chown(key, attributes, set.chown);
    this.#options.records?.setXattrs(key, set.target, attributes.records, isOwned);
    const mode = isOwned ? attributes.mode : attributes.mode & ~setIdBits;
    // After the owner, since a change of owner drops the set-id bits.
    this.#attempt(key, 'permissions', () => set.chmod(mode));
    this.#options.records?.setAcls(key, set.target, attributes.records);
    if (mode !== attributes.mode) this.#options.onSetIdLeftOut(key);
    this.#attempt(key, 'modification time', () => set.utimes(attributes.mtimeSeconds));
  }

  /** Whether the entry now has its owner and group. */
  #chown(key: PathKey, attributes: Attributes, chown: (uid: number, gid: number) => void): boolean {
    const { owners, numericOwner } = this.#options;
    if (owners === undefined) return false;
    const uid = (numericOwner ? undefined : owners.userId(attributes.uname)) ?? attributes.uid;
    const gid = (numericOwner ? undefined : owners.groupId(attributes.gname)) ?? attributes.gid;
    return this.#attempt(key, `owner ${uid}:${gid}`, () => chown(uid, gid));
  }

  #attempt(key: PathKey, what: string, action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      const hint = errnoOf(error) === 'EPERM' && !this.#isRoot ? ' (only root may)' : '';
      // Without the temporary name that a system error may end with.
      const problem = messageOf(error).replace(/ '[^']*'$/, '');
      this.#options.onWarning(key, `cannot set ${what}${hint}: ${problem}`);
      return false;
    }
  }

  /** Node has no call for FIFOs and devices; the programs of coreutils do. The name is passed by its folder's handle
   *  because an argument must be valid UTF-8. */
  #makeNode(path: Latin1, attributes: Attributes): void {
    const cut = path.lastIndexOf('/');
    const folder = openSync(diskPath(path.slice(0, cut) || '/'), O_RDONLY | O_DIRECTORY);
    try {
      const name = `/proc/self/fd/3/${path.slice(cut + 1)}`;
      const { type, deviceMajor, deviceMinor } = attributes;
      const kind = type === 'fifo' ? 'p' : type === 'char-device' ? 'c' : 'b';
      const numbers = type === 'fifo' ? [] : [String(deviceMajor), String(deviceMinor)];
      const result = spawnSync('mknod', ['-m', '600', name, kind, ...numbers], {
        stdio: ['ignore', 'ignore', 'pipe', folder],
        encoding: 'utf8',
      });
      if (result.error !== undefined) throw result.error;
      if (result.status !== 0) {
        const hint = type === 'fifo' || this.#isRoot ? '' : ' (only root may)';
        // A system error as other calls give it: it concerns this path alone.
        throw Object.assign(new Error(`cannot make the node${hint}: ${result.stderr.trim()}`), {
          code: 'EPERM',
        });
      }
    } finally {
      closeSync(folder);
    }
  }
}

/** Makes an empty file that must not exist. */
function create(path: Latin1): number {
  return openSync(diskPath(path), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
}

/** Undefined if something is there. */
function tryCreate(path: Latin1): number | undefined {
  try {
    return create(path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return undefined;
  }
}
