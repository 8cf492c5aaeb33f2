import type { Attributes } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { signatureChainAt, withoutInterrupted } from '../chain/catalog.js';
import { indexName } from '../chain/index-update.js';
import { IndexedSignatures } from '../chain/indexed-signatures.js';
import { type KnownSignatures, type SignatureEntry, SignatureStore } from '../chain/signature-store.js';
import { type EpochSeconds, formatTime, prettyTime } from '../format/times.js';
import { synchronisedCollection, tellLastFull } from './collection.js';
import { ArchiveMender } from './mend-archive.js';
import { type Session, tell } from './session.js';

/** A path in the backup. */
export interface ListedEntry {
  key: PathKey;
  attributes: Attributes;
}

const entriesAtOnce = 256;

/** The paths in the backup at a time, in path order, some at once, from signatures alone. */
export async function* listFiles(
  session: Session,
  time: EpochSeconds | undefined,
): AsyncGenerator<readonly ListedEntry[]> {
  const paths = await signatureFilesAt(session, time);
  const mender = new ArchiveMender(session);
  let last: PathKey | undefined;
  for (;;) {
    let store: KnownSignatures | undefined;
    let entries: SignatureEntry[] = [];
    try {
      store = openSignatures(paths, session.archive.pathOf(indexName));
      for (;;) {
        const next = store.next();
        const entry = next instanceof Promise ? await next : next;
        if (entry === undefined || entries.length === entriesAtOnce) {
          yield entries;
          entries = [];
        }
        if (entry === undefined) return;
        if (last !== undefined && entry.key <= last) continue;
        last = entry.key;
        if (entry.kind !== 'deleted') entries.push(entry);
      }
    } catch (error) {
      yield entries;
      // Signatures that were mended meanwhile are read anew, up to where the list stands.
      if (!(await mender.mend(error))) throw error;
    } finally {
      await store?.close();
    }
  }
}

/** By the index where it fits: that has no signatures to unpack. */
function openSignatures(signatureFiles: readonly string[], indexPath: string): KnownSignatures {
  return IndexedSignatures.open(indexPath, signatureFiles) ?? new SignatureStore(signatureFiles);
}

/** The local signature files that tell of a time, oldest first. */
export async function signatureFilesAt(session: Session, time: EpochSeconds | undefined): Promise<string[]> {
  const at = time ?? session.now();
  const collection = await synchronisedCollection(session, { time: at, dryRun: false });
  const catalog = withoutInterrupted(collection, session.prefixes);
  tellLastFull(session, catalog);
  const chain = signatureChainAt(catalog, at);
  if (chain === undefined) {
    throw new TundraError('no-signatures', 'No signature chains found', {
      advice: 'Check the address and the file prefixes: no finished backup was found there.',
    });
  }
  if (at < chain.startTime) {
    tell(
      session,
      'warning',
      `No signature chain for the requested time. Using oldest available chain, starting at time ${prettyTime(chain.startTime)}.`,
      11,
      formatTime(chain.startTime),
    );
  }
  const files = chain.files.filter(({ end }, index) => index === 0 || end <= at);
  return files.map(({ name }) => session.archive.pathOf(name));
}
