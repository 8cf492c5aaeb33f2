import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import type { Attributes } from '../base/attributes.js';
import { onDisk, temporaryPlace, writeAllSync } from '../base/local-disk.js';
import type { Latin1, PathKey } from '../base/path-key.js';

/** An entry that had other names in the source. */
export interface Linked {
  key: PathKey;
  /** Names of one file have the same, and hardly any others do. */
  group: number;
  /** Entries with other attributes have another. */
  digest: Latin1;
}

/**
 * The entries of a restore that had other names, in the order in which they came, and the newest of each group. A backup
 * may hold a million of them: they lie in a file, and a table in memory has a number for each group.
 *
 * | offset in the file, from where an entry begins | size | meaning |
 * | --: | --: | ------------------------- |
 * |   0 |   8 | group, a double           |
 * |   8 |   8 | digest                    |
 * |  16 |   4 | length of the key         |
 * |  20 |     | key                       |
 */
export class LinkGroups {
  readonly #path: string;
  #fd: number | undefined;
  /** What is not yet in the file. */
  #pending: Buffer = Buffer.alloc(0);
  #pendingBytes = 0;
  #fileBytes = 0;
  readonly #newest = new NumberTable();

  /** @param path where the file goes; it is made when there is something to keep */
  constructor(path: string) {
    this.#path = path;
  }

  /** Notes an entry, as the one that the next of its group is to be compared with. */
  add({ key, group, digest }: Linked): void {
    const size = headBytes + key.length;
    if (this.#pendingBytes + size > this.#pending.length) {
      this.flush();
      if (this.#pending.length < size) this.#pending = Buffer.allocUnsafe(Math.max(pendingBytes, size));
    }
    const at = this.#pendingBytes;
    this.#pending.writeDoubleLE(group, at);
    this.#pending.write(digest, at + 8, 'latin1');
    this.#pending.writeUInt32LE(key.length, at + 16);
    this.#pending.write(key, at + headBytes, 'latin1');
    this.#pendingBytes += size;
    this.#newest.set(group, this.#fileBytes + at);
  }

  /** The entry of the group that was noted last. */
  find(group: number): Linked | undefined {
    const at = this.#newest.get(group);
    if (at === undefined) return undefined;
    return decode((target, from) => this.#read(target, at + from));
  }

  /** Writes all to the file, for others to read. */
  flush(): void {
    if (this.#pendingBytes === 0) return;
    const bytes = this.#pending.subarray(0, this.#pendingBytes);
    onDisk(temporaryPlace, this.#path, () => {
      this.#fd ??= openSync(this.#path, 'wx+', 0o600);
      writeAllSync(this.#fd, bytes, this.#fileBytes);
    });
    this.#fileBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #read(target: Buffer, at: number): void {
    if (at >= this.#fileBytes) {
      this.#pending.copy(target, 0, at - this.#fileBytes);
      return;
    }
    readFully(this.#fd as number, target, at);
  }
}

/** The entries of a file that a `LinkGroups` has written; none if it had nothing to write. */
export function* linkedEntries(path: string): Generator<Linked> {
  if (!existsSync(path)) return;
  const fd = openSync(path, 'r');
  try {
    for (let at = 0; ; ) {
      if (readSync(fd, Buffer.alloc(1), 0, 1, at) === 0) return;
      const start = at;
      const entry = decode((target, from) => readFully(fd, target, start + from));
      yield entry;
      at += headBytes + entry.key.length;
    }
  } finally {
    closeSync(fd);
  }
}

const headBytes = 20;
const pendingBytes = 64 * 1024;

function decode(read: (target: Buffer, from: number) => void): Linked {
  const head = Buffer.alloc(headBytes);
  read(head, 0);
  const key = Buffer.alloc(head.readUInt32LE(16));
  read(key, headBytes);
  return {
    key: key.toString('latin1'),
    group: head.readDoubleLE(0),
    digest: head.toString('latin1', 8, 16),
  };
}

function readFully(fd: number, target: Buffer, position: number): void {
  for (let done = 0; done < target.length; ) {
    const size = readSync(fd, target, done, target.length - done, position + done);
    if (size === 0) throw new Error('a temporary file was cut short by another program');
    done += size;
  }
}

/** What an entry counts as among those that had other names.
 * @param group as the backup has noted it */
export function linkedOf(key: PathKey, attributes: Attributes, group: Latin1): Linked {
  const { type, mode, uid, gid, uname, gname, mtimeSeconds, linkTarget, deviceMajor, deviceMinor } =
    attributes;
  const numbers = [mode, uid, gid, type === 'symlink' ? 0 : mtimeSeconds, deviceMajor, deviceMinor];
  const texts = [type, uname, gname, linkTarget, attributes.records ?? ''];
  const digest = createHash('sha1').update(JSON.stringify([numbers, texts]));
  const groupBytes = createHash('sha1').update(group, 'latin1').digest();
  return {
    key,
    // Positive, and whole, so that equal ones are found.
    group: groupBytes.readUIntBE(0, 6) + 1,
    digest: digest.digest().toString('latin1', 0, 8),
  };
}

/** A map of positive whole numbers to others, of 16 to 32 bytes an entry. */
class NumberTable {
  #keys = new Float64Array(1024);
  #values = new Float64Array(1024);
  #count = 0;

  get(key: number): number | undefined {
    const at = this.#placeOf(key);
    return this.#keys[at] === key ? this.#values[at] : undefined;
  }

  set(key: number, value: number): void {
    if (2 * this.#count >= this.#keys.length) this.#grow();
    const at = this.#placeOf(key);
    if (this.#keys[at] !== key) this.#count++;
    this.#keys[at] = key;
    this.#values[at] = value;
  }

  /** Where the key is, or would be. */
  #placeOf(key: number): number {
    const keys = this.#keys;
    let at = key % keys.length;
    while (keys[at] !== 0 && keys[at] !== key) at = (at + 1) % keys.length;
    return at;
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new Float64Array(2 * keys.length);
    this.#values = new Float64Array(2 * keys.length);
    keys.forEach((key, index) => {
      if (key === 0) return;
      const at = this.#placeOf(key);
      this.#keys[at] = key;
      this.#values[at] = values[index]!;
    });
  }
}
