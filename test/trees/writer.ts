import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { diskPath, type Latin1, latin1OfNative } from '../../src/base/path-key.js';

/** What an entry gets beside its contents. What is not given is left as the writer's default. */
export interface EntryAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  /** Seconds since 1970, also negative or broken. */
  mtimeSeconds?: number;
}

/**
 * Writes entries of a tree, paths being slash-separated byte strings below its root (`.` is the root itself), so that
 * nothing depends on the clock or the umask: every entry gets a set mode and mtime. Directories get theirs in
 * `finish`, after their contents; a directory in which only something else changed gets the writer's default mtime.
 */
export class TreeWriter {
  readonly #root: Latin1;
  readonly #mtimeSeconds: number;
  readonly #directories = new Map<Latin1, EntryAttributes>();

  constructor(root: string, mtimeSeconds: number) {
    this.#root = latin1OfNative(root);
    this.#mtimeSeconds = mtimeSeconds;
  }

  /** Where an entry lies, as file system calls take it. */
  at(path: Latin1): string | Buffer {
    return diskPath(path === '.' ? this.#root : `${this.#root}/${path}`);
  }

  /** Makes a directory, and those above it; one that is there only gets the attributes. */
  directory(path: Latin1, attributes: EntryAttributes = {}): void {
    mkdirSync(this.at(path), { recursive: true });
    for (let above = path; above !== '.'; above = parentOf(above)) {
      if (!this.#directories.has(above)) this.#directories.set(above, { mode: 0o755 });
    }
    this.#directories.set(path, { mode: 0o755, ...attributes });
    this.#touchParent(path);
  }

  /** Writes a file as a new inode. */
  file(path: Latin1, bytes: Uint8Array, attributes: EntryAttributes = {}): void {
    this.remove(path);
    writeFileSync(this.at(path), bytes, { flag: 'wx' });
    this.attributes(path, { mode: 0o644, ...attributes });
  }

  /** Writes pieces at their offsets into a file, which keeps its inode if it is there, and sets its size. */
  pieces(path: Latin1, sizeBytes: number, pieces: Iterable<{ offset: number; bytes: Uint8Array }>): void {
    const file = openSync(this.at(path), lstatSync(this.at(path), { throwIfNoEntry: false }) ? 'r+' : 'wx');
    try {
      ftruncateSync(file, sizeBytes);
      for (const { offset, bytes } of pieces) writeSync(file, bytes, 0, bytes.length, offset);
    } finally {
      closeSync(file);
    }
    this.attributes(path, { mode: 0o644 });
    this.#touchParent(path);
  }

  symlink(path: Latin1, target: Latin1, attributes: EntryAttributes = {}): void {
    this.remove(path);
    symlinkSync(Buffer.from(target, 'latin1'), this.at(path));
    const { uid, gid, mtimeSeconds = this.#mtimeSeconds } = attributes;
    if (uid !== undefined || gid !== undefined) lchownSync(this.at(path), uid ?? -1, gid ?? -1);
    lutimesSync(this.at(path), timestamp(mtimeSeconds), timestamp(mtimeSeconds));
    this.#touchParent(path);
  }

  fifo(path: Latin1, attributes: EntryAttributes = {}): void {
    this.#makeNode(path, ['p'], attributes);
  }

  /** Makes a device node: only root can. */
  device(
    path: Latin1,
    kind: 'c' | 'b',
    major: number,
    minor: number,
    attributes: EntryAttributes = {},
  ): void {
    this.#makeNode(path, [kind, String(major), String(minor)], attributes);
  }

  /** Leaves a socket that nobody listens on. */
  async socket(path: Latin1): Promise<void> {
    // A socket's address is at most 107 bytes, and closing the server unlinks the path it was bound to: so bind to a
    // short name below the root and rename it away before closing.
    const bound = `${this.#root}/.s`;
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(Buffer.from(bound, 'latin1').toString(), resolve);
    });
    renameSync(diskPath(bound), this.at(path));
    await new Promise((resolve) => server.close(resolve));
    this.attributes(path, { mode: 0o755 });
    this.#touchParent('.s');
  }

  /** Removes whatever is there. */
  remove(path: Latin1): void {
    removeTree(this.at(path));
    this.#touchParent(path);
  }

  rename(from: Latin1, to: Latin1): void {
    renameSync(this.at(from), this.at(to));
    this.#touchParent(from);
    this.#touchParent(to);
  }

  /** Sets attributes of an entry that is not a symbolic link; without an mtime it gets the default one. */
  attributes(path: Latin1, attributes: EntryAttributes): void {
    const { mode, uid, gid, mtimeSeconds = this.#mtimeSeconds } = attributes;
    // Changing the owner clears the set-id bits: the mode comes after it.
    if (uid !== undefined || gid !== undefined) chownSync(this.at(path), uid ?? -1, gid ?? -1);
    if (mode !== undefined) chmodSync(this.at(path), mode);
    utimesSync(this.at(path), timestamp(mtimeSeconds), timestamp(mtimeSeconds));
  }

  /** Gives the directories their attributes. Call it last. */
  finish(): void {
    const deepestFirst = [...this.#directories].sort(([a], [b]) => b.split('/').length - a.split('/').length);
    for (const [path, attributes] of deepestFirst) {
      if (path !== '.') this.attributes(path, attributes);
    }
    const root = this.#directories.get('.');
    if (root) this.attributes('.', root);
    this.#directories.clear();
  }

  #makeNode(path: Latin1, kind: string[], attributes: EntryAttributes): void {
    this.remove(path);
    // Arguments of a program are UTF-8 here, so the node is made under a plain name.
    const made = Buffer.from(`${this.#root}/.node`, 'latin1').toString();
    const { status, stderr } = spawnSync('mknod', [made, ...kind], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`mknod ${kind.join(' ')}: ${stderr}`);
    renameSync(made, this.at(path));
    this.#touchParent('.node');
    this.attributes(path, { mode: 0o644, ...attributes });
  }

  #touchParent(path: Latin1): void {
    if (path === '.') return;
    const parent = parentOf(path);
    if (!this.#directories.has(parent)) this.#directories.set(parent, {});
  }
}

/** Removes a tree or a single entry, also below directories that its owner may not write to; absent is fine. */
export function removeTree(path: string | Buffer): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return;
  if (!stats.isDirectory()) {
    // An agent of gpg that ends meanwhile removes its sockets itself.
    rmSync(path, { force: true });
    return;
  }
  if ((stats.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    removeTree(Buffer.concat([Buffer.from(path), Buffer.from('/'), name]));
  }
  rmdirSync(path);
}

function parentOf(path: Latin1): Latin1 {
  const cut = path.lastIndexOf('/');
  return cut < 0 ? '.' : path.slice(0, cut);
}

/** Node takes a negative number of seconds for "now", but not a Date before 1970. */
function timestamp(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
