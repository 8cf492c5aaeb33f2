import { type Catalog, lastFullTime, readCatalog } from '../chain/catalog.js';
import { planSynchronisation, type SynchroniseOptions, synchronise } from '../chain/synchronise.js';
import { withUnlisted } from '../chain/unlisted.js';
import { prettyTime } from '../format/times.js';
import { metadataStores, type Session, tell } from './session.js';
import { type SealedMetadata, thawMetadata } from './thaw-metadata.js';

/** What the storage and the local archive hold, as they are. */
export async function readCollection(session: Session): Promise<Catalog> {
  return (await listCollection(session)).catalog;
}

/** The same after the local archive was brought up to date with the storage: in the session's mode, unless given. */
export async function synchronisedCollection(
  session: Session,
  options: Omit<SynchroniseOptions, 'mode'> &
    Partial<Pick<SynchroniseOptions, 'mode'>> & {
      /** What is done about metadata in cold storage: `ask` unless given. */
      sealedMetadata?: SealedMetadata | undefined;
    },
): Promise<Catalog> {
  const { remote, local, catalog } = await listCollection(session);
  const mode = options.mode ?? session.syncMode;
  if (session.backend.cold !== undefined && !options.dryRun) {
    // A restore from cold storage reads signatures as well: to ask for them later would be to wait once more.
    const { missing } = planSynchronisation(remote, local, session.prefixes, catalog, {
      ...options,
      mode: mode === 'restore' ? 'partial' : mode,
    });
    await thawMetadata(session, missing, options.sealedMetadata ?? 'ask');
  }
  const plan = await synchronise(metadataStores(session), remote, catalog, { ...options, mode });
  const changed = !options.dryRun && plan.missing.length + plan.spurious.length > 0;
  // The same listing again: another one might show what this one did not, and the archive was not made to agree with.
  const current = changed ? readCatalog(remote, await session.archive.list(), session.prefixes) : catalog;
  tellWarnings(session, current);
  return current;
}

/** Tells what in the listings is not as finished backups leave it. */
export function tellWarnings(session: Session, catalog: Catalog): void {
  for (const { code, text, names } of catalog.warnings) {
    tell(session, 'warning', [text, ...names].join('\n'), code);
  }
}

/** Tells when the last full backup was made, as the peer does before all that it does. */
export function tellLastFull(session: Session, catalog: Catalog): void {
  const last = lastFullTime(catalog);
  tell(session, 'notice', `Last full backup date: ${last === undefined ? 'none' : prettyTime(last)}`);
}

async function listCollection(
  session: Session,
): Promise<{ remote: string[]; local: string[]; catalog: Catalog }> {
  const [stored, local] = await Promise.all([session.backend.list(), session.archive.list()]);
  const listed = stored.map(({ name }) => name);
  const remote = await withUnlisted(metadataStores(session), listed, local);
  return { remote, local, catalog: readCatalog(remote, local, session.prefixes) };
}
