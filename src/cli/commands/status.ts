import { withSession } from '../../app/session.js';
import { lastFullTime } from '../../chain/catalog.js';
import { prettyTime } from '../../format/times.js';
import { readCollection, tellWarnings } from '../../operations/session.js';
import { collectionStatusText } from '../render/collection-status.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';

export const statusCommand: Command = async (line, environment, terminal) => {
  const [url] = takeArguments(line, 'URL') as [string];
  const settings = await sessionSettings(requireUrl(url), 'metadata', line.options, environment, terminal);
  await withSession(settings, async (session) => {
    const catalog = await readCollection(session);
    tellWarnings(session, catalog);
    const last = lastFullTime(catalog);
    terminal.event({
      kind: 'message',
      level: 'notice',
      text: `Last full backup date: ${last === undefined ? 'none' : prettyTime(last)}`,
    });
    terminal.out(
      collectionStatusText(catalog, {
        backendClassName: session.backend.className,
        archiveFolder: session.archive.folder,
      }),
    );
  });
  return 0;
};
