import { TundraError } from '../../base/errors.js';
import { noPassphrase, notIntact, wrongPassphrase } from '../refusals.js';
import { type GnupgReport, hasStatus, statusFields, wantedPassphrase } from './status.js';

/** Why gpg takes no recipient or signer (doc/DETAILS of GnuPG, `INV_RECP`). */
const reasons: Readonly<Record<string, string>> = {
  1: 'it is not in the key ring',
  2: 'more than one key fits',
  3: 'it is not for this use',
  4: 'it is revoked',
  5: 'it has expired',
  9: 'its secret part is not in the key ring',
  10: 'it is not trusted',
  13: 'it is disabled',
};

const NOT_TRUSTED = '10';

/** What to say when gpg did not encrypt. */
export function sealFailure(report: GnupgReport, hasPassphrase: boolean): TundraError {
  const [signer] = statusFields(report, 'INV_SGNR');
  const [recipient] = statusFields(report, 'INV_RECP');
  const refused = recipient ?? signer;
  if (refused !== undefined) {
    const [reason = '', ...key] = refused;
    const use = recipient === undefined ? 'sign with' : 'encrypt to';
    return failed(
      report,
      `gpg does not ${use} the key ${key.join(' ')}: ${reasons[reason] ?? 'no reason given'}`,
      {
        advice:
          reason === NOT_TRUSTED
            ? `Check the key and sign it (gpg --lsign-key ${key.join(' ')}), or give --gpg-options "--trust-model=always".`
            : `See what gpg --list-keys and gpg --list-secret-keys say of ${key.join(' ')}.`,
      },
    );
  }
  if (wantedPassphrase(report)) {
    const what = hasPassphrase
      ? 'the passphrase does not open the key to sign with'
      : 'no passphrase for the key to sign with';
    return failed(report, `gpg did not sign: ${what}`, {
      advice: 'Set SIGN_PASSPHRASE or PASSPHRASE, or use --use-agent.',
    });
  }
  return failed(report, 'gpg did not encrypt', {
    advice: 'What gpg said tells why; look also at --gpg-options.',
  });
}

/** What to say when gpg did not decrypt, or does not stand by what it decrypted. */
export function openFailure(report: GnupgReport, name: string, hasPassphrase: boolean): TundraError {
  if (hasStatus(report, 'BADSIG')) {
    const key = statusFields(report, 'BADSIG')[0]?.join(' ');
    return notIntact(name, new Error(`it was altered after ${key} signed it`));
  }
  if (hasStatus(report, 'BADMDC')) return notIntact(name, gpgSays(report, 'its integrity check fails'));
  if (wantedPassphrase(report)) {
    return hasPassphrase ? wrongPassphrase(name) : noPassphrase(name);
  }
  const missing = statusFields(report, 'NO_SECKEY').map(([id = '']) => id);
  if (missing.some((id) => /^0+$/.test(id))) {
    return failed(report, `no secret key opens ${name}: it is encrypted to a hidden key`, {
      advice: 'Import the secret key (gpg --import). If it is there, PASSPHRASE may not be its passphrase.',
    });
  }
  if (missing.length > 0) {
    return failed(report, `no secret key for ${name}: it is encrypted to ${missing.join(', ')}`, {
      advice:
        'Import the secret key (gpg --import), or say where it is with --gpg-options "--homedir=FOLDER".',
    });
  }
  if (hasStatus(report, 'NODATA')) {
    return notIntact(name, gpgSays(report, 'it is not a whole OpenPGP message'));
  }
  return failed(report, `gpg did not decrypt ${name}`, {
    advice:
      'What gpg said tells why: the file may be damaged, or gpg may need other options (--gpg-options).',
  });
}

function failed(report: GnupgReport, message: string, details: { advice: string }): TundraError {
  const ending = report.exitStatus === undefined ? ' (a signal ended it)' : '';
  const log = report.log === '' ? '' : `\n${report.log}`;
  return new TundraError('encryption', `${message}${ending}${log}`, details);
}

function gpgSays(report: GnupgReport, message: string): Error {
  return new Error(report.log === '' ? message : `${message}\n${report.log}`);
}
