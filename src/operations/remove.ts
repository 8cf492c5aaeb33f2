import {
  allSets,
  type Catalog,
  catalogWithout,
  interruptedSet,
  withoutInterrupted,
} from '../chain/catalog.js';
import { checkpointName } from '../chain/checkpoint.js';
import { unsealedName } from '../chain/metadata.js';
import {
  backupsBefore,
  type Extraneous,
  extraneousFiles,
  type OldBackups,
  startOfChain,
} from '../chain/removal.js';
import { type BackupSet, parseNames, setFileNames, timesKey } from '../chain/sets.js';
import type { SignatureChain } from '../chain/signature-chains.js';
import { setEnd } from '../format/names.js';
import { type EpochSeconds, prettyTime } from '../format/times.js';
import { withSpool } from './cold-volumes.js';
import { readCollection, tellLastFull, tellWarnings } from './collection.js';
import { type Session, tell } from './session.js';
import { statisticsNames } from './statistics-file.js';

/** What is old. */
export type OldestKept =
  /** What was made before a time. */
  | { kind: 'before'; time: EpochSeconds }
  /** What was made before the last so many chains; of those before, only incremental sets, or all. */
  | { kind: 'last'; chains: number; keepFull: boolean };

export interface RemovalOptions {
  /** Delete; else only tell what would be. */
  force: boolean;
  dryRun: boolean;
  /** Is told what lies in cold storage and is to be deleted: that may cost. */
  onColdRemoval(objects: readonly ColdRemoval[]): void;
}

/** An object of cold storage that is to be deleted. */
export interface ColdRemoval {
  name: string;
  sizeBytes: number;
  storageClass: string;
  /** Of the backup that it belongs to. */
  madeAt: EpochSeconds;
}

/** What was deleted, or, where it was not forced, would be. */
export interface RemovalReport {
  deleted: boolean;
  /** Of what is left of no backup. */
  names: string[];
  /** Of old chains. */
  chains: { startTime: EpochSeconds; endTime: EpochSeconds; sets: number }[];
}

/** Deletes files that belong to no finished backup. */
export async function cleanup(session: Session, options: RemovalOptions): Promise<RemovalReport> {
  const catalog = await readCollection(session);
  tellWarnings(session, catalog);
  tellLastFull(session, catalog);
  const extraneous = withInterrupted(session, catalog);
  extraneous.remote.push(...(await strayStatistics(session, catalog)));
  const names = [...extraneous.local, ...extraneous.remote];
  if (names.length === 0) {
    tell(session, 'warning', 'No extraneous files found, nothing deleted in cleanup.');
    return { deleted: false, names, chains: [] };
  }
  const [one, list] = [names.length === 1, names.join('\n')];
  await tellColdRemoval(session, extraneous.remote, options);
  if (!options.force) {
    const found = `Found the following file${one ? '' : 's'} to delete:\n${list}`;
    tell(session, 'notice', `${found}\nRun duplicity again with the --force option to actually delete.`);
    return { deleted: false, names, chains: [] };
  }
  tell(session, 'notice', `Deleting ${one ? 'this file' : 'these files'} from backend:\n${list}`);
  if (!options.dryRun) await withSpool(session, () => removeFiles(session, extraneous));
  return { deleted: !options.dryRun, names, chains: [] };
}

/** Also what an interrupted backup has left, which the next one would go on with. */
function withInterrupted({ prefixes }: Session, catalog: Catalog): Extraneous {
  const interrupted = interruptedSet(catalog);
  if (interrupted === undefined) return extraneousFiles(catalog);
  const { times } = interrupted;
  const { local, remote } = extraneousFiles(catalogWithout(catalog, times, prefixes));
  const ofSet = parseNames(catalog.listing.local, prefixes)
    .filter(({ parsed }) => timesKey(parsed.set) === timesKey(times))
    .map(({ name }) => name);
  const notes = catalog.listing.local.filter((name) => name === checkpointName);
  return {
    remote: [...remote, ...setFileNames(interrupted)],
    local: [...local, ...ofSet, ...notes],
  };
}

/** Deletes old chains. None that a newer set builds on, and never the newest one. */
export async function removeOld(
  session: Session,
  oldest: OldestKept,
  options: RemovalOptions,
): Promise<RemovalReport> {
  const listed = await readCollection(session);
  tellWarnings(session, listed);
  // A backup that was interrupted must not make the last one that can be restored an old one.
  const catalog = withoutInterrupted(listed, session.prefixes);
  tellLastFull(session, catalog);
  const time = oldest.kind === 'before' ? oldest.time : startOfChain(catalog, oldest.chains);
  const old = backupsBefore(catalog, time, oldest.kind === 'last' && oldest.keepFull);
  tellKept(session, old);
  if (old.chains.length === 0) {
    tell(session, 'notice', 'No old backup sets found, nothing deleted.');
    return { deleted: false, names: [], chains: [] };
  }
  const chains = old.chains.map((chain) => {
    const { startTime, endTime } = chain;
    return { startTime, endTime, sets: setsOf(chain, old).length };
  });
  const one = old.chains.length === 1;
  const times = old.chains.map(({ endTime }) => prettyTime(endTime)).toReversed();
  await tellColdRemoval(
    session,
    old.chains.flatMap((chain) => setsOf(chain, old).flatMap(setFileNames)),
    options,
  );
  if (!options.force) {
    const found = `Found old backup ${one ? 'chain' : 'chains'} at the following ${one ? 'time' : 'times'}:`;
    const advice = 'Rerun command with --force option to actually delete.';
    tell(session, 'notice', [found, ...times, advice].join('\n'));
    return { deleted: false, names: [], chains };
  }
  tell(
    session,
    'notice',
    [`Deleting backup ${one ? 'chain at time' : 'chains at times'}:`, ...times].join('\n'),
  );
  if (options.dryRun) {
    await removeChains(session, old, true);
    return { deleted: false, names: [], chains };
  }
  // A restore may be waiting for volumes of these chains, without the lock of the archive.
  await withSpool(session, () => removeChains(session, old, false));
  return { deleted: true, names: [], chains };
}

