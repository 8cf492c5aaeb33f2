import { type NamePrefixes, parseRemoteName, type SetTimes, setEnd } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import {
  type BackupSet,
  gatherSets,
  parseNames,
  setFileNames,
  timesKey,
  withoutLonePartials,
} from './sets.js';
import { buildSignatureChains, type SignatureChain } from './signature-chains.js';

export type { BackupSet } from './sets.js';
export type { SignatureChain } from './signature-chains.js';

/** A full set and the incremental ones that follow it. */
export interface BackupChain {
  full: BackupSet;
  /** By end time; each builds on the one before it. */
  incrementals: BackupSet[];
  startTime: EpochSeconds;
  /** End of the last set. It stays if that set is given up for its missing signatures. */
  endTime: EpochSeconds;
}

/** Something in the listings that is not as a finished backup leaves it. */
export interface CatalogWarning {
  /** For the machine log: 1 generic, 2 orphaned signatures, 4 unmatched signatures, 5 incomplete set, 6 orphaned set. */
  code: 1 | 2 | 4 | 5 | 6;
  text: string;
  /** The files it is about. */
  names: string[];
}

/** What the storage and the local archive hold, as chains. */
export interface Catalog {
  /** The names it was read from. */
  listing: { remote: readonly string[]; local: readonly string[] };
  /** By end time. */
  chains: BackupChain[];
  /** Complete sets that fit no chain. */
  orphanedSets: BackupSet[];
  /** Sets without a manifest, and a last set whose signatures are missing. */
  incompleteSets: BackupSet[];
  /** Sets that another one replaced, which builds on the same set and ends later. */
  replacedSets: BackupSet[];
  /** By end time; of chains that end together, those of the local archive last. */
  signatureChains: SignatureChain[];
  orphanedSignatures: { local: string[]; remote: string[] };
  /** The newest chain with the signatures that the next incremental backup needs; undefined if they are missing. */
  primary: { chain: BackupChain; signatures: SignatureChain } | undefined;
  /** Names on the storage that claim to be a file which another name already is. */
  duplicates: string[];
  warnings: CatalogWarning[];
}

/**
 * Reads the listings of a storage and of its local archive. Names that are no backup's are passed over. The result does
 * not depend on the order of the listings, and nothing in them is an error.
 */
export function readCatalog(
  remote: readonly string[],
  local: readonly string[],
  prefixes: NamePrefixes,
): Catalog {
  const remoteNames = parseNames(remote, prefixes);
  const localNames = withoutLonePartials(parseNames(local, prefixes));
  const sets = gatherSets(remoteNames, localNames);
  const { chains, orphanedSets, replacedSets } = linkChains(sets.complete);
  const chained = new Set(chains.flatMap((chain) => allSets(chain).map(({ times }) => timesKey(times))));
  const localSignatures = buildSignatureChains('local', localNames, chained);
  const remoteSignatures = buildSignatureChains('remote', remoteNames, chained);
  const signatureChains = [...remoteSignatures.chains, ...localSignatures.chains].sort(
    (a, b) => a.endTime - b.endTime,
  );
  const catalog: Catalog = {
    listing: { remote, local },
    chains,
    orphanedSets,
    incompleteSets: sets.incomplete,
    replacedSets,
    signatureChains,
    orphanedSignatures: { local: localSignatures.orphans, remote: remoteSignatures.orphans },
    primary: undefined,
    duplicates: [...sets.duplicates, ...remoteSignatures.duplicates],
    warnings: [],
  };
  choosePrimary(catalog);
  warnOfRest(catalog);
  return catalog;
}

/** What there would be without a set and its signatures. */
export function catalogWithout(
  { listing }: Pick<Catalog, 'listing'>,
  times: SetTimes,
  prefixes: NamePrefixes,
): Catalog {
  const isOther = (name: string) => {
    const parsed = parseRemoteName(name, prefixes);
    return parsed === undefined || timesKey(parsed.set) !== timesKey(times);
  };
  return readCatalog(listing.remote.filter(isOther), listing.local.filter(isOther), prefixes);
}

/** The set that an interrupted run left in the local archive, not finished; undefined if the last run finished its own. */
export function interruptedSet(catalog: Catalog): BackupSet | undefined {
  const last = catalog.chains.at(-1);
  const candidates = [...catalog.incompleteSets, ...catalog.orphanedSets, ...(last ? allSets(last) : [])];
  const newest = candidates
    .filter(({ partial }) => partial)
    .sort((a, b) => setEnd(a.times) - setEnd(b.times))
    .at(-1);
  // Another machine, or another archive folder, may have made newer ones.
  return newest !== undefined && setEnd(newest.times) >= (last?.endTime ?? 0) ? newest : undefined;
}

/** What there is to restore from, and to list: without the set that an interrupted run left. */
export function withoutInterrupted(catalog: Catalog, prefixes: NamePrefixes): Catalog {
  const interrupted = interruptedSet(catalog);
  return interrupted === undefined ? catalog : catalogWithout(catalog, interrupted.times, prefixes);
}

