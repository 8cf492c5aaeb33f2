import { withSession } from '../../app/session.js';
import { earlyDeletions, type PriceTable } from '../../config/prices.js';
import { parseUserTime } from '../../format/times.js';
import {
  type ColdRemoval,
  cleanup,
  type OldestKept,
  type RemovalOptions,
  type RemovalReport,
  removeOld,
} from '../../operations/remove.js';
import type { Session } from '../../operations/session.js';
import { type CommandLine, commandLineError } from '../arguments.js';
import { jsonDocument, jsonTime } from '../render/json.js';
import { sizeText } from '../render/statistics.js';
import { sessionSettings } from '../session-settings.js';
import type { Terminal } from '../terminal.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { priceTable } from './thaw.js';

/** `cleanup`: deletes what belongs to no finished backup. */
export const cleanupCommand: Command = async (line, environment, terminal) => {
  const [url] = takeArguments(line, 'URL') as [string];
  return run(url, line, environment, terminal, cleanup);
};

/** `remove-older-than`. */
export const removeOlderThanCommand: Command = async (line, environment, terminal) => {
  const [text, url] = takeArguments(line, 'TIME', 'URL') as [string, string];
  return run(url, line, environment, terminal, (session, options) =>
    removeOld(session, { kind: 'before', time: parseUserTime(text, session.now()) }, options),
  );
};

/** `remove-all-but-n-full`, `remove-all-inc-of-but-n-full`. */
export function removeAllButCommand(keepFull: boolean): Command {
  return async (line, environment, terminal) => {
    const [text, url] = takeArguments(line, 'COUNT', 'URL') as [string, string];
    const chains = /^\d{1,9}$/.test(text) ? Number(text) : 0;
    if (chains < 1) throw commandLineError(`"${text}" is not a whole number above 0`);
    const oldest: OldestKept = { kind: 'last', chains, keepFull };
    return run(url, line, environment, terminal, (session, options) => removeOld(session, oldest, options));
  };
}

async function run(
  url: string,
  line: CommandLine,
  environment: NodeJS.ProcessEnv,
  terminal: Terminal,
  act: (session: Session, options: RemovalOptions) => Promise<RemovalReport>,
): Promise<number> {
  const { options } = line;
  const settings = await sessionSettings(requireUrl(url), 'metadata', options, environment, terminal);
  const { prices } = priceTable(options, environment);
  const { deleted, names, chains } = await withSession(settings, (session) =>
    act(session, {
      force: options.flag('force'),
      dryRun: options.flag('dry-run'),
      onColdRemoval: (objects) => {
        for (const text of coldRemovalLines(objects, prices, session.now()))
          settings.events({ kind: 'message', level: 'warning', text });
      },
    }),
  );
  if (options.flag('json')) {
    const times = chains.map(({ startTime, endTime, sets }) => ({
      startTime: jsonTime(startTime),
      endTime: jsonTime(endTime),
      sets,
    }));
    terminal.out(jsonDocument({ deleted, files: names, chains: times }));
  }
  return 0;
}

/** What deleting objects of cold storage costs, as far as the price table tells. */
function coldRemovalLines(
  objects: readonly ColdRemoval[],
  prices: PriceTable | undefined,
  now: number,
): string[] {
  const sizeBytes = objects.reduce((sum, object) => sum + object.sizeBytes, 0);
  if (prices === undefined) {
    return [
      `In cold storage: ${filesText(objects.length)} (${sizeText(sizeBytes)}). Some classes are paid for a least time; without a price table it ` +
        'is not known what deleting costs.',
    ];
  }
  const items = objects.map((object) => ({ ...object, ageSeconds: now - object.madeAt }));
  return earlyDeletions(prices, items).map(({ storageClass, minimumDays, objects, bytes, cost }) => {
    const price = cost === undefined ? 'not known' : `${cost.toFixed(2)} ${prices.currency}`;
    return `Deleted early: ${filesText(objects)} of class ${storageClass} (${sizeText(bytes)}), which is paid for ${minimumDays} days at least. Still to be paid for: ${price}`;
  });
}

function filesText(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}