function tellKept(session: Session, { needed, isNewestOld }: OldBackups): void {
  if (needed.length > 0) {
    const times = needed.map(({ times }) => prettyTime(setEnd(times)));
    const what = ['There are backup set(s) at time(s):', ...times];
    tell(
      session,
      'warning',
      [...what, "Which can't be deleted because newer sets depend on them."].join('\n'),
    );
  }
  if (!isNewestOld) return;
  const text =
    'Current active backup chain is older than specified time.  However, it will not be deleted.  ' +
    'To remove all your backups, manually purge the repository.';
  tell(session, 'warning', text);
}

/** Signatures first, then sets from the newest to the oldest, so that what stays can be used whenever it is broken off. */
async function removeChains(session: Session, old: OldBackups, dryRun: boolean): Promise<void> {
  const what = (kind: string) =>
    old.keepFull ? `Deleting any incremental ${kind} chain rooted at` : `Deleting complete ${kind} chain`;
  for (const chain of old.signatureChains.toReversed()) {
    tell(session, 'notice', `${what('signature')} ${prettyTime(chain.endTime)}`);
    if (!dryRun) await removeSignatures(session, chain, old.keepFull);
  }
  const statistics = statisticsNames(session, await listedNames(session));
  for (const chain of old.chains) {
    tell(session, 'notice', `${what('backup')} ${prettyTime(chain.endTime)}`);
    if (dryRun) continue;
    for (const set of setsOf(chain, old)) {
      await removeSet(session, set);
      const name = statistics.get(timesKey(set.times));
      if (name !== undefined) await removeFiles(session, { remote: [name], local: [unsealedName(name)] });
    }
  }
}

/** The sets of a chain that go, newest first. */
function setsOf({ full, incrementals }: OldBackups['chains'][number], { keepFull }: OldBackups): BackupSet[] {
  return [...incrementals.toReversed(), ...(keepFull ? [] : [full])];
}

async function removeSignatures(session: Session, chain: SignatureChain, keepFull: boolean): Promise<void> {
  const names = chain.files
    .slice(keepFull ? 1 : 0)
    .map(({ name }) => name)
    .reverse();
  if (chain.location === 'remote') await session.backend.remove(names);
  else for (const name of names) await session.archive.remove(name);
}

/** The manifest first: without it the rest is known for what is left of a set. */
async function removeSet({ backend, archive, prefixes }: Session, set: BackupSet): Promise<void> {
  const names = setFileNames(set);
  if (set.manifestName !== undefined) await backend.remove([set.manifestName]);
  await backend.remove(names.filter((name) => name !== set.manifestName));
  for (const { name, parsed } of parseNames(await archive.list(), prefixes)) {
    if (timesKey(parsed.set) === timesKey(set.times)) await archive.remove(name);
  }
}

/** Statistics of sets that are gone. */
async function strayStatistics(session: Session, { chains }: Catalog): Promise<string[]> {
  const known = new Set(chains.flatMap(allSets).map(({ times }) => timesKey(times)));
  const stored = statisticsNames(session, await listedNames(session));
  return [...stored].filter(([key]) => !known.has(key)).map(([, name]) => name);
}

async function listedNames({ backend }: Session): Promise<string[]> {
  return (await backend.list()).map(({ name }) => name);
}

async function removeFiles({ backend, archive }: Session, { remote, local }: Extraneous): Promise<void> {
  if (remote.length > 0) await backend.remove(remote);
  for (const name of local) await archive.remove(name);
}

/** Tells which of the files lie in cold storage. One listing, and nothing is read. */
async function tellColdRemoval(
  session: Session,
  names: readonly string[],
  { onColdRemoval }: RemovalOptions,
): Promise<void> {
  const { cold } = session.backend;
  if (cold === undefined) return;
  const times = new Map(
    parseNames(names, session.prefixes).map(({ name, parsed }) => [name, setEnd(parsed.set)]),
  );
  const objects = (await cold.survey()).flatMap(({ name, sizeBytes, storageClass }) => {
    const madeAt = times.get(name);
    return madeAt === undefined ? [] : [{ name, sizeBytes, storageClass, madeAt }];
  });
  if (objects.length > 0) onColdRemoval(objects);
}
