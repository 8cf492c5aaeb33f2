import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EntryType } from '../../src/base/attributes.js';
import { keyOfSlashPath, type Latin1 } from '../../src/base/path-key.js';
import { formatManifestHeader, formatVolumeRecord } from '../../src/format/manifest.js';
import { formatRemoteName, noPrefixes, type SetTimes } from '../../src/format/names.js';
import type { TarHeader } from '../../src/format/tar/header.js';
import { tarHeaderBytes, writeTarHeader } from '../../src/format/tar/write.js';

/** When crafted backups were made: 2023-11-14T22:13:20Z. */
export const craftedSeconds = 1_700_000_000;

/** An entry of a tar, with a name as it shall stand there. */
export interface CraftedEntry extends Partial<Omit<TarHeader, 'name' | 'type'>> {
  name: Latin1;
  type?: EntryType;
  data?: string | Uint8Array;
}

/** A file with these contents. */
export const fileEntry = (name: Latin1, data: string | Uint8Array = 'data'): CraftedEntry => ({ name, data });
export const folderEntry = (name: Latin1): CraftedEntry => ({ name, type: 'directory', mode: 0o755 });
export const linkEntry = (name: Latin1, linkTarget: Latin1): CraftedEntry => ({
  name,
  type: 'symlink',
  linkTarget,
});

/** The bytes of an entry. Its size is that of its data, unless another one is stated. */
export function entryBytes(entry: CraftedEntry): Buffer {
  const { data = '', type = 'file', ...rest } = entry;
  const body = Buffer.from(data as string);
  const header: TarHeader = {
    type,
    mode: 0o644,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    uname: '',
    gname: '',
    mtimeSeconds: 1_600_000_000,
    sizeBytes: body.length,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...rest,
  };
  const head = Buffer.alloc(tarHeaderBytes(header));
  writeTarHeader(header, head, 0);
  return Buffer.concat([head, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

export function tarOf(entries: readonly CraftedEntry[]): Buffer {
  return Buffer.concat(entries.map(entryBytes));
}

/** A volume as its manifest shall tell of it. */
export interface CraftedVolume {
  bytes: Uint8Array;
  /** Slash paths; the root and a path behind all others unless given. */
  start?: Latin1;
  end?: Latin1;
  /** What its hash is: right unless given. */
  hash?: 'none' | 'wrong';
  /** Whether its name says that it is gzipped. */
  compressed?: boolean;
}

/**
 * Writes a set as anyone can who may write to the storage: neither encrypted nor compressed, with the right hashes. The
 * signatures are empty unless given.
 *
 * @param step 0 for the full set, then the incremental ones
 */
export function writeCraftedSet(
  folder: string,
  step: number,
  volumes: readonly CraftedVolume[],
  signatures: Uint8Array = Buffer.alloc(10_240),
): void {
  const end = craftedSeconds + step;
  const set: SetTimes =
    step === 0 ? { type: 'full', time: end } : { type: 'incremental', start: end - 1, end };
  const keeping = { set, partial: false, encrypted: false, compressed: false };
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);
  let manifest = formatManifestHeader({ hostname: undefined, localDir: undefined });
  for (const [index, { bytes, start = '.', end = '\xff', hash, compressed = false }] of volumes.entries()) {
    const number = index + 1;
    write(formatRemoteName({ kind: 'volume', volume: number, ...keeping, compressed }, noPrefixes), bytes);
    const hashed = hash === 'wrong' ? Buffer.from('other bytes') : bytes;
    const sha1 = { algorithm: 'SHA1', hex: createHash('sha1').update(hashed).digest('hex') };
    manifest += formatVolumeRecord({
      number,
      startKey: keyOfSlashPath(start),
      startBlock: undefined,
      endKey: keyOfSlashPath(end),
      endBlock: undefined,
      hashes: hash === 'none' ? [] : [sha1],
    });
  }
  write(formatRemoteName({ kind: 'signatures', ...keeping }, noPrefixes), signatures);
  write(formatRemoteName({ kind: 'manifest', ...keeping }, noPrefixes), Buffer.from(manifest, 'latin1'));
}
