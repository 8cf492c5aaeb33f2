import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { writeAllSync } from '../base/local-disk.js';
import type { PathKey } from '../base/path-key.js';
import type { LocalArchive } from './archive.js';

/**
 * Where the volumes of a set can be read from the middle on: a file beside the set's manifest in the local archive, which
 * only saves time. A line for each volume: CRC-32 of the rest, 8 hex digits, a space, and JSON. A line counts for a volume
 * with the very same SHA-1, and only while its checksum holds.
 */
export interface AccessPoint {
  /** Where to begin, in the terms of what sealed the volume. */
  offset: number;
  /** The last path before it. An entry of a higher one begins there. */
  after: PathKey;
}

/** Those of some 2 TB; a larger file is not read. */
const limitBytes = 64 << 20;

const prefix = 'tundra-access-points.';

/** @param localManifest name of the set's manifest in the local archive */
export function accessPointsName(localManifest: string): string {
  return `${prefix}${localManifest}`;
}

/** Of the names in an archive, those of access points whose set is gone. */
export function strayAccessPoints(names: readonly string[]): string[] {
  const known = new Set(names);
  return names.filter((name) => name.startsWith(prefix) && !known.has(name.slice(prefix.length)));
}

/** Writes the access points of a set. Where that fails there are none. */
export class AccessPointWriter {
  readonly path: string;
  #fd: number | undefined;
  #isWhole = true;
  #isEmpty = true;

  constructor(archive: LocalArchive) {
    this.path = archive.newTemporaryPath();
    try {
      this.#fd = openSync(this.path, 'wx', 0o600);
    } catch {
      this.#isWhole = false;
    }
  }

  add(volume: number, sha1Hex: string, points: readonly AccessPoint[]): void {
    if (this.#fd === undefined || !this.#isWhole || points.length === 0) return;
    this.#isEmpty = false;
    const text = JSON.stringify({ volume, sha1: sha1Hex, points: points.map((p) => [p.offset, p.after]) });
    try {
      writeAllSync(this.#fd, Buffer.from(`${checksum(text)} ${text}\n`, 'utf8'));
    } catch {
      this.#isWhole = false;
    }
  }

  /** Returns whether there is anything to keep. */
  close(): boolean {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    return this.#isWhole && !this.#isEmpty;
  }
}

/** A volume whose access points are asked for. */
export interface HashedVolume {
  number: number;
  hash: { algorithm: string; hex: string } | undefined;
}

/** The access points of volumes, by number; of those that have any. */
export function readAccessPoints(
  archive: LocalArchive,
  localManifest: string,
  volumes: readonly HashedVolume[],
): Map<number, AccessPoint[]> {
  const found = new Map<number, AccessPoint[]>();
  const wanted = new Map(volumes.map((volume) => [`{"volume":${volume.number},`, volume]));
  for (const line of linesOf(archive.pathOf(accessPointsName(localManifest)))) {
    const text = line.slice(9);
    const volume = wanted.get(text.slice(0, text.indexOf(',') + 1));
    if (volume === undefined || line !== `${checksum(text)} ${text}`) continue;
    const { sha1, points } = JSON.parse(text) as { sha1: string; points: [number, string][] };
    if (volume.hash?.algorithm !== 'SHA1' || volume.hash.hex.toLowerCase() !== sha1) continue;
    if (points.length > 0)
      found.set(
        volume.number,
        points.map(([offset, after]) => ({ offset, after })),
      );
  }
  return found;
}

function linesOf(path: string): string[] {
  try {
    return statSync(path).size > limitBytes ? [] : readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
