import { TundraError } from '../base/errors.js';
import type { EventSink, Level } from '../base/events.js';
import { type NamePrefixes, setEnd } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import { type BackupChain, type Catalog, chainAt, coveringChains, setsAt } from './catalog.js';
import { fetchToArchive, localNameOf, type MetadataStores, unsealedName } from './metadata.js';
import { type ParsedName, parseNames, preferred, timesKey, withoutLonePartials } from './sets.js';

export interface SynchroniseOptions {
  /**
   * `full`: all metadata; `partial`: only that of the chain for `time`; `restore`: only the manifests of the sets that a
   * restore of `time` reads. It needs no signatures, and must not fail for one that is damaged.
   */
  mode: 'full' | 'partial' | 'restore';
  /** The time to restore, or now. */
  time: EpochSeconds;
  /** Only tell what would be done. */
  dryRun: boolean;
  /** How many files are fetched at once: 1 unless given. */
  concurrency?: number;
}

/** What makes the local archive agree with the storage. */
export interface SynchronisePlan {
  /** Local names to remove, in order. */
  spurious: string[];
  /** Names on the storage to fetch after that, in order. */
  missing: string[];
}

/**
 * Compares the metadata (manifests and signatures) of a storage and its local archive. The storage is the authority:
 *
 * - What it has and the archive has not is missing, unless the archive has it as a partial file: that is whole by then,
 *   only its last move was interrupted.
 * - What it has not is spurious, but not partial files: they are all there is of an interrupted run. A final file beside
 *   its partial one is spurious, as its making was interrupted.
 * - Partial signatures without the partial manifest of their set stand for nothing: spurious.
 * - Once the storage has a set's manifest, that set's partial files are spurious and count for nothing.
 * - Encrypted files in the archive were on their way to the storage: spurious too.
 *
 * @param catalog of the same listings
 */
export function planSynchronisation(
  remote: readonly string[],
  local: readonly string[],
  prefixes: NamePrefixes,
  catalog: Catalog,
  options: Pick<SynchroniseOptions, 'mode' | 'time'>,
): SynchronisePlan {
  const stored = new Map<string, ParsedName>();
  const storedSets = new Set<string>();
  for (const file of metadataOf(remote, prefixes)) {
    if (file.parsed.partial) continue;
    const key = unsealedName(file.name);
    const known = stored.get(key);
    stored.set(key, known === undefined ? file : preferred(known, file));
    if (file.parsed.kind === 'manifest') storedSets.add(timesKey(file.parsed.set));
  }

  const final: ParsedName[] = [];
  const partial = new Set<string>();
  const spurious: string[] = [];
  const archived = metadataOf(local, prefixes);
  const counting = new Set(withoutLonePartials(archived));
  for (const file of archived) {
    const key = unsealedName(file.name);
    if (file.parsed.encrypted || !counting.has(file)) spurious.push(file.name);
    else if (!file.parsed.partial) final.push(file);
    else {
      partial.add(key);
      if (storedSets.has(timesKey(file.parsed.set))) spurious.push(file.name);
    }
  }

  const kept = new Set<string>();
  for (const { name } of final) {
    const key = unsealedName(name);
    if (stored.has(key) && !partial.has(key)) kept.add(key);
    else spurious.push(name);
  }
  const isNeeded = needed(catalog, options);
  const missing: string[] = [];
  for (const [key, file] of stored) {
    const isHere = kept.has(key) || (partial.has(key) && !storedSets.has(timesKey(file.parsed.set)));
    if (!isHere && isNeeded(file)) missing.push(file.name);
  }
  return { spurious: spurious.sort(), missing: missing.sort() };
}

function metadataOf(names: readonly string[], prefixes: NamePrefixes): ParsedName[] {
  return parseNames(names, prefixes).filter(({ parsed }) => parsed.kind !== 'volume');
}

