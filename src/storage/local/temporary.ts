import { randomBytes } from 'node:crypto';
import { lstat, readdir, unlink } from 'node:fs/promises';
import { isOfEndedRun, runMark, runMarkForm } from '../../base/run-mark.js';

/** No backup file can be called so, whatever its prefix is: those have the kind of file where this has none. */
const prefix = '.tundra-put.';
const markedName = new RegExp(`^\\.tundra-put\\.(${runMarkForm})-[0-9a-f]{16}$`);
/** A put that runs writes all the time; a file that has been still for so long belongs to none. */
const abandonedAfterMs = 24 * 3600_000;

/** A new name for an object that is being written. */
export function temporaryName(): string {
  return `${prefix}${runMark()}-${randomBytes(8).toString('hex')}`;
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith(prefix);
}

/**
 * Removes what killed runs have left in a folder: this user's files whose run is surely over, and files that have been
 * still for a day, since a folder may be shared by hosts of which one cannot tell. Files that cannot be removed stay:
 * they do no harm.
 */
export async function removeAbandoned(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(isTemporaryName)) {
    const path = `${folder}/${name}`;
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) continue;
    const mark = markedName.exec(name)?.[1];
    const isOver = mark !== undefined && found.uid === process.geteuid?.() && isOfEndedRun(mark);
    if (isOver || nowMs - found.mtimeMs > abandonedAfterMs) await unlink(path).catch(() => {});
  }
}
