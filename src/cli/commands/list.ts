import { withSession } from '../../app/session.js';
import { level } from '../../base/events.js';
import { displayBytes, slashPath } from '../../base/path-key.js';
import { formatTime, prettyTime } from '../../format/times.js';
import { type ListedEntry, listFiles } from '../../operations/list.js';
import { quotedPath } from '../render/escape.js';
import { listJson } from '../render/json.js';
import { infoCode, type LogRecord, typeWords } from '../render/log-record.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { timeOption } from './restore.js';

export const listCommand: Command = async (line, environment, terminal) => {
  const [url] = takeArguments(line, 'URL') as [string];
  const settings = await sessionSettings(requireUrl(url), 'metadata', line.options, environment, terminal);
  const isJson = line.options.flag('json');
  await withSession(settings, async (session) => {
    for await (const { key, attributes } of listFiles(session, timeOption(line.options, session.now()))) {
      if (isJson) terminal.out(listJson({ key, attributes }));
      else terminal.tell(listRecord({ key, attributes }));
      if (!terminal.isRead || terminal.interruption?.aborted) return;
    }
  });
  return 0;
};

function listRecord({ key, attributes }: ListedEntry): LogRecord {
  const { mtimeSeconds, type } = attributes;
  const path = slashPath(key);
  const time = prettyTime(mtimeSeconds);
  return {
    level: level.info,
    code: infoCode.fileList,
    extra: `${formatTime(mtimeSeconds)} ${quotedPath(path)} ${typeWords[type]}`,
    text: `${time} ${displayBytes(path)}`,
    bytes: `${time} ${path}`,
    always: true,
  };
}
