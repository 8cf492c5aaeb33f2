import { lstatSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { withSession } from '../../app/session.js';
import { errnoOf, TundraError } from '../../base/errors.js';
import {
  diskPath,
  displayBytes,
  keyOfSlashPath,
  type Latin1,
  latin1OfNative,
  type PathKey,
} from '../../base/path-key.js';
import { type EpochSeconds, parseUserTime } from '../../format/times.js';
import type { ColdOptions } from '../../operations/cold-volumes.js';
import { restore } from '../../operations/restore.js';
import { planOfRestore } from '../../operations/thaw.js';
import { canonicalRoot } from '../../source/source-path.js';
import type { OptionValues } from '../arguments.js';
import { recordKinds } from '../record-kinds.js';
import { renameOption } from '../renames.js';
import { jsonDocument } from '../render/json.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { planPrinter, requireVolumes } from './thaw.js';

export const restoreCommand: Command = async (line, environment, terminal) => {
  const [url, targetText] = takeArguments(line, 'URL', 'TARGET') as [string, string];
  requireUrl(url);
  const { options } = line;
  const target = canonicalRoot(latin1OfNative(resolve(targetText)));
  const { renames, warnings } = renameOption(options);
  if (line.givenRules > 0) warnings.push(noSelection);
  for (const text of warnings) terminal.event({ kind: 'message', level: 'warning', text });
  const dryRun = options.flag('dry-run');
  const settings = await sessionSettings(url, 'read', options, environment, terminal);
  if (dryRun) {
    const print = planPrinter(options, environment, terminal);
    const path = pathOption(options);
    const plan = await withSession(settings, (session) =>
      planOfRestore(session, { path, time: timeOption(options, session.now()), dryRun }),
    );
    requireVolumes(plan, path);
    const names = plan.volumes.map(({ name }) => name).join('\n\t');
    if (!options.flag('json'))
      terminal.event({ kind: 'message', level: 'notice', text: `Required volumes to restore:\n\t${names}` });
    print(plan);
    return 0;
  }
  const result = await withSession(settings, (session) =>
    restore(session, {
      target,
      path: pathOption(options),
      time: timeOption(options, session.now()),
      timeText: options.text('time'),
      mayOverwrite: options.flag('force') || isFree(target),
      cold: coldOptions(options),
      renames,
      restoreOwnership: !options.flag('no-restore-ownership'),
      numericOwner: options.flag('numeric-owner'),
      recordKinds: recordKinds(options),
      requiredSigner: options.text('sign-key') ?? options.text('encrypt-sign-key'),
      ignoreErrors: options.flag('ignore-errors'),
    }),
  );
  if (options.flag('json')) {
    const { entries, contentBytes, failures } = result;
    terminal.out(jsonDocument({ entries, bytes: contentBytes, failures }));
  }
  if (result.failures === 0) return 0;
  const entries = result.failures === 1 ? '1 entry' : `${result.failures} entries`;
  const text = `${entries} could not be restored; see the warnings above.`;
  terminal.event({ kind: 'message', level: 'error', text });
  return 1;
};

const noSelection =
  'Command line warning: --include, --exclude and the like count for backups and verify only; this restores all. ' +
  'For a part give --path-to-restore.';

/** `--path-to-restore` as a path in the backup: a `/` before it means nothing. */
export function pathOption(options: OptionValues): PathKey {
  const path = options.text('path-to-restore');
  if (path === undefined) return '';
  const parts = latin1OfNative(path)
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new TundraError(
      'command-line',
      `--path-to-restore: "${path}" must be relative to the source folder`,
      {
        advice: 'Give the path as "list-current-files" shows it.',
      },
    );
  }
  return keyOfSlashPath(parts.join('/'));
}

const megabyte = 1_000_000;
const defaultSpoolMegabytes = 20_000;

/** How volumes in cold storage are dealt with. */
export function coldOptions(options: OptionValues): ColdOptions {
  const spoolBytes = (options.number('spool-size') ?? defaultSpoolMegabytes) * megabyte;
  return { spoolBytes, noWait: options.flag('no-wait') };
}

export function timeOption(options: OptionValues, now: EpochSeconds): EpochSeconds | undefined {
  const text = options.text('time');
  const time = text === undefined ? undefined : parseUserTime(text, now);
  // The peer takes the first second of 1970 for no time.
  return time === 0 ? undefined : time;
}

/** Whether there is nothing at the target, or an empty folder; a link to one is something. */
function isFree(target: Latin1): boolean {
  const path = diskPath(target);
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found === undefined || (found.isDirectory() && readdirSync(path).length === 0);
  } catch (cause) {
    throw new TundraError('generic', `cannot look at the target ${displayBytes(target)}: ${errnoOf(cause)}`, {
      advice: 'Choose another target, or run as a user who may use the folders above it.',
      cause,
    });
  }
}
