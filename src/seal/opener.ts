import { stat } from 'node:fs/promises';
import { messageOf, TundraError } from '../base/errors.js';
import { fileStamp } from '../base/file-stamp.js';
import { Gate } from '../base/gate.js';
import { CheckThread } from './check-thread.js';
import type { CheckedFile, FileSealing, OpenedFile, Opener } from './cipher.js';
import { fileBytes } from './file-bytes.js';
import { openWithGnupg } from './gnupg/open.js';
import { Gnupg } from './gnupg/program.js';
import { type UnwrapOptions, unwrapWithGnupg } from './gnupg/session-key.js';
import { gunzipFile } from './gzip.js';
import { checkData, checkMessage, fileKey, keysFit, openMessage, wrappedKeyOf } from './library/message.js';
import { PassphraseKeys } from './library/s2k.js';
import type { SessionKey } from './library/session-keys.js';
import { noPassphrase } from './refusals.js';
import { given, type SealSettings } from './settings.js';
import type { ReadableFile } from './unpacked-here.js';

/** Files below this are checked in this thread: starting another one takes as long. */
const checkedHereBytes = 8 * 1024 * 1024;
/** Below this gpg decrypts a message to a public key in the time it takes to start. */
const leastUnwrappedBytes = 1024 * 1024;

/**
 * Opens sealed files: in this process where the library can, else with the gpg program. What a file needs is read off
 * the file itself.
 */
export class MessageOpener implements Opener {
  readonly #settings: SealSettings;
  readonly #gnupg: Gnupg;
  readonly #keys: PassphraseKeys | undefined;
  readonly #checkThread = new CheckThread();
  /** One at a time: an agent would ask for the passphrase of one key once for each. */
  readonly #unwrapping = new Gate(1);
  /** Messages whose session key is of no use here: the next ones will be such too. */
  #unwrapsInVain = false;
  /** A message could not be unwrapped ahead of its turn: then the others wait for theirs. */
  #unwrappingFailed = false;
  #warnedOfMissingCheck = false;

  constructor(settings: SealSettings) {
    this.#settings = settings;
    this.#gnupg = new Gnupg(settings.gnupg ?? {});
    const passphrase = given(settings.passphrase);
    this.#keys = passphrase && (settings.keys ?? new PassphraseKeys(passphrase));
  }

  async open(path: string, sealing: FileSealing, name: string, checked?: CheckedFile): Promise<OpenedFile> {
    if (sealing.encrypted) return this.#openEncrypted(path, name, checked);
    return { bytes: sealing.compressed ? gunzipFile(path, name) : fileBytes(path), signedBy: undefined };
  }

  async readable(
    path: string,
    sealing: FileSealing,
    name: string,
    checked: CheckedFile | undefined,
    accessPoint?: number,
  ): Promise<ReadableFile | undefined> {
    const { encrypted, compressed } = sealing;
    if (!encrypted) return { path, name, sealing: { kind: compressed ? 'gzip' : 'plain' }, accessPoint };
    const keys = checked?.key ?? this.#keys;
    if (keys === undefined || checked?.stamp !== (await stampOf(path)).stamp) return undefined;
    const key = await fileKey(path, name, keys);
    return key && { path, name, sealing: { kind: 'message', key, isWhole: checked.isWhole }, accessPoint };
  }

  async checkKey(path: string, name: string): Promise<boolean | undefined> {
    return this.#keys === undefined ? undefined : keysFit(path, name, this.#keys);
  }

