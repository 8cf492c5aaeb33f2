import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Attributes, EntryType } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import { KeyBytes } from '../base/key-bytes.js';
import type { Latin1, PathKey } from '../base/path-key.js';
import { blockBytes as tarBlockBytes } from '../format/tar/header.js';
import {
  blockHeadBytes,
  formBits,
  type IndexBody,
  type IndexEntry,
  type IndexOwner,
  magic,
  trailerBytes,
  typeShift,
  types,
} from './signature-index.js';
import type { SignatureIndexWriter } from './signature-index-writer.js';

const checkBytes = 1024 * 1024;

/** A path as it is now, that may be just what the index says. */
export interface PresentPath {
  /** Its key, as an index has it: bytes it shares with the key before it, and the rest. */
  keyShared: number;
  keyRests: Uint8Array;
  keyRestAt: number;
  keyRestLength: number;
  type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  linkTarget: Latin1;
  changeTimeMs: number;
}

/** What names of owners stand for now; undefined where there is no such name. */
export interface OwnerIds {
  userId(name: Latin1): number | undefined;
  groupId(name: Latin1): number | undefined;
}

/** Reads an index. Error: `bad-archive-dir` where its checksum holds and its entries are none. */
export class SignatureIndexReader {
  readonly body: IndexBody;
  readonly #path: string;
  readonly #fd: number;
  #position = 0;
  #block: Buffer = Buffer.alloc(0);
  #end = 0;
  #at = 0;
  readonly #key = new KeyBytes();
  /** The entry that was passed last: where it begins, what its key shares, and what stands behind the key. */
  #passedFrom = 0;
  #passedShared = 0;
  #passedAt = 0;
  /** Whose it is; undefined where the entry tells that by itself. */
  #passedOwner: Owner | undefined;
  #isBegun = false;
  /** The key read last, where there is a string of it. */
  #previous: PathKey | undefined;
  readonly #owners: Owner[] = [];

  private constructor(path: string, fd: number, body: IndexBody) {
    this.#path = path;
    this.#fd = fd;
    this.body = body;
  }

  /** Opens an index that fits the signature files, after all of it was checked; undefined if there is none. */
  static open(path: string, digest: Uint8Array): SignatureIndexReader | undefined {
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch {
      return undefined;
    }
    try {
      const body = readTrailer(fd, digest);
      if (body !== undefined && checksumOf(fd, body.sizeBytes) === body.crc) {
        return new SignatureIndexReader(path, fd, body);
      }
    } catch {
      // One that cannot be read is no index: the signatures have it all.
    }
    closeSync(fd);
    return undefined;
  }

