import { createHash } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Attributes, EntryType } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import { KeyBytes } from '../base/key-bytes.js';
import { writeAllSync } from '../base/local-disk.js';
import type { Latin1, PathKey } from '../base/path-key.js';
import { blockBytes as tarBlockBytes } from '../format/tar/header.js';

/**
 * What the signatures of a chain say of each path, without the signatures: a file beside them in the local archive, so
 * that a comparison need not unpack them. It is made of the signature files and worth nothing without them: it counts
 * only while it fits them by name, size and time, and while its checksum holds.
 *
 * | part | size | meaning |
 * |---|---|---|
 * | blocks | | each: bytes in it (4), then whole entries |
 * | trailer | 40 | `TNDRAIX3`, bytes of all blocks (8), their CRC-32 (4), digest of the signature files (20) |
 *
 * An entry is a row of numbers, 7 bits a byte, low bits first, all bytes but the last with the high bit set; texts are
 * their length and their bytes:
 *
 * | number | meaning |
 * |---|---|
 * | shared, rest | the path: how much of the one before is kept (nothing at a block's start), then the rest |
 * | type | 8 times its place in `types`, and 1 if its signature can be read, 2 with records, 4 with a change time |
 * | mode | permission bits |
 * | owner | place in the list of owners so far; a new one follows: uid, gid, and both names |
 * | time | seconds since 1970 |
 * | file | which signature file has the entry, 0 for the full set's |
 * | place | where it begins there, unpacked: tar blocks before its header |
 * | link | symbolic links: the target |
 * | major, minor | devices |
 * | records | if there are any (`format/tar/records.ts`) |
 *
 * and the change time, if there is one: 8 bytes, a double.
 */
const magic = Buffer.from('TNDRAIX3', 'latin1');
const trailerBytes = 40;
const blockHeadBytes = 4;
const blockBytes = 128 * 1024;
const checkBytes = 1024 * 1024;

const types: readonly EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'char-device', 'block-device'];

const formBits = { signature: 1, records: 2, changeTime: 4 } as const;
const typeShift = 3;

/** One path, as the newest signature file that has it tells. Paths that are gone are left out. */
export interface IndexEntry {
  key: PathKey;
  kind: 'signature' | 'snapshot';
  attributes: Attributes;
  /** Which signature file of the chain that is, 0 for the full set's. */
  file: number;
  /** Where the entry begins in the plain bytes of that file. */
  startBytes: number;
  /** Milliseconds since 1970, as lstat tells: the path had exactly these records while this was its change time. 0 where
   *  that is not known. */
  changeTimeMs: number;
}

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

/** What an index must fit. Errors: those of the file system. */
export function digestOfSignatures(files: readonly string[]): Buffer {
  const hash = createHash('sha1');
  for (const file of files) {
    const { size, mtimeNs } = statSync(file, { bigint: true });
    hash.update(`${basename(file)}\0${size}\0${mtimeNs}\n`);
  }
  return hash.digest();
}

/** Writes an index. Entries come in path order. Errors: those of the file system. */
export class SignatureIndexWriter {
  readonly #fd: number;
  #block: Buffer = Buffer.allocUnsafe(2 * blockBytes);
  #at = blockHeadBytes;
  #previous: PathKey = '';
  #owners = new Map<string, number>();
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
    const shared = sharedLength(this.#previous, key);
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

  /** Closes the index: `endIndex` makes it count. */
  finish(): IndexBody {
    this.#flush();
    closeSync(this.#fd);
    return { sizeBytes: this.#bodyBytes, crc: this.#crc };
  }

  abandon(): void {
    closeSync(this.#fd);
  }

  #owner({ uid, gid, uname, gname }: Attributes): void {
    const id = `${uid}\0${gid}\0${uname}\0${gname}`;
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

/** The blocks of an index that was written. */
export interface IndexBody {
  sizeBytes: number;
  crc: number;
}

/** Writes the trailer of an index, or replaces it: from now on it counts for these signature files. Errors: those of the
 *  file system. */
export function endIndex(path: string, { sizeBytes, crc }: IndexBody, digest: Uint8Array): void {
  const trailer = Buffer.alloc(trailerBytes);
  magic.copy(trailer);
  trailer.writeBigUInt64LE(BigInt(sizeBytes), 8);
  trailer.writeUInt32LE(crc, 16);
  trailer.set(digest, 20);
  const fd = openSync(path, 'r+');
  try {
    ftruncateSync(fd, sizeBytes);
    writeAllSync(fd, trailer, sizeBytes);
  } finally {
    closeSync(fd);
  }
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
  /** What stands behind the key that was passed last. */
  #passedAt = 0;
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
    this.#at = this.#passedAt;
    this.#previous = this.#key.key();
    return this.#entryOf(this.#previous);
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
      const recordsBytes = this.#number();
      this.#at += recordsBytes;
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

interface Owner extends Pick<Attributes, 'uid' | 'gid' | 'uname' | 'gname'> {
  /** What its names stand for now, once somebody asked. */
  ids?: { uid: number; gid: number };
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

function sharedLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one.charCodeAt(length) === other.charCodeAt(length)) length++;
  return length;
}
