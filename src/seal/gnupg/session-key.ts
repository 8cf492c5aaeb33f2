import type { Secret } from '../../base/secret.js';
import { parseSessionKey, type SessionKey } from '../library/session-keys.js';
import { openFailure } from './failures.js';
import { type Gnupg, keyringCommands } from './program.js';
import { hasStatus, statusFields } from './status.js';

/** Of the lines in a log file. */
const logPrefix = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d gpg\[\d+\] /gm;

export interface UnwrapOptions {
  /** Opens the secret key. */
  passphrase?: Secret | undefined;
  /** Key ring of gpg 1 with the secret keys. */
  secretKeyring?: string | undefined;
}

/**
 * Has the gpg program take out the session key of a message to public keys. It is told on a pipe, and nowhere else.
 * Undefined where gpg must open the message itself: to say what is wrong with it, or because only gpg has its cipher.
 * Errors: TundraError `encryption` where no secret key opens it.
 * @param wrappedKey the message up to its data, as `withoutContent` gives it
 */
export async function unwrapWithGnupg(
  gnupg: Gnupg,
  wrappedKey: Uint8Array,
  name: string,
  options: UnwrapOptions,
): Promise<SessionKey | undefined> {
  const [major = 0, minor = 0] = await gnupg.version().catch(() => []);
  if (major < 2 || (major === 2 && minor < 1)) return undefined;
  // With the option gpg tells the key in its log as well: that must not go to a file that the user's options name.
  const commands = ['--show-session-key', '--logger-file', '-', ...keyringCommands(options.secretKeyring)];
  const run = await gnupg.run([...commands, '--decrypt'], { passphrase: options.passphrase });
  run.stdin!.end(wrappedKey);
  run.stdout.resume();
  const report = await run.ended;
  const told = statusFields(report, 'SESSION_KEY');
  if (told.length > 0) return told.length === 1 ? parseSessionKey(told[0]?.[0] ?? '') : undefined;
  // It did not come to the data: with the whole message it would not either, and might ask for a passphrase once more.
  if (hasStatus(report, 'DECRYPTION_FAILED') && !hasStatus(report, 'DECRYPTION_INFO')) {
    const log = report.log.replace(logPrefix, 'gpg: ');
    throw openFailure({ ...report, log }, name, options.passphrase !== undefined);
  }
  return undefined;
}
