import { withSession } from '../../app/session.js';
import { displayKey, slashPath } from '../../base/path-key.js';
import { parseInterval } from '../../format/times.js';
import { type DrillReport, drill } from '../../operations/drill.js';
import { jsonPath } from '../render/json.js';
import { message } from '../render/log-record.js';
import { durationText, sizeText } from '../render/statistics.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { coldOptions, pathOption } from './restore.js';

const megabyte = 1_000_000;
const defaultFiles = 5;
const defaultMaxThawMegabytes = 1000;
const defaultMaxWait = '1D';

/** `drill`: proof that the backup restores, at a price that the user chooses. */
export const drillCommand: Command = async (line, environment, terminal) => {
  const [url] = takeArguments(line, 'URL') as [string];
  const { options } = line;
  const maxWait = options.text('max-wait') ?? defaultMaxWait;
  const maxWaitSeconds = parseInterval(maxWait);
  const isJson = options.flag('json');
  const settings = await sessionSettings(requireUrl(url), 'read', options, environment, terminal);
  const report = await withSession(settings, (session) =>
    drill(session, {
      path: options.text('path-to-restore') === undefined ? undefined : pathOption(options),
      files: options.number('files') ?? defaultFiles,
      maxThawBytes: (options.number('max-thaw') ?? defaultMaxThawMegabytes) * megabyte,
      maxWaitMs: maxWaitSeconds * 1000,
      spoolBytes: coldOptions(options).spoolBytes,
      random: Math.random,
    }),
  );
  if (isJson) terminal.out(drillJson(report));
  else terminal.tell({ ...message('notice', drillText(report)), always: true });
  return report.files.every(({ problem }) => problem === undefined) ? 0 : 1;
};

function drillText({
  files,
  volumes,
  thawedVolumes,
  thawedBytes,
  restoredBytes,
  seconds,
}: DrillReport): string {
  const failed = files.filter(({ problem }) => problem !== undefined).length;
  return [
    ...files.map(
      ({ key, problem }) =>
        `${problem === undefined ? 'ok    ' : 'FAILED'}  ${displayKey(key)}${problem === undefined ? '' : `: ${problem}`}`,
    ),
    `Files restored and compared: ${files.length} (${sizeText(restoredBytes)}), of which ${failed} failed`,
    `Volumes read: ${volumes}, thawed for this: ${thawedVolumes} (${sizeText(thawedBytes)})`,
    `Time: ${durationText(Math.ceil(seconds))}`,
  ].join('\n');
}

function drillJson(report: DrillReport): string {
  const { files, volumes, thawedVolumes, thawedBytes, restoredBytes, seconds } = report;
  return JSON.stringify(
    {
      ok: files.every(({ problem }) => problem === undefined),
      files: files.map(({ key, problem }) => ({ ...jsonPath(slashPath(key)), problem: problem ?? null })),
      volumes,
      thawedVolumes,
      thawedBytes,
      restoredBytes,
      seconds,
    },
    null,
    2,
  );
}
