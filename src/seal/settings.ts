import type { Secret } from '../base/secret.js';
import type { ChunkCompressor } from './deflate.js';
import type { GnupgSettings } from './gnupg/program.js';
import type { DeflateEffort } from './kernel-deflate.js';
import type { PassphraseKeys } from './library/s2k.js';

/** How files are sealed for the storage. */
export type Sealing =
  | { kind: 'none' }
  | { kind: 'gzip'; level?: number | undefined }
  /** Encrypted with the passphrase. */
  | {
      kind: 'passphrase';
      /** Of the compression inside. */
      level?: number | undefined;
      signKey?: string | undefined;
    }
  /** Encrypted to public keys. */
  | {
      kind: 'keys';
      encryptKeys: readonly string[];
      hiddenEncryptKeys: readonly string[];
      signKey?: string | undefined;
    };

/** How files are sealed, and what opening any sealed file may take. */
export type SealSettings = Sealing & {
  /** Encrypts and opens; also opens the secret keys. An empty one counts as none, as it does for gpg. */
  passphrase?: Secret | undefined;
  /** Keys derived from the passphrase, where cipher and opener are to share them. */
  keys?: PassphraseKeys | undefined;
  /** Opens the key to sign with, where that is another than `passphrase`. */
  signPassphrase?: Secret | undefined;
  gnupg?: GnupgSettings | undefined;
  /** Key ring with the secret keys to open with, for gpg 1. */
  secretKeyring?: string | undefined;
  /** How hard the encoder tries; gpg does not ask. `fast` if absent. */
  effort?: DeflateEffort | undefined;
  /** What compresses, where several ciphers are to share its threads. */
  compressor?: ChunkCompressor | undefined;
  /** Threads that compress; libuv's pool should have one more. 3 if absent. */
  threads?: number | undefined;
  /** Folder for decrypted files of which it is not known yet whether they are whole. */
  tempDir: string;
  onWarning(text: string): void;
};

/** The secret, if there is any. */
export function given(secret: Secret | undefined): Secret | undefined {
  return secret === undefined || secret.reveal() === '' ? undefined : secret;
}
