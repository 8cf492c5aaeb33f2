import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { withSession } from '../../app/session.js';
import { errnoOf, messageOf, TundraError } from '../../base/errors.js';
import { displayKey, type PathKey } from '../../base/path-key.js';
import { type PriceTable, parsePrices } from '../../config/prices.js';
import type { Session } from '../../operations/session.js';
import { planOfRestore, thaw } from '../../operations/thaw.js';
import type { ThawPlan } from '../../operations/thaw-plan.js';
import type { CommandLine, OptionValues } from '../arguments.js';
import { message } from '../render/log-record.js';
import { isReady, thawPlanJson, thawPlanText } from '../render/thaw-plan.js';
import { sessionSettings } from '../session-settings.js';
import type { Terminal } from '../terminal.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { pathOption, timeOption } from './restore.js';

/** What is not ready yet, when it was asked for without waiting. */
const notReadyStatus = 75;
const infoVerbosity = 5;

/** `plan`: what a restore needs, how that stands, what it takes. Asks for nothing. */
export const planCommand: Command = async (line, environment, terminal) => {
  const print = planPrinter(line.options, environment, terminal);
  const plan = await withPlan(line, environment, terminal, (session, options) =>
    planOfRestore(session, { ...options, dryRun: false }),
  );
  print(plan);
  return 0;
};

/** `thaw`: asks for what a restore needs. */
export const thawCommand: Command = async (line, environment, terminal) => {
  const wait = line.options.flag('wait');
  const print = planPrinter(line.options, environment, terminal);
  const plan = await withPlan(line, environment, terminal, (session, options) =>
    thaw(session, { ...options, wait }),
  );
  print(plan);
  return isReady(plan) ? 0 : notReadyStatus;
};

async function withPlan(
  line: CommandLine,
  environment: NodeJS.ProcessEnv,
  terminal: Terminal,
  act: (session: Session, options: { path: string; time: number | undefined }) => Promise<ThawPlan>,
): Promise<ThawPlan> {
  const [url] = takeArguments(line, 'URL') as [string];
  const { options } = line;
  const settings = await sessionSettings(requireUrl(url), 'metadata', options, environment, terminal);
  const path = pathOption(options);
  const plan = await withSession(settings, (session) =>
    act(session, { path, time: timeOption(options, session.now()) }),
  );
  requireVolumes(plan, path);
  return plan;
}

/** All that is in a backup lies in a volume: a path that needs none is not there. Error: `path-not-in-backup`. */
export function requireVolumes(plan: ThawPlan, path: PathKey): void {
  if (plan.volumes.length > 0) return;
  throw new TundraError('path-not-in-backup', `${displayKey(path)} not found in archive.`, {
    advice: 'The path is relative to the source folder; "list-current-files" shows what there is.',
  });
}

/** Prints plans as the options say. Prices are read at once: what is wrong with them is told before anything is asked for. */
export function planPrinter(
  options: OptionValues,
  environment: NodeJS.ProcessEnv,
  terminal: Terminal,
): (plan: ThawPlan) => void {
  const { prices, path } = priceTable(options, environment);
  return (plan) => {
    if (options.flag('json')) terminal.out(thawPlanJson(plan, prices));
    else {
      const text = thawPlanText(plan, Date.now(), prices, path, terminal.verbosity >= infoVerbosity);
      terminal.tell({ ...message('notice', text), always: true });
    }
  };
}

/** The user's prices: of `--prices`, else of the file in the configuration folder, which need not be there. */
export function priceTable(
  options: OptionValues,
  environment: NodeJS.ProcessEnv,
): { prices: PriceTable | undefined; path: string } {
  const given = options.text('prices');
  const configFolder = environment.XDG_CONFIG_HOME || join(environment.HOME ?? homedir(), '.config');
  const path = given ?? join(configFolder, 'tundra', 'prices.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (given === undefined && errnoOf(cause) === 'ENOENT') return { prices: undefined, path };
    throw new TundraError('user-error', `could not read the prices in ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return { prices: parsePrices(text, path), path };
}
