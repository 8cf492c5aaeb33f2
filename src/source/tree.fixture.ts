import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { diskPath, type Latin1, latin1OfNative } from '../base/path-key.js';

/** Slash path below the root -> what is there; bytes as characters. */
export type Tree = Record<Latin1, 'file' | 'directory' | 'fifo' | { link: Latin1 }>;

/** A new folder, without upper-case letters in its name, that the end of the test removes. */
export function testFolder(t: TestContext): Latin1 {
  const folder = join(tmpdir(), `tundra-source-${randomBytes(8).toString('hex')}`);
  mkdirSync(folder);
  // Not rmSync, which stops at paths longer than the system allows, and at folders without permissions.
  t.after(() =>
    spawnSync('sh', ['-c', 'chmod -R u+rwx "$1"; rm -rf "$1"', 'sh', folder], { stdio: 'ignore' }),
  );
  return latin1OfNative(folder);
}

/** Makes a folder with these entries, and returns its path. */
export function testTree(t: TestContext, tree: Tree): Latin1 {
  const root = testFolder(t);
  for (const [path, entry] of Object.entries(tree)) {
    const onDisk = diskPath(`${root}/${path}`);
    mkdirSync(diskPath(`${root}/${path}`.replace(/\/[^/]*$/, '')), { recursive: true });
    if (entry === 'file') writeFileSync(onDisk, path, 'latin1');
    else if (entry === 'directory') mkdirSync(onDisk, { recursive: true });
    else if (entry === 'fifo') spawnSync('mkfifo', [`${root}/${path}`]);
    else symlinkSync(diskPath(entry.link), onDisk);
  }
  return root;
}

/** Sets the mtime, to milliseconds. */
export function setMtime(path: Latin1, seconds: number): void {
  // As dates: of a negative number node makes the present.
  const time = new Date(seconds * 1000);
  utimesSync(diskPath(path), time, time);
}

/** Sets the mtime of a symbolic link itself. */
export function setLinkMtime(path: Latin1, seconds: number): void {
  const time = new Date(seconds * 1000);
  lutimesSync(diskPath(path), time, time);
}

/** A tree of names that trip programs up: their order, their bytes, and characters that mean something in a glob. */
export const oddTree: Tree = {
  a: 'directory',
  'a/b': 'directory',
  'a/b/c': 'file',
  'a/b/c.txt': 'file',
  'a/b.txt': 'file',
  'a/empty': 'directory',
  'a b': 'directory',
  'a b/c': 'file',
  'a-b': 'file',
  'a.b': 'directory',
  'a.b/c': 'file',
  ab: 'directory',
  'ab/c/d/e/f': 'file',
  'ab/c/d/g.txt': 'file',
  'ab/C/D': 'file',
  UPPER: 'directory',
  'UPPER/Case.TXT': 'file',
  '\xc3\xa9': 'directory',
  '\xc3\xa9/\xc3\x89.txt': 'file',
  '\xf0\x9f\x98\x80': 'directory',
  '\xf0\x9f\x98\x80/x': 'file',
  '\xff\xfe': 'directory',
  '\xff\xfe/\x80': 'file',
  'x\xffy': 'file',
  'new\nline': 'directory',
  'new\nline/x': 'file',
  'tail\n': 'directory',
  'tail\n/x': 'file',
  tail: 'directory',
  'tail/x': 'file',
  '[b]': 'directory',
  '[b]/x': 'file',
  '*': 'directory',
  '*/x': 'file',
  'q?': 'file',
  'back\\slash': 'file',
  '-dash': 'file',
  ' ': 'directory',
  ' / ': 'file',
  'ignorecase:x': 'file',
  link: { link: 'a' },
  dangling: { link: 'nowhere/\xff\n' },
  fifo: 'fifo',
};
