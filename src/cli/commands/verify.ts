import { lstatSync } from 'node:fs';
import { withSession } from '../../app/session.js';
import { errnoOf, TundraError } from '../../base/errors.js';
import { diskPath, displayBytes, type Latin1, latin1OfNative } from '../../base/path-key.js';
import { verify } from '../../operations/restore.js';
import { canonicalRoot } from '../../source/source-path.js';
import { recordKinds } from '../record-kinds.js';
import { jsonDocument } from '../render/json.js';
import { readSelection, selectionContext } from '../selection.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { coldOptions, pathOption, timeOption } from './restore.js';

export const verifyCommand: Command = async (line, environment, terminal) => {
  const [url, rootText] = takeArguments(line, 'URL', 'TARGET') as [string, string];
  requireUrl(url);
  const { options } = line;
  const root = canonicalRoot(latin1OfNative(rootText));
  requireThere(root);
  const settings = await sessionSettings(url, 'read', options, environment, terminal);
  const rules = await readSelection(line.selection, selectionContext(line, settings, terminal));
  const { entries, failures } = await withSession(settings, (session) =>
    verify(session, {
      root,
      rules,
      followLinks: options.flag('copy-links'),
      recordKinds: recordKinds(options),
      cold: coldOptions(options),
      path: pathOption(options),
      time: timeOption(options, session.now()),
      requiredSigner: options.text('sign-key') ?? options.text('encrypt-sign-key'),
      ignoreErrors: options.flag('ignore-errors'),
      compareData: options.flag('compare-data'),
    }),
  );
  const files = `${entries} ${entries === 1 ? 'file' : 'files'} compared`;
  const differences = `${failures} ${failures === 1 ? 'difference' : 'differences'} found`;
  terminal.event({ kind: 'message', level: 'notice', text: `Verify complete: ${files}, ${differences}.` });
  if (options.flag('json')) terminal.out(jsonDocument({ entries, differences: failures }));
  return failures === 0 ? 0 : 1;
};

function requireThere(root: Latin1): void {
  let found: unknown;
  try {
    found = lstatSync(diskPath(root), { throwIfNoEntry: false });
  } catch (cause) {
    const text = `Verify directory ${displayBytes(root)} cannot be read: ${errnoOf(cause)}`;
    throw new TundraError('verify-directory-missing', text, {
      advice: 'Run as a user who may use the folders above it.',
      cause,
    });
  }
  if (found === undefined) {
    throw new TundraError(
      'verify-directory-missing',
      `Verify directory ${displayBytes(root)} does not exist`,
      {
        advice: 'Check the path, and that its file system is mounted.',
      },
    );
  }
}
