import { lstatSync } from 'node:fs';
import { hostname } from 'node:os';
import { withSession } from '../../app/session.js';
import { TundraError } from '../../base/errors.js';
import { diskPath, displayBytes, type Latin1, latin1OfNative } from '../../base/path-key.js';
import { parseUserTime } from '../../format/times.js';
import { type BackupReport, backup } from '../../operations/backup.js';
import { withMendedArchive } from '../../operations/mend-archive.js';
import type { Session } from '../../operations/session.js';
import { type SourceOptions, startSourceSides } from '../../operations/source-side.js';
import { storeStatistics } from '../../operations/statistics-file.js';
import { canonicalRoot } from '../../source/source-path.js';
import { recordKinds } from '../record-kinds.js';
import { backupJson } from '../render/json.js';
import { message } from '../render/log-record.js';
import { statisticsText } from '../render/statistics.js';
import { readSelection, selectionContext } from '../selection.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, nearCommand, requireUrl, takeArguments } from './index.js';

const mebibyte = 1024 * 1024;
const defaultVolumeMebibytes = 200;
const defaultMaxBlockBytes = 2048;

/** `backup`, `full` and `incremental`. */
export function backupCommand(
  mode: 'auto' | 'full' | 'incremental',
  walkThread: SourceOptions['walkThread'],
): Command {
  return async (line, environment, terminal) => {
    const [sourceText, url] = takeArguments(line, 'SOURCE', 'URL') as [string, string];
    requireUrl(url);
    const { options } = line;
    const root = canonicalRoot(latin1OfNative(sourceText));
    const settings = await sessionSettings(url, 'write', options, environment, terminal);
    // Before another error hides it, such as that of another source folder.
    if (isMissing(root))
      throw missingSource(root, line.command === undefined ? nearCommand(sourceText) : undefined);
    const fullIfOlder = options.text('full-if-older-than');
    const rules = await readSelection(line.selection, selectionContext(line, settings, terminal));
    // What comes before the comparison takes some time, and the walk need not wait for it.
    const sources = startSourceSides({
      ...{ root, rules, recordKinds: recordKinds(options) },
      followLinks: options.flag('copy-links'),
      walkThread,
      interruption: terminal.interruption,
    });
    const attempt = (session: Session, dryRun: boolean) =>
      backup(session, {
        mode,
        sources,
        volumeSizeBytes: (options.number('volsize') ?? defaultVolumeMebibytes) * mebibyte,
        maxBlockSizeBytes: options.number('max-blocksize') ?? defaultMaxBlockBytes,
        fullIfBefore: fullIfOlder === undefined ? undefined : parseUserTime(fullIfOlder, session.now()),
        allowSourceMismatch: options.flag('allow-source-mismatch'),
        hostname: hostname(),
        listFiles: !options.flag('no-files-changed'),
        uploads: Math.max(1, options.number('concurrency') ?? 1),
        dryRun,
        skipIfUnchanged: options.flag('skip-if-no-change'),
        failAfterVolume: options.number('fail'),
        skippedVolume: options.number('skip-volume'),
      });
    const dryRun = options.flag('dry-run');
    // How far a backup is shows only beside how much there is: a look at the source, in which no file is read.
    const estimate = async (session: Session) => {
      try {
        const reports = await attempt({ ...session, events: () => {} }, true);
        const changedBytes = reports.reduce(
          (sum, { statistics }) => sum + statistics.newFileSizeBytes + statistics.changedFileSizeBytes,
          0,
        );
        terminal.event({ kind: 'estimate', changedBytes });
      } catch {
        // What is wrong shows in the backup itself.
      }
    };
    const run = async (session: Session) => {
      if (options.flag('progress') && !dryRun) await estimate(session);
      const reports = await withMendedArchive(session, () => attempt(session, dryRun));
      if (options.flag('jsonstat'))
        for (const report of reports) if (report.isMade) await storeStatistics(session, report);
      return reports;
    };
    let reports: BackupReport[];
    try {
      reports = await withSession(settings, run);
      terminal.event({ kind: 'finished' });
    } finally {
      await sources.stop();
    }
    if (options.flag('json')) {
      terminal.out(backupJson(reports, dryRun));
    } else if (!options.flag('no-print-statistics')) {
      for (const { statistics } of reports)
        terminal.tell({ ...message('notice', statisticsText(statistics)), always: true });
    }
    return 0;
  };
}

/** The error of a source that is not there; `command` is what its name may have been meant for. */
function missingSource(root: Latin1, command: string | undefined): TundraError {
  const advice = 'Check the path, and that its file system is mounted.';
  return new TundraError('source-missing', `Backup source ${displayBytes(root)} does not exist.`, {
    advice: command === undefined ? advice : `${advice} Or was the command ${command} meant?`,
  });
}

function isMissing(path: Latin1): boolean {
  try {
    return lstatSync(diskPath(path), { throwIfNoEntry: false }) === undefined;
  } catch {
    // Something else is wrong with it, which the walk tells.
    return false;
  }
}
