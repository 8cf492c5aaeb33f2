import { displayBytes, type Latin1 } from '../base/path-key.js';

/**
 * POSIX ACLs: the bytes that Linux has in the attributes `system.posix_acl_access` and `system.posix_acl_default`, and the
 * text in PAX records. Numbers are little-endian:
 *
 * | offset | size | meaning                                                                 |
 * | -----: | ---: | ----------------------------------------------------------------------- |
 * |      0 |    4 | version, 2                                                              |
 * |      4 |    8 | each entry: tag (2), permissions `rwx` in bits 2 to 0 (2), number (4)    |
 *
 * In the text each entry is a line `TAG:NAME:rwx`, as acl_to_text(3) has it, with the number behind it as a fourth field
 * where there is a NAME: star and libarchive write it so, and GNU tar reads past it.
 */
const version = 2;
const headBytes = 4;
const entryBytes = 8;
/** The number of an entry that has none. */
const noNumber = 0xffff_ffff;

interface Tag {
  code: number;
  word: 'user' | 'group' | 'mask' | 'other';
  isNamed: boolean;
}

/** In the order in which the system wants them. */
const tags: readonly Tag[] = [
  { code: 0x01, word: 'user', isNamed: false },
  { code: 0x02, word: 'user', isNamed: true },
  { code: 0x04, word: 'group', isNamed: false },
  { code: 0x08, word: 'group', isNamed: true },
  { code: 0x10, word: 'mask', isNamed: false },
  { code: 0x20, word: 'other', isNamed: false },
];

/** Names of numbers; empty where there is none. */
export interface AclNames {
  userName(uid: number): Latin1;
  groupName(gid: number): Latin1;
}

/** Numbers of names; undefined where there is none. */
export interface AclIds {
  userId(name: Latin1): number | undefined;
  groupId(name: Latin1): number | undefined;
}

/** The text of an ACL; undefined if the bytes are none. */
export function aclText(bytes: Buffer, names: AclNames): Latin1 | undefined {
  if (bytes.length < headBytes || bytes.readUInt32LE(0) !== version) return undefined;
  if ((bytes.length - headBytes) % entryBytes !== 0) return undefined;
  let text = '';
  for (let at = headBytes; at < bytes.length; at += entryBytes) {
    const code = bytes.readUInt16LE(at);
    const tag = tags.find((one) => one.code === code);
    if (tag === undefined) return undefined;
    const { word, isNamed } = tag;
    const rights = rightsText(bytes.readUInt16LE(at + 2));
    if (!isNamed) {
      text += `${word}::${rights}\n`;
      continue;
    }
    const number = bytes.readUInt32LE(at + 4);
    const name = word === 'user' ? names.userName(number) : names.groupName(number);
    text += `${word}:${name === '' ? number : name}:${rights}:${number}\n`;
  }
  return text;
}

/**
 * The bytes of an ACL. A name that is known here stands for its number here, else the number behind it counts. Returns
 * what is wrong with it where it is not an ACL, or names somebody who is unknown.
 *
 * @param ids undefined to take the numbers as they stand
 */
export function aclBytes(text: Latin1, ids: AclIds | undefined): Buffer | string {
  const entries: { place: number; rights: number; number: number }[] = [];
  for (const line of text.split(/[\n,]/)) {
    const bare = line.replace(/#.*/s, '').trim();
    if (bare === '') continue;
    const [word, name = '', rightsText, numberText] = bare.split(':');
    const place = tags.findIndex((tag) => tag.word === word && tag.isNamed === (name !== ''));
    const rights = rightsOf(rightsText);
    if (place < 0 || rights === undefined) return `${displayBytes(bare)} is no entry of an ACL`;
    const number = name === '' ? noNumber : numberOf(word === 'user', name, numberText, ids);
    if (number === undefined) return `${word} ${displayBytes(name)} is not known here`;
    entries.push({ place, rights, number });
  }
  entries.sort((one, other) => one.place - other.place || one.number - other.number);
  const bytes = Buffer.alloc(headBytes + entryBytes * entries.length);
  bytes.writeUInt32LE(version);
  entries.forEach(({ place, rights, number }, index) => {
    const at = headBytes + entryBytes * index;
    bytes.writeUInt16LE(tags[place]!.code, at);
    bytes.writeUInt16LE(rights, at + 2);
    bytes.writeUInt32LE(number, at + 4);
  });
  return bytes;
}

function rightsText(rights: number): string {
  return `${rights & 4 ? 'r' : '-'}${rights & 2 ? 'w' : '-'}${rights & 1 ? 'x' : '-'}`;
}

function rightsOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[rwx-]*$/.test(text)) return undefined;
  return (text.includes('r') ? 4 : 0) | (text.includes('w') ? 2 : 0) | (text.includes('x') ? 1 : 0);
}

function numberOf(
  isUser: boolean,
  name: Latin1,
  numberText: string | undefined,
  ids: AclIds | undefined,
): number | undefined {
  const known = isUser ? ids?.userId(name) : ids?.groupId(name);
  if (known !== undefined) return known;
  const digits = numberText ?? name;
  const number = /^[0-9]{1,10}$/.test(digits) ? Number(digits) : noNumber;
  return number < noNumber ? number : undefined;
}
