import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { EventSink, Level } from '../base/events.js';
import type { LocalArchive } from '../chain/archive.js';
import { type Catalog, readCatalog } from '../chain/catalog.js';
import type { MetadataStores } from '../chain/metadata.js';
import { type SynchroniseOptions, synchronise } from '../chain/synchronise.js';
import type { NamePrefixes } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import type { Cipher, Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';

/** What every operation works with. The composition root makes it from the options and closes it. */
export interface Session {
  backend: StorageBackend;
  archive: LocalArchive;
  prefixes: NamePrefixes;
  /** How new volumes and signatures are sealed. */
  cipher: Cipher;
  /** How new manifests are sealed: encrypted as the rest, but never merely compressed. */
  manifestCipher: Cipher;
  /** How signatures are kept in the local archive. */
  localSignatureCipher: Cipher;
  opener: Opener;
  /** Whether what this run writes can be opened again here: not with a public key alone. */
  canOpen: boolean;
  /** Whether it takes the same passphrase to open as to make: then the chain that is gone on with must open. */
  isSymmetric: boolean;
  /** Which metadata the local archive keeps. */
  syncMode: SynchroniseOptions['mode'];
  /** A folder of this run alone, removed at its end. */
  tempFolder: string;
  now(): EpochSeconds;
  events: EventSink;
  /** Whether single files are to be told: the verbosity or a machine log asks for it. */
  tellFiles: boolean;
}

export function tell(session: Session, level: Level, text: string, code?: number, extra?: string): void {
  session.events({ kind: 'message', level, text, code, extra });
}

/** A new path in the run's own folder. */
export function newTempPath(session: Session, label: string): string {
  return join(session.tempFolder, `${label}.${randomBytes(6).toString('hex')}`);
}

export function metadataStores(session: Session): MetadataStores {
  const { archive, backend, opener, prefixes, tempFolder, events } = session;
  return { archive, backend, opener, prefixes, temporaryFolder: tempFolder, events };
}

/** What the storage and the local archive hold, as they are. */
export async function readCollection(session: Session): Promise<Catalog> {
  return (await listCollection(session)).catalog;
}

/** The same after the local archive was brought up to date with the storage. */
export async function synchronisedCollection(
  session: Session,
  options: Omit<SynchroniseOptions, 'mode'>,
): Promise<Catalog> {
  const { remote, catalog } = await listCollection(session);
  const mode = session.syncMode;
  const plan = await synchronise(metadataStores(session), remote, catalog, { ...options, mode });
  const changed = !options.dryRun && plan.missing.length + plan.spurious.length > 0;
  const current = changed ? await readCollection(session) : catalog;
  tellWarnings(session, current);
  return current;
}

/** Tells what in the listings is not as finished backups leave it. */
export function tellWarnings(session: Session, catalog: Catalog): void {
  for (const { code, text, names } of catalog.warnings) {
    tell(session, 'warning', [text, ...names].join('\n'), code);
  }
}

async function listCollection(session: Session): Promise<{ remote: string[]; catalog: Catalog }> {
  const [stored, local] = await Promise.all([session.backend.list(), session.archive.list()]);
  const remote = stored.map(({ name }) => name);
  return { remote, catalog: readCatalog(remote, local, session.prefixes) };
}