/** Links sets, which come by end time, into chains. */
function linkChains(sets: readonly BackupSet[]) {
  const chains: BackupChain[] = [];
  const orphanedSets: BackupSet[] = [];
  const replacedSets: BackupSet[] = [];
  for (const set of sets) {
    const { times } = set;
    if (times.type === 'full') {
      chains.push({ full: set, incrementals: [], startTime: times.time, endTime: times.time });
      continue;
    }
    const chain = chains.find((chain) => chain.endTime === times.start || isReplaced(chain, set));
    if (chain === undefined) {
      orphanedSets.push(set);
      continue;
    }
    if (chain.endTime !== times.start) replacedSets.push(chain.incrementals.pop()!);
    chain.incrementals.push(set);
    chain.endTime = times.end;
  }
  chains.sort((a, b) => a.endTime - b.endTime);
  return { chains, orphanedSets, replacedSets };
}

/** Whether the chain's last set builds on the same set as `set` does, and ends earlier. */
function isReplaced(chain: BackupChain, set: BackupSet): boolean {
  const last = chain.incrementals.at(-1)?.times;
  const { times } = set;
  if (last?.type !== 'incremental' || times.type !== 'incremental') return false;
  return last.start === times.start && last.end < times.end;
}

/**
 * Matches the newest chain with signatures. If they reach only to the set before its last one, and that one is
 * incremental too, the last set is given up: without its signatures nothing can build on it.
 */
function choosePrimary(catalog: Catalog): void {
  const chain = catalog.chains.at(-1);
  if (chain === undefined) return;
  const before = chain.incrementals.at(-2);
  for (const signatures of catalog.signatureChains.toReversed()) {
    if (signatures.endTime === chain.endTime) {
      catalog.primary = { chain, signatures };
      return;
    }
    if (before === undefined || signatures.endTime !== setEnd(before.times)) continue;
    const dropped = chain.incrementals.pop()!;
    catalog.incompleteSets.push(dropped);
    catalog.warnings.push({
      code: 1,
      text: 'The last backup set is left out: its signatures are missing.',
      names: setFileNames(dropped),
    });
    catalog.primary = { chain, signatures };
    return;
  }
}

function warnOfRest(catalog: Catalog): void {
  const { orphanedSignatures, signatureChains, incompleteSets, orphanedSets, duplicates } = catalog;
  const warn = (code: CatalogWarning['code'], text: string, names: string[], holds = names.length > 0) => {
    if (holds) catalog.warnings.push({ code, text, names });
  };
  warn(2, 'Signature files in the local archive belong to no chain:', orphanedSignatures.local);
  warn(2, 'Signature files on the storage belong to no chain:', orphanedSignatures.remote);
  const unmatched = signatureChains.length > 0 && catalog.primary === undefined;
  warn(4, 'There are signatures, but no backup that they belong to.', [], unmatched);
  const incomplete = incompleteSets.flatMap(setFileNames);
  warn(
    5,
    'There are incomplete backup sets, as an aborted run leaves them:',
    incomplete,
    incompleteSets.length > 0,
  );
  warn(6, 'Backup sets belong to no chain:', orphanedSets.flatMap(setFileNames));
  warn(
    1,
    'Files on the storage claim to be a file that another one already is; they are ignored:',
    duplicates,
  );
}

/** The sets of a chain, oldest first. */
export function allSets(chain: BackupChain): BackupSet[] {
  return [chain.full, ...chain.incrementals];
}

/** The sets of a chain that were made up to a time; always at least the full one. */
export function setsAt(chain: BackupChain, time: EpochSeconds): BackupSet[] {
  return [chain.full, ...chain.incrementals.filter(({ times }) => setEnd(times) <= time)];
}

/**
 * The chain to restore a time from: the one that covers it, else the last one before it, else the oldest. Of several
 * that cover it, the one that began last. Undefined if there is no chain.
 */
export function chainAt(catalog: Catalog, time: EpochSeconds): BackupChain | undefined {
  const covering = coveringChains(catalog, time);
  if (covering.length > 0) return covering.reduce((a, b) => (b.startTime > a.startTime ? b : a));
  return catalog.chains.findLast(({ endTime }) => endTime < time) ?? catalog.chains[0];
}

/** The chains whose span holds the time: more than one only where backups of several sources mix. */
export function coveringChains(catalog: Catalog, time: EpochSeconds): BackupChain[] {
  return catalog.chains.filter(({ startTime, endTime }) => startTime <= time && time <= endTime);
}

/**
 * The signatures for a time: the chain that covers it (the local one, if both do), else the last one before it, else the
 * oldest, which then begins after `time`: worth a warning with code 11. Undefined if there is no chain.
 */
export function signatureChainAt(catalog: Catalog, time: EpochSeconds): SignatureChain | undefined {
  const chains = catalog.signatureChains;
  return (
    chains.findLast(({ startTime, endTime }) => startTime <= time && time <= endTime) ??
    chains.findLast(({ endTime }) => endTime < time) ??
    chains.findLast(({ endTime }) => endTime === chains[0]?.endTime)
  );
}

/** The time of the newest full set in a chain; undefined if there is none. */
export function lastFullTime(catalog: Catalog): EpochSeconds | undefined {
  const times = catalog.chains.map(({ startTime }) => startTime);
  return times.length === 0 ? undefined : times.reduce((a, b) => Math.max(a, b));
}
