import { randomBytes } from 'node:crypto';
import { readdir, stat, unlink } from 'node:fs/promises';

/** No backup file can be called so, whatever its prefix is: those have the kind of file where this has none. */
const prefix = '.tundra-put.';
/** A put that runs writes all the time; a file that has been still for so long belongs to none. */
const abandonedAfterMs = 24 * 3600_000;

/** A new name for an object that is being written. */
export function temporaryName(): string {
  return `${prefix}${process.pid}-${randomBytes(8).toString('hex')}`;
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith(prefix);
}

/** Removes what killed runs have left in a folder. Files that cannot be removed stay: they do no harm. */
export async function removeAbandoned(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(isTemporaryName)) {
    const path = `${folder}/${name}`;
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && nowMs - found.mtimeMs > abandonedAfterMs) await unlink(path).catch(() => {});
  }
}
