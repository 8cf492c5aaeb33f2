import type { Latin1 } from '../../base/path-key.js';

/**
 * What a file system may keep of an entry and a tar header has no field for, as PAX records in front of the header:
 *
 * | key                   | value                                                                          |
 * | --------------------- | ------------------------------------------------------------------------------ |
 * | `SCHILY.xattr.NAME`   | an extended attribute, its bytes as they are; as GNU tar and star write it       |
 * | `SCHILY.acl.access`   | the POSIX ACL as text (`acl.ts`)                                                 |
 * | `SCHILY.acl.default`  | a directory's default ACL, likewise                                              |
 * | `TUNDRA.hardlink`     | where there are more names than this one: what all of them share, as text        |
 *
 * In NAME `%` is `%25` and `=` is `%3D`, as GNU tar has it. An entry's records are one text, ordered by key, so that
 * entries with the same records have the same text.
 */
export const xattrPrefix = 'SCHILY.xattr.';
export const accessAclKey = 'SCHILY.acl.access';
export const defaultAclKey = 'SCHILY.acl.default';
export const hardLinkKey = 'TUNDRA.hardlink';

/** Which records are read or restored. */
export interface RecordKinds {
  xattrs: boolean;
  acls: boolean;
  hardLinks: boolean;
}

export const allKinds: RecordKinds = { xattrs: true, acls: true, hardLinks: true };
export const noKinds: RecordKinds = { xattrs: false, acls: false, hardLinks: false };

/** Whether the key is one of the above. */
export function isVendorKey(key: string): boolean {
  return key === accessAclKey || key === defaultAclKey || key === hardLinkKey || key.startsWith(xattrPrefix);
}

/** The attributes in which Linux has POSIX ACLs. */
export const accessAcl = 'system.posix_acl_access';
export const defaultAcl = 'system.posix_acl_default';

/** Whether an extended attribute is kept. Of `security.*`, labels and checksums are the system's, and often on every file. */
export function isKeptXattr(name: Latin1): boolean {
  return name.startsWith('user.') || name.startsWith('trusted.') || name === 'security.capability';
}

/** The key of an extended attribute's record. */
export function xattrKey(name: Latin1): string {
  return xattrPrefix + name.replace(/[%=]/g, (char) => (char === '%' ? '%25' : '%3D'));
}

/** The attribute's name in a key that `xattrKey` made; undefined for the key of anything else. */
export function xattrName(key: string): Latin1 | undefined {
  if (!key.startsWith(xattrPrefix)) return undefined;
  return key.slice(xattrPrefix.length).replace(/%(25|3D)/g, (_, hex) => (hex === '25' ? '%' : '='));
}

/** What all names of a file share, if the backup has noted it. */
export function hardLinkGroup(records: Latin1 | undefined): Latin1 | undefined {
  if (records === undefined || !records.includes(` ${hardLinkKey}=`)) return undefined;
  for (const [key, value] of parseRecords(records)) if (key === hardLinkKey) return value;
  return undefined;
}

/** `LENGTH key=value\n`, where the length counts its own digits. */
export function formatRecord(key: string, value: Latin1): Latin1 {
  const bare = key.length + value.length + 3;
  let length = bare + String(bare).length;
  length = bare + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** An entry's records as one text. */
export function formatRecords(records: Iterable<[key: string, value: Latin1]>): Latin1 {
  return [...records]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => formatRecord(key, value))
    .join('');
}

/** The inverse of `formatRecords`. */
export function* parseRecords(records: Latin1): Generator<[key: string, value: Latin1]> {
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(' ', at);
    const equals = records.indexOf('=', space);
    const end = at + Number(records.slice(at, space));
    yield [records.slice(space + 1, equals), records.slice(equals + 1, end - 1)];
    at = end;
  }
}

/** Records of one entry that are longer than this are not written: a reader need not take more than 1 MiB. */
export const mostRecordsBytes = 512 * 1024;