/** What the mode asks for; all, if that is a chain and it is not clear which one. */
function needed(catalog: Catalog, { mode, time }: Pick<SynchroniseOptions, 'mode' | 'time'>) {
  if (mode === 'restore') {
    const chain = chainAt(catalog, time);
    const sets = new Set((chain ? setsAt(chain, time) : []).map(({ times }) => timesKey(times)));
    return ({ parsed: { kind, set } }: ParsedName) => kind === 'manifest' && sets.has(timesKey(set));
  }
  const chain: BackupChain | undefined =
    mode === 'full' || coveringChains(catalog, time).length > 1 ? undefined : chainAt(catalog, time);
  if (chain === undefined) return () => true;
  return ({ parsed: { set } }: ParsedName) => {
    const start = set.type === 'full' ? set.time : set.start;
    return setEnd(set) >= chain.startTime && start <= chain.endTime;
  };
}

/**
 * Makes the local archive agree with the storage: see `planSynchronisation`. Read the catalog again if the plan, which
 * is returned, is not empty.
 *
 * @param remote listing of the storage, from which `catalog` was read
 */
export async function synchronise(
  stores: MetadataStores,
  remote: readonly string[],
  catalog: Catalog,
  options: SynchroniseOptions,
): Promise<SynchronisePlan> {
  const { archive, events, prefixes } = stores;
  const plan = planSynchronisation(remote, await archive.list(), prefixes, catalog, options);
  const { missing, spurious } = plan;
  if (missing.length === 0 && spurious.length === 0) {
    tell(events, 'notice', 'Local and Remote metadata are synchronized, no sync needed.');
  } else if (options.dryRun) {
    tellPlan(events, plan);
  } else {
    tell(events, 'notice', 'Synchronizing remote metadata to local cache...');
    for (const name of spurious) await removeSpurious(stores, name);
    await eachOf(missing, options.concurrency ?? 1, async (name) => {
      tell(events, 'notice', `Copying ${name} to local cache.`);
      await fetchToArchive(stores, name);
    });
  }
  return plan;
}

async function removeSpurious({ archive, events }: MetadataStores, name: string): Promise<void> {
  const path = archive.pathOf(name);
  tell(events, 'notice', `Deleting local ${path} (not authoritative at backend).`);
  try {
    await archive.remove(name);
  } catch (error) {
    if (!(error instanceof TundraError)) throw error;
    tell(events, 'warning', error.message);
  }
}

function tellPlan(events: EventSink, { missing, spurious }: SynchronisePlan): void {
  const list = (head: string, names: string[]) => {
    if (names.length > 0) tell(events, 'notice', [head, ...names].join('\n'));
  };
  list('Sync would copy the following from remote to local:', missing);
  list('Sync would remove the following spurious local files:', spurious);
}

function tell(events: EventSink, level: Level, text: string): void {
  events({ kind: 'message', level, text });
}

/** Runs `act` on each item in order, on a few at once. The first error ends it, when those under way have ended. */
async function eachOf<T>(
  items: readonly T[],
  concurrency: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  const work = async () => {
    for (const item of queue) {
      if (failures.length > 0) return;
      await act(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  if (failures.length > 0) throw failures[0];
}

/**
 * Fetches a file of the local archive from the storage again, because it is damaged.
 *
 * @param remote listing of the storage
 * @param localName a manifest or signature file that is not partial
 * @throws TundraError `backend-not-found` if the storage has no such file
 */
export async function refetch(
  stores: MetadataStores,
  remote: readonly string[],
  localName: string,
): Promise<void> {
  const found = metadataOf(remote, stores.prefixes)
    .filter(({ name, parsed }) => !parsed.partial && localNameOf(name, parsed.kind) === localName)
    .reduce<ParsedName | undefined>((a, b) => (a === undefined ? b : preferred(a, b)), undefined);
  if (found === undefined) {
    throw new TundraError('backend-not-found', `The storage has no file to replace ${localName} with`, {
      advice: 'Begin a new full backup; the sets that need this file cannot be used any more.',
    });
  }
  await fetchToArchive(stores, found.name);
}
