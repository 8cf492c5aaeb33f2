import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { TundraError } from '../base/errors.js';
import { Secret } from '../base/secret.js';

/** Asks on the terminal without showing what is typed; undefined where there is no terminal. Rejects when it is interrupted. */
export async function askPassphrase(
  question: string,
  interruption?: AbortSignal,
): Promise<Secret | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true });
  // The terminal sends no signal while it is read key by key.
  reader.on('SIGINT', () => process.emit('SIGINT'));
  try {
    return new Secret(await reader.question('', interruption === undefined ? {} : { signal: interruption }));
  } finally {
    reader.close();
    process.stderr.write('\n');
  }
}

/** Asks for the passphrase of a symmetric encryption; twice where something is to be encrypted with it. */
export async function askSymmetricPassphrase(
  willEncrypt: boolean,
  interruption?: AbortSignal,
): Promise<Secret> {
  for (;;) {
    const first = await askPassphrase('GnuPG passphrase for decryption: ', interruption);
    if (first === undefined) {
      throw new TundraError('encryption', 'no passphrase, and no terminal to ask for it', {
        advice: 'Set it in the environment variable PASSPHRASE, or use --no-encryption or --encrypt-key.',
      });
    }
    if (first.reveal() === '') {
      process.stderr.write('Cannot use empty passphrase with symmetric encryption!  Please try again.\n');
      continue;
    }
    if (!willEncrypt) return first;
    const second = await askPassphrase('Retype passphrase for decryption to confirm: ', interruption);
    if (second?.reveal() === first.reveal()) return first;
    process.stderr.write('First and second passphrases do not match!  Please try again.\n');
  }
}
