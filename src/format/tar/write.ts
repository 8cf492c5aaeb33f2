import { type EntryType, emptyAttributes } from '../../base/attributes.js';
import type { Latin1 } from '../../base/path-key.js';
import { blockBytes, field, nameBytes, ownerNameBytes, paddedBytes, type TarHeader } from './header.js';
import { formatRecord } from './records.js';

/**
 * Tar headers as GNU tar writes them. Long names and link targets stand before the header in records `L` and `K` that
 * are named `././@LongLink`; numbers that do not fit their field are in base 256, marked by a first byte of 0x80. Owner
 * and group names that do not fit are in a PAX record `x`, since GNU has no form of its own for them, and so are extended
 * attributes, ACLs and hard links.
 */

const longRecordName = '././@LongLink';
const typeFlags: Record<EntryType, number> = {
  file: 0x30,
  symlink: 0x32,
  'char-device': 0x33,
  'block-device': 0x34,
  directory: 0x35,
  fifo: 0x36,
};
const longNameFlag = 0x4c;
const longLinkFlag = 0x4b;
const paxFlag = 0x78;

const gnuMagic = 'ustar  ';

/** A name field that is full has no terminator, which some readers do not expect of owner names. */
const ownerNameLimit = ownerNameBytes - 1;

/** What `writeTarHeader` writes for the header: a multiple of 512. */
export function tarHeaderBytes(header: TarHeader): number {
  let size = blockBytes;
  const pax = paxRecords(header);
  if (pax !== '') size += blockBytes + paddedBytes(pax.length);
  if (header.linkTarget.length > nameBytes) size += longRecordBytes(header.linkTarget);
  if (header.name.length > nameBytes) size += longRecordBytes(header.name);
  return size;
}

/**
 * Writes the header, with the records it needs before it, and returns how many bytes it took: `tarHeaderBytes`.
 * A negative time becomes 0. Data, padded with zeros to a multiple of 512, is the caller's to write.
 */
export function writeTarHeader(header: TarHeader, target: Uint8Array, offset: number): number {
  let at = offset;
  const pax = paxRecords(header);
  if (pax !== '') at = writeRecord(paxFlag, pax, pax.length, target, at);
  const { name, linkTarget } = header;
  if (linkTarget.length > nameBytes)
    at = writeRecord(longLinkFlag, linkTarget, linkTarget.length + 1, target, at);
  if (name.length > nameBytes) at = writeRecord(longNameFlag, name, name.length + 1, target, at);
  writeBlock(header, typeFlags[header.type], target, at);
  return at + blockBytes - offset;
}

function longRecordBytes(text: Latin1): number {
  return blockBytes + paddedBytes(text.length + 1);
}

/** Writes a record that extends the next header; returns where it ends. */
function writeRecord(flag: number, text: Latin1, sizeBytes: number, target: Uint8Array, at: number): number {
  const header: TarHeader = { ...emptyAttributes, name: longRecordName, sizeBytes };
  writeBlock(header, flag, target, at);
  const textAt = at + blockBytes;
  const end = textAt + paddedBytes(sizeBytes);
  putText(target, textAt, text, text.length);
  target.fill(0, textAt + text.length, end);
  return end;
}

function writeBlock(header: TarHeader, flag: number, target: Uint8Array, at: number): void {
  target.fill(0, at, at + blockBytes);
  const { name, linkTarget, uname, gname, mtimeSeconds } = header;
  let sum = 8 * 0x20 + flag;
  sum += putText(target, at + field.name, name, nameBytes);
  sum += putNumber(target, at + field.mode, 8, header.mode);
  sum += putNumber(target, at + field.uid, 8, header.uid);
  sum += putNumber(target, at + field.gid, 8, header.gid);
  sum += putNumber(target, at + field.size, 12, header.sizeBytes);
  sum += putNumber(target, at + field.mtime, 12, Math.max(mtimeSeconds, 0));
  target[at + field.type] = flag;
  sum += putText(target, at + field.linkTarget, linkTarget, nameBytes);
  sum += putText(target, at + field.magic, gnuMagic, 8);
  sum += putText(target, at + field.uname, uname.length > ownerNameLimit ? '' : uname, ownerNameBytes);
  sum += putText(target, at + field.gname, gname.length > ownerNameLimit ? '' : gname, ownerNameBytes);
  if (header.type === 'char-device' || header.type === 'block-device') {
    sum += putNumber(target, at + field.deviceMajor, 8, header.deviceMajor);
    sum += putNumber(target, at + field.deviceMinor, 8, header.deviceMinor);
  }
  putOctal(target, at + field.checksum, 6, sum);
  target[at + field.checksum + 7] = 0x20;
}

/** Writes as much of `text` as the field holds; returns the sum of its bytes. */
function putText(target: Uint8Array, at: number, text: Latin1, fieldBytes: number): number {
  const length = Math.min(text.length, fieldBytes);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const byte = text.charCodeAt(i);
    target[at + i] = byte;
    sum += byte;
  }
  return sum;
}

/** Writes a number into a field that holds zeros; returns the sum of its bytes. */
function putNumber(target: Uint8Array, at: number, fieldBytes: number, value: number): number {
  const digits = fieldBytes - 1;
  if (value < (digits === 7 ? 0x200000 : 0x200000000)) return putOctal(target, at, digits, value);
  let sum = 0x80;
  let rest = value;
  for (let i = at + digits; rest > 0; i--) {
    const byte = rest % 256;
    target[i] = byte;
    sum += byte;
    rest = (rest - byte) / 256;
  }
  target[at] = 0x80;
  return sum;
}

function putOctal(target: Uint8Array, at: number, digits: number, value: number): number {
  let sum = 0;
  // Bit operations hold 31 bits: eight digits, and then the other three.
  let part = value % 0x1000000;
  for (let i = digits - 1; i >= 0; i--) {
    if (i === digits - 9) part = Math.floor(value / 0x1000000);
    const byte = 0x30 + (part & 7);
    target[at + i] = byte;
    sum += byte;
    part >>>= 3;
  }
  return sum;
}

/** The PAX records of what GNU headers cannot hold; empty for nearly every header. */
function paxRecords({ uname, gname, records = '' }: TarHeader): Latin1 {
  if (uname.length <= ownerNameLimit && gname.length <= ownerNameLimit) return records;
  const long = (key: string, value: Latin1) =>
    value.length > ownerNameLimit ? formatRecord(key, value) : '';
  return long('uname', uname) + long('gname', gname) + records;
}
