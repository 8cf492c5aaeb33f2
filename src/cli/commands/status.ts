import { withSession } from '../../app/session.js';
import { keyOfSlashPath, latin1OfNative } from '../../base/path-key.js';
import { allSets, type Catalog, interruptedSet } from '../../chain/catalog.js';
import { setEnd } from '../../format/names.js';
import { prettyTime } from '../../format/times.js';
import {
  readCollection,
  synchronisedCollection,
  tellLastFull,
  tellWarnings,
} from '../../operations/collection.js';
import { changesOfFile, filesOfSet, newestSets } from '../../operations/history.js';
import { type Session, tell } from '../../operations/session.js';
import { readStatistics } from '../../operations/statistics-file.js';
import { commandLineError } from '../arguments.js';
import {
  changesInSetText,
  collectionStatusLogLines,
  collectionStatusText,
  fileChangedText,
} from '../render/collection-status.js';
import { changeJson, collectionJson, fileChangesJson } from '../render/json.js';
import { infoCode, type LogRecord } from '../render/log-record.js';
import { sessionSettings } from '../session-settings.js';
import type { Terminal } from '../terminal.js';
import { type Command, requireUrl, takeArguments } from './index.js';

export const statusCommand: Command = async (line, environment, terminal) => {
  const [url] = takeArguments(line, 'URL') as [string];
  const { options } = line;
  const settings = await sessionSettings(requireUrl(url), 'metadata', options, environment, terminal);
  const changedFile = options.text('file-changed');
  const setNumber = options.number('show-changes-in-set');
  const isJson = options.flag('json');
  await withSession(settings, async (session) => {
    if (setNumber !== undefined) await showChangesInSet(session, terminal, setNumber, isJson);
    else if (changedFile !== undefined) await showChangesOfFile(session, terminal, changedFile, isJson);
    else await showCollection(session, terminal, isJson, options.flag('jsonstat'));
  });
  return 0;
};

async function showCollection(
  session: Session,
  terminal: Terminal,
  isJson: boolean,
  hasStatistics: boolean,
): Promise<void> {
  const catalog = await readCollection(session);
  tellWarnings(session, catalog);
  tellLastFull(session, catalog);
  const interrupted = interruptedSet(catalog);
  if (interrupted !== undefined) {
    const { times } = interrupted;
    const text = `The ${times.type} backup of ${prettyTime(setEnd(times))} was interrupted: it cannot be restored. The next backup goes on with it.`;
    tell(session, 'notice', text);
  }
  const places = { archiveFolder: session.archive.folder };
  const statistics = hasStatistics
    ? await readStatistics(session, catalog.chains.flatMap(allSets))
    : undefined;
  if (isJson || hasStatistics) return terminal.out(collectionJson(catalog, places, statistics));
  terminal.tell({
    ...statusRecord(collectionStatusText(catalog, places)),
    extra: `\n${collectionStatusLogLines(catalog).join('\n')}`,
  });
}

async function showChangesInSet(
  session: Session,
  terminal: Terminal,
  number: number,
  isJson: boolean,
): Promise<void> {
  const sets = newestSets(await collectionWithManifests(session));
  const set = sets.at(-1 - number);
  if (number >= sets.length || set === undefined) {
    const count = sets.length === 1 ? '1 set, which is 0' : `${sets.length} sets, counted from 0`;
    throw commandLineError(`--show-changes-in-set: the newest chain has ${count}`);
  }
  if (isJson) {
    for await (const change of filesOfSet(session, set)) terminal.out(changeJson(change));
    return;
  }
  for await (const text of changesInSetText(set, () => filesOfSet(session, set)))
    terminal.tell(statusRecord(text));
}

async function showChangesOfFile(
  session: Session,
  terminal: Terminal,
  path: string,
  isJson: boolean,
): Promise<void> {
  const bytes = latin1OfNative(path);
  const records = await changesOfFile(session, await collectionWithManifests(session), keyOfSlashPath(bytes));
  if (isJson) terminal.out(fileChangesJson(bytes, records));
  else terminal.tell(statusRecord(fileChangedText(bytes, records)));
}

function collectionWithManifests(session: Session): Promise<Catalog> {
  return synchronisedCollection(session, { time: session.now(), dryRun: false });
}

/** The level at which duplicity tells it. */
const statusLevel = 8;

function statusRecord(text: string): LogRecord {
  return { level: statusLevel, code: infoCode.collectionStatus, text, always: true };
}
