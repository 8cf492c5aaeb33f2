import { editDistance } from '../base/edit-distance.js';
import { TundraError } from '../base/errors.js';
import type { EventSink } from '../base/events.js';
import type { StorageBackend } from './backend.js';
import { type ParsedUrl, parseUrl } from './url.js';
import { withRetries } from './wrappers/retry.js';

/** What the command line says about storages in general. */
export interface BackendOptions {
  /** How often a call is tried in all, from 1. */
  numRetries: number;
  retryDelayMs: number;
  /** How long a connection may be silent. */
  timeoutMs: number;
  /** The storage policy that a Swift container must have, and gets if it is made. */
  swiftStoragePolicy?: string | undefined;
  /** Objects above this size are sent in segments, where a storage knows of such; 0 only if they must be. */
  segmentSizeBytes?: number | undefined;
}

/** What the peer has where the command line says nothing. */
export const defaultBackendOptions: BackendOptions = {
  numRetries: 5,
  retryDelayMs: 30_000,
  timeoutMs: 30_000,
  segmentSizeBytes: 220 << 20,
};

/** What a storage is made from, beside its address. A driver reads the environment from here and nowhere else. */
export interface BackendContext {
  env: Readonly<Record<string, string | undefined>>;
  registry: BackendRegistry;
  options: BackendOptions;
  onEvent?: EventSink | undefined;
  /** The configurations of the storages this one is a part of, outermost first. */
  enclosing?: readonly string[] | undefined;
}

/** Makes a storage for an address. It may connect, or leave that to the first call. */
export type BackendFactory = (
  url: ParsedUrl,
  context: BackendContext,
) => StorageBackend | Promise<StorageBackend>;

/** A kind of storage. */
export interface BackendDriver {
  schemes: readonly string[];
  /** Gives the factory; it may import a heavy module first. */
  load(): BackendFactory | Promise<BackendFactory>;
  /** The storage is made of others which retry by themselves: trying again around it would multiply the tries. */
  isComposite?: boolean | undefined;
}

/** The peer's schemes, prefixes such as `par2+` aside. */
const peerSchemes = (
  'ad azure b2 boto+s3 boto3+s3 box cf+http cf+hubic dpbx file fish ftp ftpes ftps gdata+gdocs gdocs gdrive gs hsi ' +
  'http https idrived imap imaps jottacloud lftp+fish lftp+ftp lftp+ftpes lftp+ftps lftp+http lftp+https lftp+sftp ' +
  'lftp+webdav lftp+webdavs mega megav2 megav3 mf multi ncftp+ftp onedrive paramiko+scp paramiko+sftp pca ' +
  'pexpect+scp pexpect+sftp pydrive pydrive+gdocs rclone rsync s3 s3+http scp sftp slate swift sx tahoe webdav ' +
  'webdavs'
).split(' ');

/** The peer's prefixes that wrap any other address. */
const peerPrefixes = ['par2+', 'gio+'];

/** The kinds of storage there are, by the scheme of their addresses. */
export class BackendRegistry {
  readonly #drivers = new Map<string, BackendDriver>();

  constructor(drivers: readonly BackendDriver[]) {
    for (const driver of drivers) {
      for (const scheme of driver.schemes) {
        if (this.#drivers.has(scheme)) throw new Error(`two drivers for ${scheme}://`);
        this.#drivers.set(scheme, driver);
      }
    }
  }

  /** The schemes that can be opened, in order of the alphabet. */
  get schemes(): string[] {
    return [...this.#drivers.keys()].sort();
  }

  /**
   * Opens the storage at an address; its calls are retried as the options say. An address that cannot be read or whose
   * scheme nobody knows is a `bad-url` error; one that only the peer can open, `not-implemented`.
   */
  async open(address: string, context: BackendContext): Promise<StorageBackend> {
    const url = parseUrl(address);
    const driver = this.#drivers.get(url.scheme);
    if (driver === undefined) throw this.#unknown(url);
    const create = await driver.load();
    const backend = await create(url, context);
    if (driver.isComposite) return backend;
    const { numRetries, retryDelayMs } = context.options;
    return withRetries(backend, { attempts: numRetries, delayMs: retryDelayMs, onEvent: context.onEvent });
  }

  #unknown(url: ParsedUrl): TundraError {
    const { scheme, display } = url;
    const list = this.schemes.map((known) => `${known}://`).join(' ');
    if (peerSchemes.includes(scheme) || peerPrefixes.some((prefix) => scheme.startsWith(prefix))) {
      return new TundraError(
        'not-implemented',
        `storages at ${scheme}:// are not supported yet: ${display}`,
        {
          advice: `Supported are ${list}`,
        },
      );
    }
    const near = this.schemes.filter((known) => editDistance(known, scheme) <= 2);
    const hint = near.length === 0 ? '' : ` Did you mean ${near.map((known) => `${known}://`).join(' or ')}?`;
    return new TundraError('bad-url', `unknown scheme ${scheme}:// in ${display}.${hint}`, {
      advice: `Supported are ${list}`,
    });
  }
}
