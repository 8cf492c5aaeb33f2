import { withSession } from '../../app/session.js';
import { slashPath } from '../../base/path-key.js';
import { prettyTime } from '../../format/times.js';
import { listFiles } from '../../operations/list.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { timeOption } from './restore.js';

export const listCommand: Command = async (line, environment, terminal) => {
  const [url] = takeArguments(line, 'URL') as [string];
  const settings = await sessionSettings(requireUrl(url), 'metadata', line.options, environment, terminal);
  await withSession(settings, async (session) => {
    for await (const { key, attributes } of listFiles(session, timeOption(line.options, session.now()))) {
      terminal.outBytes(`${prettyTime(attributes.mtimeSeconds)} ${slashPath(key)}`);
      if (!terminal.isRead) return;
    }
  });
  return 0;
};
