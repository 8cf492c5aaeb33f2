import { closeSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { KeyBytes } from '../base/key-bytes.js';
import { writeAllSync } from '../base/local-disk.js';
import type { PathKey } from '../base/path-key.js';
import { blockBytes as tarBlockBytes } from '../format/tar/header.js';
import {
  blockHeadBytes,
  formBits,
  type IndexBody,
  type IndexEntry,
  type IndexOwner,
  typeShift,
  types,
} from './signature-index.js';

const blockBytes = 128 * 1024;

/** Writes an index. Entries come in path order. Errors: those of the file system. */
export class SignatureIndexWriter {
  readonly #fd: number;
  #isOpen = true;
  #block: Buffer = Buffer.allocUnsafe(2 * blockBytes);
  #at = blockHeadBytes;
  /** The path before; undefined where it was copied: then it is in `#copiedKey`. */
  #previous: PathKey | undefined = '';
  readonly #copiedKey = new KeyBytes();
  readonly #owners = new Map<string, number>();
  #bodyBytes = 0;
  #crc = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600);
  }

  add({ key, kind, attributes, file, startBytes, changeTimeMs }: IndexEntry): void {
    const { type, uname, gname, linkTarget, records = '' } = attributes;
    // Room for every number, the change time and all texts.
    const mostBytes = 144 + key.length + uname.length + gname.length + linkTarget.length + records.length;
    if (this.#at + mostBytes > this.#block.length) {
      this.#flush();
      if (blockHeadBytes + mostBytes > this.#block.length) this.#block = Buffer.allocUnsafe(2 * mostBytes);
    }
    const shared = sharedLength(this.#previous ?? this.#copiedKey.key(), key);
    this.#previous = key;
    this.#number(shared);
    this.#text(shared === 0 ? key : key.slice(shared));
    const isSignature = kind === 'signature' ? formBits.signature : 0;
    const hasRecords = records === '' ? 0 : formBits.records;
    const hasChangeTime = changeTimeMs === 0 ? 0 : formBits.changeTime;
    this.#number((types.indexOf(type) << typeShift) | isSignature | hasRecords | hasChangeTime);
    this.#number(attributes.mode);
    this.#owner(attributes);
    this.#number(Math.max(attributes.mtimeSeconds, 0));
    this.#number(file);
    this.#number(startBytes / tarBlockBytes);
    if (type === 'symlink') this.#text(linkTarget);
    if (type === 'char-device' || type === 'block-device') {
      this.#number(attributes.deviceMajor);
      this.#number(attributes.deviceMinor);
    }
    if (records !== '') this.#text(records);
    if (changeTimeMs !== 0) this.#at = this.#block.writeDoubleLE(changeTimeMs, this.#at);
    if (this.#at >= blockBytes) this.#flush();
  }

  /** Whether an owner has a place in the list of owners. */
  hasOwner(owner: IndexOwner, place: number): boolean {
    return this.#owners.get(ownerId(owner)) === place;
  }

  /**
   * Adds an entry as it stands in another index, from `start` to `end` of a block: there it follows the same path, and its
   * owner has the same place. Returns false where that cannot be, and it must be added as an object.
   *
   * @param shared bytes of its path that are kept of the one before; the others begin at `restAt`
   */
  addCopy(
    block: Buffer,
    start: number,
    end: number,
    shared: number,
    restAt: number,
    restBytes: number,
  ): boolean {
    if (this.#at === blockHeadBytes || this.#at + end - start > this.#block.length) return false;
    if (this.#previous !== undefined) {
      const previous = Buffer.from(this.#previous, 'latin1');
      this.#copiedKey.step(0, previous, 0, previous.length);
      this.#previous = undefined;
    }
    this.#copiedKey.step(shared, block, restAt, restBytes);
    this.#at += block.copy(this.#block, this.#at, start, end);
    if (this.#at >= blockBytes) this.#flush();
    return true;
  }

  /** Closes the index: `endIndex` makes it count. */
  finish(): IndexBody {
    this.#flush();
    this.abandon();
    return { sizeBytes: this.#bodyBytes, crc: this.#crc };
  }

  /** Closes it, once. */
  abandon(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }

  #owner(owner: IndexOwner): void {
    const id = ownerId(owner);
    const { uid, gid, uname, gname } = owner;
    const known = this.#owners.get(id);
    if (known !== undefined) {
      this.#number(known);
      return;
    }
    this.#number(this.#owners.size);
    this.#owners.set(id, this.#owners.size);
    this.#number(uid);
    this.#number(gid);
    this.#text(uname);
    this.#text(gname);
  }

  #number(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#block[this.#at++] = (rest % 0x80) | 0x80;
    this.#block[this.#at++] = rest;
  }

  #text(text: string): void {
    this.#number(text.length);
    this.#at += this.#block.write(text, this.#at, 'latin1');
  }

  #flush(): void {
    if (this.#at === blockHeadBytes) return;
    const block = this.#block.subarray(0, this.#at);
    block.writeUInt32LE(this.#at - blockHeadBytes, 0);
    writeAllSync(this.#fd, block);
    this.#crc = crc32(block, this.#crc);
    this.#bodyBytes += block.length;
    this.#at = blockHeadBytes;
    this.#previous = '';
  }
}

function ownerId({ uid, gid, uname, gname }: IndexOwner): string {
  return `${uid}\0${gid}\0${uname}\0${gname}`;
}

function sharedLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one.charCodeAt(length) === other.charCodeAt(length)) length++;
  return length;
}
