import { withSessions } from '../../app/session.js';
import { prettyTime } from '../../format/times.js';
import { type ReplicatedSet, replicate } from '../../operations/replicate.js';
import { replicaJson } from '../render/json.js';
import { sizeText } from '../render/statistics.js';
import { sessionSettings } from '../session-settings.js';
import { type Command, requireUrl, takeArguments } from './index.js';
import { coldOptions, timeOption } from './restore.js';

/** `replicate`: copies backups from one storage to another. */
export const replicateCommand: Command = async (line, environment, terminal) => {
  const [from, to] = takeArguments(line, 'URL', 'URL').map(requireUrl) as [string, string];
  const { options } = line;
  const dryRun = options.flag('dry-run');
  const target = await sessionSettings(to, 'write', options, environment, terminal);
  const notice = (text: string) => target.events({ kind: 'message', level: 'notice', text });
  const sets: ReplicatedSet[] = [];
  const verb = dryRun ? 'Would replicate' : 'Replicated';
  const { copied, there } = await withSessions({ ...target, url: from }, target, (one, other) =>
    replicate(one, other, {
      before: timeOption(options, target.now()),
      signs: (options.text('sign-key') ?? options.text('encrypt-sign-key')) !== undefined,
      uploads: Math.max(1, options.number('concurrency') ?? 1),
      dryRun,
      cold: coldOptions(options),
      onSet: (set) => {
        sets.push(set);
        notice(`${verb} ${setText(set)}`);
      },
    }),
  );
  if (copied + there === 0) notice('No old backup sets found.');
  else notice(`${verb} ${setsText(copied)}; ${there} ${there === 1 ? 'was' : 'were'} on the target already.`);
  if (options.flag('json')) terminal.out(replicaJson(sets, there, dryRun));
  return 0;
};

function setText({ type, time, files, sizeBytes }: ReplicatedSet): string {
  const count = files === 1 ? '1 file' : `${files} files`;
  return `the ${type} backup of ${prettyTime(time)}: ${count}, ${sizeText(sizeBytes)}.`;
}

function setsText(count: number): string {
  return count === 1 ? '1 backup set' : `${count} backup sets`;
}
