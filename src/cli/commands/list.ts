import { withSession } from '../../app/session.js';
import { level } from '../../base/events.js';
import { displayBytes, type Latin1, slashPath } from '../../base/path-key.js';
import { type EpochSeconds, formatTime, prettyTime } from '../../format/times.js';
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
    for await (const entries of listFiles(session, timeOption(line.options, session.now()))) {
      for (const entry of entries) {
        if (isJson) terminal.out(listJson(entry));
        else terminal.tell(new ListedRecord(entry));
      }
      if (!terminal.isRead || terminal.interruption?.aborted) return;
    }
  });
  return 0;
};

/** A path as it is told. What only programs read is made where one reads it: a list may have a million lines. */
class ListedRecord implements LogRecord {
  readonly level = level.info;
  readonly code = infoCode.fileList;
  readonly always = true;
  readonly #entry: ListedEntry;

  constructor(entry: ListedEntry) {
    this.#entry = entry;
  }

  get extra(): string {
    const { key, attributes } = this.#entry;
    return `${formatTime(attributes.mtimeSeconds)} ${quotedPath(slashPath(key))} ${typeWords[attributes.type]}`;
  }

  get text(): string {
    return displayBytes(this.bytes);
  }

  get bytes(): Latin1 {
    const { key, attributes } = this.#entry;
    return `${shownTime(attributes.mtimeSeconds)} ${slashPath(key)}`;
  }
}

const shownTimesKept = 4096;
/** What was shown lately: the files of a tree share their times. */
const shownTimes = new Map<EpochSeconds, string>();

function shownTime(time: EpochSeconds): string {
  let shown = shownTimes.get(time);
  if (shown === undefined) {
    shown = prettyTime(time);
    if (shownTimes.size === shownTimesKept) shownTimes.clear();
    shownTimes.set(time, shown);
  }
  return shown;
}
