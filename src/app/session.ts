import { rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import type { EventSink } from '../base/events.js';
import { unlessInterrupted } from '../base/interruption.js';
import { LocalArchive } from '../chain/archive.js';
import { archiveFolder } from '../chain/archive-folder.js';
import { type ArchiveLock, acquireArchiveLock } from '../chain/lock.js';
import type { NamePrefixes } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import type { Session } from '../operations/session.js';
import { createCipher, createOpener } from '../seal/ciphers.js';
import { CompressPool } from '../seal/compress-pool.js';
import { PassphraseKeys } from '../seal/library/s2k.js';
import type { Sealing, SealSettings } from '../seal/settings.js';
import { coldFileDriver } from '../storage/cold-file/driver.js';
import { localDriver } from '../storage/local/local-backend.js';
import { multiDriver } from '../storage/multi/open.js';
import type { BackendOptions } from '../storage/registry.js';
import { BackendRegistry } from '../storage/registry.js';
import { swiftDriver } from '../storage/swift/driver.js';
import { interruptible } from '../storage/wrappers/interruptible.js';
import { makeTempFolder, removeDeadTempFolders } from './temp-folder.js';

/** All that a session is composed from. */
export interface SessionSettings {
  url: string;
  archiveDir: string | undefined;
  name: string | undefined;
  tempDir: string | undefined;
  prefixes: NamePrefixes;
  seal: Omit<SealSettings, 'tempDir' | 'onWarning'> & Sealing;
  canOpen: boolean;
  syncMode: Session['syncMode'];
  backend: BackendOptions;
  environment: Readonly<Record<string, string | undefined>>;
  now(): EpochSeconds;
  events: EventSink;
  tellFiles: boolean;
  /** How many processors to keep busy. */
  processors: number;
  /** Raised when the run is to end at once. */
  interruption?: AbortSignal | undefined;
}

/** How long what an operation has under way may take to be cleaned up when it is interrupted. */
const interruptionGraceMs = 1500;

/** The storages this build knows. */
export function backendRegistry(): BackendRegistry {
  return new BackendRegistry([localDriver, coldFileDriver, multiDriver, swiftDriver()]);
}

/** Opens storage, local archive and its lock, runs `action`, and closes them again whatever happens. */
export async function withSession<T>(
  settings: SessionSettings,
  action: (session: Session) => Promise<T>,
): Promise<T> {
  return openSession(settings, undefined, action);
}

/** Opens two sessions side by side. Where both have the same local archive, its lock is that of the first one. */
export async function withSessions<T>(
  first: SessionSettings,
  second: SessionSettings,
  action: (first: Session, second: Session) => Promise<T>,
): Promise<T> {
  const held = folderOf(first) === folderOf(second) ? { release: async () => {} } : undefined;
  return openSession(first, undefined, (one) => openSession(second, held, (other) => action(one, other)));
}

function folderOf({ archiveDir, name, url, environment }: SessionSettings): string {
  const homeDirectory = environment.HOME ?? homedir();
  return archiveFolder({ archiveDir, name, targetUrl: url, environment, homeDirectory });
}

/** @param held the lock of the local archive, where this run has it already */
async function openSession<T>(
  settings: SessionSettings,
  held: ArchiveLock | undefined,
  action: (session: Session) => Promise<T>,
): Promise<T> {
  const { environment, events, interruption } = settings;
  const folder = folderOf(settings);
  events({ kind: 'message', level: 'info', text: `Using archive dir: ${folder}` });
  const registry = backendRegistry();
  const opened = await registry.open(settings.url, {
    env: environment,
    registry,
    options: settings.backend,
    onEvent: events,
  });
  const backend = interruption === undefined ? opened : interruptible(opened, interruption);
  try {
    const archive = await LocalArchive.open(folder);
    const lock = held ?? (await acquireArchiveLock(folder, { env: environment }));
    let removeTemp = () => {};
    const compressor = new CompressPool({ effort: settings.seal.effort, threads: settings.processors });
    try {
      const tempBase = settings.tempDir ?? environment.TMPDIR ?? tmpdir();
      const tempFolder = makeTempFolder(tempBase);
      removeTemp = () => rmSync(tempFolder, { recursive: true, force: true });
      process.once('exit', removeTemp);
      removeDeadTempFolders(tempBase);
      if (held === undefined) await archive.removeLeftovers();
      const { passphrase } = settings.seal;
      const seal: SealSettings = {
        ...settings.seal,
        compressor,
        keys: passphrase && new PassphraseKeys(passphrase),
        tempDir: tempFolder,
        onWarning: (text) => events({ kind: 'message', level: 'warning', text }),
      };
      const plain = { tempDir: tempFolder, onWarning: seal.onWarning };
      const cipher = createCipher(seal);
      const session: Session = {
        backend,
        retries: { attempts: settings.backend.numRetries, delayMs: settings.backend.retryDelayMs },
        archive,
        releaseArchive: () => lock.release(),
        prefixes: settings.prefixes,
        cipher,
        manifestCipher: seal.kind === 'gzip' ? createCipher({ kind: 'none', ...plain }) : cipher,
        localSignatureCipher:
          seal.kind === 'gzip' ? undefined : createCipher({ kind: 'gzip', compressor, ...plain }),
        opener: createOpener(seal),
        canOpen: settings.canOpen,
        isSymmetric: seal.kind === 'passphrase',
        recipients: seal.kind === 'keys' ? [...seal.encryptKeys, ...seal.hiddenEncryptKeys].sort() : [],
        syncMode: settings.syncMode,
        tempFolder,
        now: settings.now,
        events,
        tellFiles: settings.tellFiles,
        processors: settings.processors,
        interruption,
      };
      return await unlessInterrupted(interruption, interruptionGraceMs, action(session));
    } finally {
      await compressor.close();
      process.off('exit', removeTemp);
      removeTemp();
      await lock.release();
    }
  } finally {
    await backend.close();
  }
}