  /** The next path; undefined at the end. */
  next(): IndexEntry | undefined {
    const isBlockStart = this.#at === this.#end;
    if (isBlockStart && !this.#readBlock()) return undefined;
    const previous = this.#previous ?? (this.#isBegun ? this.#key.key() : undefined);
    this.#isBegun = true;
    const shared = this.#number();
    const rest = this.#number();
    if (shared > (isBlockStart ? 0 : this.#key.length) || rest > this.#end - this.#at) this.#fail();
    this.#key.step(shared, this.#block, this.#at, rest);
    this.#at += rest;
    const key = this.#key.key();
    if (previous !== undefined && key <= previous) this.#fail();
    this.#previous = key;
    return this.#entryOf(key);
  }

  /** The path that was passed by, where that was the last step. */
  passed(): IndexEntry {
    // Here it is told once more.
    if (this.#passedOwner === undefined) this.#owners.pop();
    this.#at = this.#passedAt;
    this.#previous = this.#key.key();
    return this.#entryOf(this.#previous);
  }

  /**
   * Adds the path that was passed by to another index, as `passed` gives it.
   *
   * @param follows whether it follows the same path there
   */
  copyPassed(writer: SignatureIndexWriter, follows: boolean): void {
    const owner = this.#passedOwner;
    // At the start of a block a key is whole, though it may share something there.
    if (follows && owner !== undefined && this.#passedFrom > 0) {
      // Places are given once: what was so stays so.
      owner.isThereToo ||= writer.hasOwner(owner, this.#owners.indexOf(owner));
      const shared = this.#passedShared;
      const restBytes = this.#key.length - shared;
      const restAt = this.#passedAt - restBytes;
      const isCopied =
        owner.isThereToo &&
        writer.addCopy(this.#block, this.#passedFrom, this.#at, shared, restAt, restBytes);
      if (isCopied) return;
    }
    writer.add(this.passed());
  }

  /** Passes by the next path, whatever it is; false at the end. */
  skip(): boolean {
    const isBlockStart = this.#at === this.#end;
    if (isBlockStart && !this.#readBlock()) return false;
    this.#passedFrom = this.#at;
    const shared = this.#number();
    const rest = this.#number();
    if (shared > (isBlockStart ? 0 : this.#key.length) || rest > this.#end - this.#at) this.#fail();
    this.#key.step(shared, this.#block, this.#at, rest);
    this.#previous = undefined;
    this.#isBegun = true;
    this.#passedShared = shared;
    this.#at += rest;
    this.#passedAt = this.#at;
    const form = this.#number();
    const type = types[form >> typeShift];
    this.#number();
    const ownersBefore = this.#owners.length;
    const owner = this.#owner();
    this.#passedOwner = ownersBefore === this.#owners.length ? owner : undefined;
    this.#number();
    this.#number();
    this.#number();
    if (type === 'symlink') this.#skipText();
    if (type === 'char-device' || type === 'block-device') {
      this.#number();
      this.#number();
    }
    if ((form & formBits.records) !== 0) this.#skipText();
    if ((form & formBits.changeTime) !== 0) this.#at += 8;
    if (type === undefined || this.#at > this.#end) this.#fail();
    return true;
  }

  /** Reads what stands behind a key. */
  #entryOf(key: PathKey): IndexEntry {
    const form = this.#number();
    const type = types[form >> typeShift];
    if (type === undefined) this.#fail();
    const mode = this.#number();
    const { uid, gid, uname, gname } = this.#owner();
    const mtimeSeconds = this.#number();
    const file = this.#number();
    const startBytes = this.#number() * tarBlockBytes;
    const linkTarget = type === 'symlink' ? this.#text() : '';
    const isDevice = type === 'char-device' || type === 'block-device';
    const deviceMajor = isDevice ? this.#number() : 0;
    const deviceMinor = isDevice ? this.#number() : 0;
    const attributes: Attributes = {
      type,
      mode,
      uid,
      gid,
      uname,
      gname,
      mtimeSeconds,
      linkTarget,
      deviceMajor,
      deviceMinor,
    };
    if ((form & formBits.records) !== 0) attributes.records = this.#text();
    let changeTimeMs = 0;
    if ((form & formBits.changeTime) !== 0) {
      if (this.#at + 8 > this.#end) this.#fail();
      changeTimeMs = this.#block.readDoubleLE(this.#at);
      this.#at += 8;
    }
    if (this.#at > this.#end) this.#fail();
    const kind = (form & formBits.signature) !== 0 ? 'signature' : 'snapshot';
    return { key, kind, attributes, file, startBytes, changeTimeMs };
  }

  /**
   * Passes by the next path where it is the present one, with the same attributes and the same change time, and so with the same
   * records. Else nothing is read: `next` then tells more. The path before must have been the same too.
   *
   * For links the target counts, as it does where entries are compared; devices are left to that.
   */
  pass(present: PresentPath, ids: OwnerIds): boolean {
    if (this.#at === this.#end && !this.#readBlock()) return false;
    const start = this.#at;
    if (this.#isSame(present, ids)) {
      this.#passedFrom = start;
      this.#passedShared = present.keyShared;
      this.#key.step(present.keyShared, present.keyRests, present.keyRestAt, present.keyRestLength);
      this.#previous = undefined;
      this.#isBegun = true;
      return true;
    }
    this.#at = start;
    return false;
  }

  #isSame(present: PresentPath, ids: OwnerIds): boolean {
    const { keyRests, keyRestAt, keyRestLength } = present;
    // At the start of a block keys are whole there: such a path is not passed.
    if (this.#number() !== present.keyShared || this.#number() !== keyRestLength) return false;
    const block = this.#block;
    const at = this.#at;
    for (let i = 0; i < keyRestLength; i++) if (block[at + i] !== keyRests[keyRestAt + i]) return false;
    this.#at = at + keyRestLength;
    this.#passedAt = this.#at;
    const form = this.#number();
    const { type } = present;
    if (types[form >> typeShift] !== type || (form & formBits.changeTime) === 0) return false;
    const mode = this.#number();
    const owner = this.#owners[this.#number()];
    if (owner === undefined) return false;
    this.#passedOwner = owner;
    const mtimeSeconds = this.#number();
    this.#number();
    this.#number();
    if (type === 'symlink') {
      if (this.#text() !== present.linkTarget) return false;
    } else if (type === 'char-device' || type === 'block-device') {
      return false;
    } else {
      owner.ids ??= {
        uid: ids.userId(owner.uname) ?? owner.uid,
        gid: ids.groupId(owner.gname) ?? owner.gid,
      };
      const isSame =
        mode === present.mode &&
        owner.ids.uid === present.uid &&
        owner.ids.gid === present.gid &&
        // The index has 0 for all times before 1970.
        mtimeSeconds === Math.max(present.mtimeSeconds, 0);
      if (!isSame) return false;
    }
    if ((form & formBits.records) !== 0) {
      this.#skipText();
    }
    if (this.#at + 8 > this.#end || block.readDoubleLE(this.#at) !== present.changeTimeMs) return false;
    this.#at += 8;
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #owner(): Owner {
    const place = this.#number();
    const known = this.#owners[place];
    if (known !== undefined) return known;
    if (place !== this.#owners.length) this.#fail();
    const owner: Owner = {
      uid: this.#number(),
      gid: this.#number(),
      uname: this.#text(),
      gname: this.#text(),
    };
    this.#owners[place] = owner;
    return owner;
  }

  #number(): number {
    let byte = this.#block[this.#at++]!;
    let value = byte & 0x7f;
    for (let weight = 0x80; byte >= 0x80; weight *= 0x80) {
      byte = this.#block[this.#at++]!;
      value += (byte & 0x7f) * weight;
    }
    if (value > Number.MAX_SAFE_INTEGER) this.#fail();
    return value;
  }

  #text(): string {
    const length = this.#number();
    const start = this.#at;
    this.#at += length;
    return length === 0 ? '' : this.#block.toString('latin1', start, this.#at);
  }

  #skipText(): void {
    const length = this.#number();
    this.#at += length;
  }

  #readBlock(): boolean {
    const leftBytes = this.body.sizeBytes - this.#position - blockHeadBytes;
    if (leftBytes === -blockHeadBytes) return false;
    const head = Buffer.alloc(blockHeadBytes);
    readFully(this.#fd, head, blockHeadBytes, this.#position);
    this.#end = head.readUInt32LE(0);
    if (this.#end === 0 || this.#end > leftBytes) this.#fail();
    if (this.#block.length < this.#end) this.#block = Buffer.allocUnsafe(this.#end);
    readFully(this.#fd, this.#block, this.#end, this.#position + blockHeadBytes);
    this.#position += blockHeadBytes + this.#end;
    this.#at = 0;
    return true;
  }

  #fail(): never {
    throw new TundraError('bad-archive-dir', `the index ${this.#path} is damaged`, {
      advice: 'Remove this file: the next backup makes it anew.',
    });
  }
}

interface Owner extends IndexOwner {
  /** What its names stand for now, once somebody asked. */
  ids?: { uid: number; gid: number };
  /** Whether it is known to have the same place in the index that is copied to. */
  isThereToo?: boolean;
}

function readTrailer(fd: number, digest: Uint8Array): IndexBody | undefined {
  const sizeBytes = fstatSync(fd).size - trailerBytes;
  if (sizeBytes < 0) return undefined;
  const trailer = Buffer.alloc(trailerBytes);
  readFully(fd, trailer, trailerBytes, sizeBytes);
  const fits =
    trailer.subarray(0, 8).equals(magic) &&
    trailer.readBigUInt64LE(8) === BigInt(sizeBytes) &&
    trailer.subarray(20).equals(digest);
  return fits ? { sizeBytes, crc: trailer.readUInt32LE(16) } : undefined;
}

function checksumOf(fd: number, sizeBytes: number): number {
  const buffer = Buffer.allocUnsafe(Math.min(checkBytes, sizeBytes));
  let crc = 0;
  for (let at = 0; at < sizeBytes; at += checkBytes) {
    const size = Math.min(checkBytes, sizeBytes - at);
    readFully(fd, buffer, size, at);
    crc = crc32(buffer.subarray(0, size), crc);
  }
  return crc;
}

function readFully(fd: number, target: Buffer, sizeBytes: number, position: number): void {
  for (let done = 0; done < sizeBytes; ) {
    const size = readSync(fd, target, done, sizeBytes - done, position + done);
    if (size === 0) throw new Error('the index ends early');
    done += size;
  }
}
