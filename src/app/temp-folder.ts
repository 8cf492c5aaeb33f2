import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, messageOf, TundraError } from '../base/errors.js';
import { isOfEndedRun, runMark, runMarkForm } from '../base/run-mark.js';

const folderName = new RegExp(`^tundra-(${runMarkForm})-[0-9A-Za-z]{6}$`);

/** Makes a folder for the temporary files of this run, in a folder that is made if it is not there. */
export function makeTempFolder(base: string): string {
  try {
    mkdirSync(base, { recursive: true });
    return mkdtempSync(join(base, `tundra-${runMark()}-`));
  } catch (cause) {
    const space = errnoOf(cause) === 'ENOSPC';
    throw new TundraError(
      space ? 'no-free-space' : 'generic',
      `no temporary folder in ${base}: ${messageOf(cause)}`,
      {
        cause,
        advice: 'Choose another place with --tempdir or TMPDIR.',
      },
    );
  }
}

/**
 * Removes what runs of this user that were killed have left: volumes on their way, of up to 200 MB each. What cannot be
 * removed stays.
 */
export function removeDeadTempFolders(base: string): void {
  const user = process.geteuid?.();
  for (const name of namesIn(base)) {
    const mark = folderName.exec(name)?.[1];
    if (mark === undefined || !isOfEndedRun(mark)) continue;
    const path = join(base, name);
    try {
      const found = lstatSync(path);
      if (found.isDirectory() && found.uid === user) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another run has removed it.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
