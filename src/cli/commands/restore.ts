import { lstatSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { withSession } from '../../app/session.js';
import { TundraError } from '../../base/errors.js';
import { diskPath, keyOfSlashPath, latin1OfNative, type PathKey } from '../../base/path-key.js';
import { type EpochSeconds, parseUserTime } from '../../format/times.js';
import { restore } from '../../operations/restore.js';
import { canonicalRoot } from '../../source/source-path.js';
import type { OptionValues } from '../arguments.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';

export const restoreCommand: Command = async (line, environment, terminal) => {
  const [url, targetText] = takeArguments(line, 'URL', 'TARGET') as [string, string];
  requireUrl(url);
  const { options } = line;
  const target = canonicalRoot(latin1OfNative(resolve(targetText)));
  const dryRun = options.flag('dry-run');
  if (!dryRun && !options.flag('force')) requireFreeTarget(targetText, target);
  const settings = await sessionSettings(url, 'read', options, environment, terminal);
  const result = await withSession(settings, (session) =>
    restore(session, {
      target,
      path: pathOption(options),
      time: timeOption(options, session.now()),
      restoreOwnership: !options.flag('no-restore-ownership'),
      numericOwner: options.flag('numeric-owner'),
      requiredSigner: options.text('sign-key') ?? options.text('encrypt-sign-key'),
      ignoreErrors: options.flag('ignore-errors'),
      dryRun,
    }),
  );
  if (result === undefined || result.failures === 0) return 0;
  terminal.err(`${result.failures} entries could not be restored; see the warnings above.`);
  return 1;
};

/** `--path-to-restore` as a path in the backup. */
export function pathOption(options: OptionValues): PathKey {
  const path = options.text('path-to-restore');
  if (path === undefined) return '';
  const parts = latin1OfNative(path)
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..')) {
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

export function timeOption(options: OptionValues, now: EpochSeconds): EpochSeconds | undefined {
  const text = options.text('time');
  return text === undefined ? undefined : parseUserTime(text, now);
}

/** Without --force a restore writes only to a new place or an empty folder. */
function requireFreeTarget(text: string, target: string): void {
  const path = diskPath(target);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() && readdirSync(path).length === 0) return;
  throw new TundraError(
    'restore-target-exists',
    `Restore destination directory ${text} already exists.\nWill not overwrite.`,
    { advice: 'Choose another target, or use --force to restore over what is there.' },
  );
}
