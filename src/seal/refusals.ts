import { messageOf, TundraError } from '../base/errors.js';

/*
 * Why a sealed file is not opened, in words that the reader can act on.
 */

/** In the words of gpg as well: front ends look for them, to ask for the passphrase once more. */
export function wrongPassphrase(name: string): TundraError {
  return new TundraError('encryption', `the passphrase does not open ${name} (Bad session key)`, {
    advice:
      'Give the passphrase with which the backup was made (PASSPHRASE). If it is the right one, the file is damaged.',
  });
}

export function noPassphrase(name: string): TundraError {
  return new TundraError('encryption', `${name} takes a passphrase to open, and none was given`, {
    advice: 'Set PASSPHRASE in the environment.',
  });
}

export function notIntact(name: string, cause: unknown): TundraError {
  return new TundraError('encryption', `${name} cannot be trusted: ${messageOf(cause)}`, {
    advice: 'The file was cut short or altered where it is stored: fetch it again, or use another copy.',
    cause,
  });
}

export function gnupgMissing(program: string, cause: unknown): TundraError {
  return new TundraError('encryption', `cannot run the gpg program (${program}): ${messageOf(cause)}`, {
    advice: 'Install GnuPG (Debian package gnupg), or say where the program is with --gpg-binary.',
    cause,
  });
}
