import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { EventSink, Level } from '../base/events.js';
import type { LocalArchive } from '../chain/archive.js';
import type { MetadataStores } from '../chain/metadata.js';
import type { SynchroniseOptions } from '../chain/synchronise.js';
import type { NamePrefixes } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import type { Cipher, Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';
import type { RereadOptions } from '../storage/read-whole.js';

/** What every operation works with. The composition root makes it from the options and closes it. */
export interface Session {
  backend: StorageBackend;
  /** How often a file is read from the storage where it breaks off. */
  retries: Pick<RereadOptions, 'attempts' | 'delayMs'>;
  archive: LocalArchive;
  prefixes: NamePrefixes;
  /** How new volumes and signatures are sealed. */
  cipher: Cipher;
  /** How new manifests are sealed: encrypted as the rest, but never merely compressed. */
  manifestCipher: Cipher;
  /** How signatures are kept in the local archive; undefined where it keeps what the storage has. */
  localSignatureCipher: Cipher | undefined;
  /** Lets other runs use the local archive: from here on this one needs nothing more of it. A second call does nothing. */
  releaseArchive(): Promise<void>;
  opener: Opener;
  /** Whether what this run writes can be opened again here: not with a public key alone. */
  canOpen: boolean;
  /** Whether it takes the same passphrase to open as to make: then the chain that is gone on with must open. */
  isSymmetric: boolean;
  /** The keys it encrypts to, as they were given, sorted. */
  recipients: readonly string[];
  /** Which metadata the local archive keeps. */
  syncMode: Exclude<SynchroniseOptions['mode'], 'restore'>;
  /** A folder of this run alone, removed at its end. */
  tempFolder: string;
  now(): EpochSeconds;
  events: EventSink;
  /** Whether single files are to be told: the verbosity or a machine log asks for it. */
  tellFiles: boolean;
  /** How many processors to keep busy. */
  processors: number;
  /** Raised when the run is to end at once: storage calls fail from then on. */
  interruption?: AbortSignal | undefined;
}

export function tell(session: Session, level: Level, text: string, code?: number, extra?: string): void {
  session.events({ kind: 'message', level, text, code, extra });
}

/** A new path in the run's own folder. */
export function newTempPath(session: Session, label: string): string {
  return join(session.tempFolder, `${label}.${randomBytes(6).toString('hex')}`);
}

export function metadataStores(session: Session): MetadataStores {
  const { archive, backend, retries, opener, prefixes, tempFolder, events } = session;
  return { archive, backend, retries, opener, prefixes, temporaryFolder: tempFolder, events };
}
