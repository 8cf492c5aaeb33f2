import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { diskPath, type Latin1 } from '../base/path-key.js';
import { isOfEndedRun, runMark, runMarkForm } from '../base/run-mark.js';

const markedName = new RegExp(`^\\.tundra-restore\\.(${runMarkForm})\\.[0-9a-f]{12}\\.[0-9]+$`);

/** The beginning of the names under which one restore makes what it restores; unlike that of any run before. */
export function temporaryPrefix(): string {
  return `.tundra-restore.${runMark()}.${randomBytes(6).toString('hex')}`;
}

/** Removes what restores of this user that were killed have left in a folder. What cannot be removed stays. */
export function removeLeftovers(folder: Latin1): void {
  for (const name of namesIn(folder)) {
    const mark = markedName.exec(name)?.[1];
    if (mark === undefined || !isOfEndedRun(mark)) continue;
    const path = diskPath(`${folder}/${name}`);
    try {
      const found = lstatSync(path);
      if (!found.isDirectory() && found.uid === process.geteuid?.()) unlinkSync(path);
    } catch {
      // Another run has removed it, or we may not.
    }
  }
}

function namesIn(folder: Latin1): Latin1[] {
  try {
    return readdirSync(diskPath(folder), { encoding: 'latin1' });
  } catch {
    return [];
  }
}
