import { Secret } from '../base/secret.js';
import type { Sealing, SealSettings } from '../seal/settings.js';

/** Settings as plain data, to cross into a thread of this process. */
export interface ThreadSealSettings {
  sealing: Sealing;
  passphrase: string | undefined;
  signPassphrase: string | undefined;
  gnupg: SealSettings['gnupg'];
  tempDir: string;
}

export function toThread(settings: SealSettings): ThreadSealSettings {
  const { passphrase, signPassphrase, gnupg, tempDir, onWarning: _, ...sealing } = settings;
  return {
    sealing,
    passphrase: passphrase?.reveal(),
    signPassphrase: signPassphrase?.reveal(),
    gnupg,
    tempDir,
  };
}

export function inThread(settings: ThreadSealSettings, onWarning: (text: string) => void): SealSettings {
  const { sealing, passphrase, signPassphrase, gnupg, tempDir } = settings;
  const secret = (text: string | undefined) => (text === undefined ? undefined : new Secret(text));
  return {
    ...sealing,
    passphrase: secret(passphrase),
    signPassphrase: secret(signPassphrase),
    gnupg,
    tempDir,
    onWarning,
  };
}