  async check(
    path: string,
    sealing: FileSealing,
    name: string,
    isStored = false,
    onStamped?: () => void,
  ): Promise<CheckedFile | undefined> {
    if (!sealing.encrypted) return undefined;
    const { stamp, sizeBytes } = await stampOf(path);
    onStamped?.();
    const wrappedKey = this.#mayUnwrap(sizeBytes) && (await wrappedKeyOf(path, name, this.#keys));
    const key = wrappedKey
      ? await this.#unwrapping.run(async () =>
          this.#unwrappingFailed ? undefined : this.#sessionKey(path, wrappedKey, name),
        )
      : undefined;
    // Who has the public key can also make a manifest, with the hash of any file: the hash does not stand for this one.
    if (isStored && !wrappedKey) return this.#keys && { stamp, isWhole: false };
    const isWhole = await checkMessage(path, name, key ?? this.#keys, (path, key) =>
      sizeBytes < checkedHereBytes ? checkData(path, key) : this.#checkThread.check(path, key),
    );
    return isWhole ? { stamp, isWhole, key } : undefined;
  }

  async #openEncrypted(path: string, name: string, checked?: CheckedFile): Promise<OpenedFile> {
    const isSame = checked !== undefined && checked.stamp === (await stampOf(path)).stamp;
    const known = !isSame ? 'nothing' : checked.isWhole ? 'whole' : 'stored';
    const keys = (isSame ? checked.key : undefined) ?? this.#keys;
    let message = await openMessage(path, name, keys, known);
    const wrappedKey = 'wrappedKey' in message ? message.wrappedKey : undefined;
    if (wrappedKey !== undefined && this.#mayUnwrap((await stampOf(path)).sizeBytes)) {
      const key = await this.#unwrapping.run(() => this.#sessionKey(path, wrappedKey, name));
      if (key !== undefined) message = await openMessage(path, name, key);
    }
    if (!message.isProtected) this.#warnOfMissingCheck(name);
    if ('bytes' in message && message.kind === 'file') return { bytes: message.bytes, signedBy: undefined };
    if ('bytes' in message && message.kind === 'signed file') {
      // Its content was checked already: without gpg only the signature goes unread.
      const failure = await this.#gnupg.version().then(() => undefined, messageOf);
      if (failure !== undefined) {
        this.#settings.onWarning(`the signature of ${name} is not checked: ${failure}`);
        return { bytes: message.bytes, signedBy: undefined };
      }
    }
    const beyond = 'bytes' in message ? message.kind : message.beyond;
    if (beyond === undefined && !this.#gnupg.settings.useAgent) throw noPassphrase(name);
    return this.#openWithGnupg(path, name, message.isProtected, beyond);
  }

  /** Whether a message to a public key may be one to decrypt here: gpg is to check signatures. */
  #mayUnwrap(sizeBytes: number): boolean {
    const settings = this.#settings;
    const isSigned = 'signKey' in settings && settings.signKey !== undefined;
    return sizeBytes >= leastUnwrappedBytes && !isSigned && !this.#unwrapsInVain;
  }

  /** The key of a message to a public key, if it holds a file without a signature. */
  async #sessionKey(path: string, wrappedKey: Uint8Array, name: string): Promise<SessionKey | undefined> {
    let key: SessionKey | undefined;
    try {
      key = await unwrapWithGnupg(this.#gnupg, wrappedKey, name, this.#keysForGnupg());
    } catch (error) {
      this.#unwrappingFailed = true;
      throw error;
    }
    const usable = key && (await fileKey(path, name, key));
    this.#unwrapsInVain ||= usable === undefined;
    return usable;
  }

  #keysForGnupg(): UnwrapOptions {
    const { passphrase, secretKeyring } = this.#settings;
    return { passphrase: given(passphrase), secretKeyring };
  }

  async #openWithGnupg(
    path: string,
    name: string,
    isProtected: boolean,
    beyond: string | undefined,
  ): Promise<OpenedFile> {
    const settings = this.#settings;
    try {
      await this.#gnupg.version();
    } catch (error) {
      if (!(error instanceof TundraError) || beyond === undefined) throw error;
      throw new TundraError(error.code, `${name} uses ${beyond}: ${error.message}`, {
        advice: error.advice,
        cause: error,
      });
    }
    return openWithGnupg(this.#gnupg, path, name, {
      tempDir: settings.tempDir,
      ...this.#keysForGnupg(),
      signKey: 'signKey' in settings ? settings.signKey : undefined,
      isProtected,
      onWarning: settings.onWarning,
    });
  }

  #warnOfMissingCheck(name: string): void {
    if (this.#warnedOfMissingCheck) return;
    this.#warnedOfMissingCheck = true;
    this.#settings.onWarning(
      `${name} has no integrity check, as old versions of gpg wrote files: whether it was altered shows only where the manifest has its hash`,
    );
  }
}

async function stampOf(path: string): Promise<{ stamp: string; sizeBytes: number }> {
  const stats = await stat(path, { bigint: true });
  return { stamp: fileStamp(stats), sizeBytes: Number(stats.size) };
}
