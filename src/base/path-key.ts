/**
 * Paths inside a backup.
 *
 * A path is a tuple of byte strings. It is held as one string in which every character is a byte (0 to 255) and the
 * components are joined by NUL, which no name can hold: plain string comparison is then the order of the format
 * (a tuple compared byte by byte). The root is the empty string.
 */
export type PathKey = string;

/** Byte string: every character stands for one byte. */
export type Latin1 = string;

export const rootKey: PathKey = '';

/** The key that was asked for last, and its path: a file's is asked for four times over. */
let last = { key: '', path: '.' };

/** `a/b` (bytes as characters) for a key; `.` for the root, as the format writes it. */
export function slashPath(key: PathKey): Latin1 {
  if (key !== last.key) last = { key, path: key === '' ? '.' : key.split('\0').join('/') };
  return last.path;
}

/** The key of a slash-separated byte string. `.` and the empty string are the root; a trailing `/` is dropped. */
export function keyOfSlashPath(path: Latin1): PathKey {
  const end = path.endsWith('/') ? path.length - 1 : path.length;
  const bare = end === path.length ? path : path.slice(0, end);
  // Replacing would be slower, and leave a chain of pieces ten times as large, until the key is first compared.
  return bare === '.' || bare === '' ? '' : bare.split('/').join('\0');
}

/** The key of `name` inside the directory `parent`. */
export function childKey(parent: PathKey, name: Latin1): PathKey {
  return parent === '' ? name : `${parent}\0${name}`;
}

/** The key of the directory that holds `key`; undefined for the root. */
export function parentKey(key: PathKey): PathKey | undefined {
  if (key === '') return undefined;
  const cut = key.lastIndexOf('\0');
  return cut < 0 ? '' : key.slice(0, cut);
}

/** The last component of a key; empty for the root. */
export function baseName(key: PathKey): Latin1 {
  return key.slice(key.lastIndexOf('\0') + 1);
}

/** Whether `key` is `ancestor` or lies below it. */
export function isWithin(key: PathKey, ancestor: PathKey): boolean {
  if (ancestor === '') return true;
  return key.startsWith(ancestor) && (key.length === ancestor.length || key[ancestor.length] === '\0');
}

/** A part of all paths: those behind `after`, up to `upTo` and with it. Where a bound is undefined, there is none. */
export interface KeyRange {
  after: PathKey | undefined;
  upTo: PathKey | undefined;
}

export const allKeys: KeyRange = { after: undefined, upTo: undefined };

/** The directories that may have entries on both sides of a bound: the path itself, and those above it up to the root. */
export function pathTo(key: PathKey): PathKey[] {
  const path: PathKey[] = [];
  for (let at: PathKey | undefined = key; at !== undefined; at = parentKey(at)) path.push(at);
  return path;
}

const nonAscii = /[^\0-\x7f]/;

/** What the file system calls take for a byte-string path: the string itself where it is ASCII, else its bytes. */
export function diskPath(path: Latin1): string | Buffer {
  return nonAscii.test(path) ? Buffer.from(path, 'latin1') : path;
}

/** The bytes of a native (UTF-16) string, as given on the command line, as a byte string. */
export function latin1OfNative(text: string): Latin1 {
  return nonAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** A byte string for people: decoded as UTF-8; bytes that are not UTF-8 show as U+FFFD. */
export function displayBytes(bytes: Latin1): string {
  return nonAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** A key for people, `.` for the root. */
export function displayKey(key: PathKey): string {
  return displayBytes(slashPath(key));
}
