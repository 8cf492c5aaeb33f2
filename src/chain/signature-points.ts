import { readFileSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { accessPointsName } from './access-points.js';
import type { LocalArchive } from './archive.js';

/**
 * Where a gzipped signature file of the local archive can be read from the middle on: a file beside it, which only saves
 * time. It has one line: CRC-32 of the rest, 8 hex digits, a space, and JSON. It counts while its checksum holds and the
 * signature file has the very size and time that it names.
 */
interface PointsLine {
  sizeBytes: number;
  mtimeNs: string;
  /** Where each `signaturePointBytes` of the plain bytes begin in the file, but for the first: steps from one to the next. */
  steps: number[];
}

/** Plain bytes from one point to the next. Half of them are unpacked in vain for one signature. */
export const signaturePointBytes = 64 * 1024;

/** Those of signatures of some 500 GB; a larger file is not read. */
const limitBytes = 64 << 20;

/** Notes the points of a signature file that has its final name. Failing to is no error: they only save time. */
export async function keepSignaturePoints(
  archive: LocalArchive,
  name: string,
  points: readonly number[],
): Promise<void> {
  if (points.length === 0) return;
  const path = archive.newTemporaryPath();
  try {
    const { size, mtimeNs } = statSync(archive.pathOf(name), { bigint: true });
    const steps = points.map((point, i) => point - (points[i - 1] ?? 0));
    const line: PointsLine = { sizeBytes: Number(size), mtimeNs: String(mtimeNs), steps };
    const text = JSON.stringify(line);
    await writeFile(path, `${checksum(text)} ${text}\n`, { flag: 'wx', mode: 0o600 });
    await archive.keepAs(path, accessPointsName(name));
  } catch {
    rmSync(path, { force: true });
  }
}

/** The points of a signature file, if there are any that fit it; the first is where its second `signaturePointBytes` begin. */
export function readSignaturePoints(file: string): number[] {
  try {
    const path = accessPointsPath(file);
    if (statSync(path).size > limitBytes) return [];
    const line = readFileSync(path, 'latin1').trimEnd();
    const text = line.slice(9);
    if (line !== `${checksum(text)} ${text}`) return [];
    const { sizeBytes, mtimeNs, steps } = JSON.parse(text) as PointsLine;
    const stats = statSync(file, { bigint: true });
    if (stats.size !== BigInt(sizeBytes) || String(stats.mtimeNs) !== mtimeNs) return [];
    let point = 0;
    return steps.map((step) => (point += step));
  } catch {
    return [];
  }
}

function accessPointsPath(file: string): string {
  const at = file.lastIndexOf('/') + 1;
  return file.slice(0, at) + accessPointsName(file.slice(at));
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
