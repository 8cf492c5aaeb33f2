import { TundraError } from '../base/errors.js';
import type { Cipher, SealOutput, SealWriter } from './cipher.js';
import { CompressPool } from './compress-pool.js';
import { type ChunkCompressor, zlibCompressor } from './deflate.js';
import { Gnupg } from './gnupg/program.js';
import { GnupgWriter, type SealingKeys } from './gnupg/writer.js';
import { GzipWriter } from './gzip.js';
import { PassphraseKeys } from './library/s2k.js';
import { newRunKey, PassphraseWriter, type RunKey } from './library/writer.js';
import { MessageOpener } from './opener.js';
import { PlainWriter } from './plain.js';
import { given, type SealSettings } from './settings.js';

/** Seals files as the settings say. Nothing is started or derived before the first file. */
export function createCipher(settings: SealSettings): Cipher {
  return {
    encrypted: settings.kind === 'passphrase' || settings.kind === 'keys',
    compressed: settings.kind === 'gzip',
    seal: sealer(settings),
  };
}

/** Opens files that were sealed in any way; the settings say which passphrase, which keys and which gpg there are. */
export function createOpener(settings: SealSettings): MessageOpener {
  return new MessageOpener(settings);
}

function sealer(settings: SealSettings): (output: SealOutput) => SealWriter {
  switch (settings.kind) {
    case 'none':
      return (output) => new PlainWriter(output);
    case 'gzip': {
      const compressor = compressorFor(settings);
      return (output) => new GzipWriter(output, { compressor });
    }
    case 'passphrase': {
      const { signKey, gnupg } = settings;
      // The user's options may ask for another cipher or compression: gpg knows what they mean.
      const isForGnupg = signKey !== undefined || gnupg?.useAgent || gnupg?.userOptions?.trim();
      return isForGnupg ? gnupgSealer(settings, [], [], signKey) : passphraseSealer(settings);
    }
    case 'keys':
      return gnupgSealer(settings, settings.encryptKeys, settings.hiddenEncryptKeys, settings.signKey);
  }
}

/** Our own encoder, unless a level of zlib is asked for. */
function compressorFor(settings: SealSettings): ChunkCompressor {
  const level = 'level' in settings ? settings.level : undefined;
  if (level !== undefined) return zlibCompressor(level, settings.threads);
  return settings.compressor ?? new CompressPool({ effort: settings.effort, threads: settings.threads });
}

function passphraseSealer(settings: SealSettings): (output: SealOutput) => SealWriter {
  const compressor = compressorFor(settings);
  let runKey: RunKey | undefined;
  return (output) => {
    const passphrase = given(settings.passphrase);
    if (passphrase === undefined) throw noPassphraseToSeal();
    runKey ??= newRunKey(settings.keys ?? new PassphraseKeys(passphrase));
    return new PassphraseWriter(output, runKey, { compressor });
  };
}

function gnupgSealer(
  settings: SealSettings,
  encryptKeys: readonly string[],
  hiddenEncryptKeys: readonly string[],
  signKey: string | undefined,
): (output: SealOutput) => SealWriter {
  const gnupg = new Gnupg(settings.gnupg ?? {});
  return (output) => {
    const passphrase = given(settings.passphrase);
    const signPassphrase = given(settings.signPassphrase);
    const keys: SealingKeys = { encryptKeys, hiddenEncryptKeys, signKey, passphrase };
    if (signKey !== undefined) keys.passphrase = signPassphrase ?? passphrase;
    const isToKeys = encryptKeys.length + hiddenEncryptKeys.length > 0;
    if (!isToKeys && !gnupg.settings.useAgent) {
      if (passphrase === undefined) throw noPassphraseToSeal();
      if (keys.passphrase?.reveal() !== passphrase.reveal()) throw twoPassphrases();
    }
    return new GnupgWriter(output, gnupg, keys);
  };
}

function noPassphraseToSeal(): TundraError {
  return new TundraError('encryption', 'no passphrase was given to encrypt with', {
    advice: 'Set PASSPHRASE in the environment, name a key with --encrypt-key, or choose --no-encryption.',
  });
}

function twoPassphrases(): TundraError {
  return new TundraError('user-error', 'gpg takes one passphrase a file, and two were given', {
    advice: 'To encrypt with a passphrase and sign, let the signing key have the same passphrase or none.',
  });
}
