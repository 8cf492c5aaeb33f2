import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf, TundraError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { OpenedFile } from '../cipher.js';
import { handleBytes } from '../file-bytes.js';
import { openFailure } from './failures.js';
import { type Gnupg, keyringCommands } from './program.js';
import { errorCode, type GnupgReport, hasStatus, statusFields } from './status.js';

export interface OpenOptions {
  /** Folder for the plaintext while gpg has not said yet whether it is whole. */
  tempDir: string;
  passphrase?: Secret | undefined;
  /** The key that is expected to have signed: its id or fingerprint. */
  signKey?: string | undefined;
  /** Key ring of gpg 1 with the secret keys. */
  secretKeyring?: string | undefined;
  /** Whether the message has an integrity check; only one without may fail to pass it. */
  isProtected: boolean;
  onWarning(text: string): void;
}

/**
 * Has the gpg program decrypt a file. Plaintext waits in a nameless file until gpg is done and found nothing amiss.
 * Errors: TundraError `encryption`; `no-free-space` when the temporary folder is full.
 */
export async function openWithGnupg(
  gnupg: Gnupg,
  path: string,
  name: string,
  options: OpenOptions,
): Promise<OpenedFile> {
  const plain = await namelessFile(options.tempDir);
  try {
    const report = await decryptInto(plain, gnupg, path, options);
    if (!isSound(report, options.isProtected)) {
      throw openFailure(report, name, options.passphrase !== undefined);
    }
    const signer = signerOf(report, options.signKey);
    if (signer === undefined && hasStatus(report, 'NEWSIG')) {
      options.onWarning(`the signature of ${name} could not be checked\n${report.log}`);
    }
    return { bytes: handleBytes(plain), signedBy: signer };
  } catch (error) {
    await plain.close();
    throw error;
  }
}

/** A file that only we can read, and that is gone when it is closed. */
async function namelessFile(folder: string): Promise<FileHandle> {
  const path = join(folder, `tundra-${randomBytes(12).toString('hex')}.plain`);
  try {
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return file;
  } catch (error) {
    throw new TundraError('generic', `cannot make a temporary file in ${folder}: ${messageOf(error)}`, {
      advice: 'Name a folder that can be written to with --tempdir.',
      cause: error,
    });
  }
}

async function decryptInto(
  plain: FileHandle,
  gnupg: Gnupg,
  path: string,
  options: OpenOptions,
): Promise<GnupgReport> {
  const input = await open(path, 'r');
  try {
    const run = await gnupg.run(decryptCommands(options), {
      passphrase: options.passphrase,
      inputFd: input.fd,
    });
    try {
      for await (const piece of run.stdout as AsyncIterable<Buffer>) await plain.writeFile(piece);
      return await run.ended;
    } catch (error) {
      run.kill();
      await run.ended.catch(() => {});
      throw errnoOf(error) === 'ENOSPC' ? tempFolderFull(options.tempDir, error) : error;
    }
  } finally {
    await input.close();
  }
}

function decryptCommands(options: OpenOptions): string[] {
  return [
    ...(options.isProtected ? [] : ['--ignore-mdc-error']),
    ...keyringCommands(options.secretKeyring),
    '--decrypt',
  ];
}

/**
 * Whether gpg read the whole message and its integrity check held. Its exit status alone does not tell: it takes a
 * file that is not encrypted at all, and fails where only the signer's key is missing, or where something that is not
 * OpenPGP follows the message.
 */
function isSound(report: GnupgReport, isProtected: boolean): boolean {
  if (!hasStatus(report, 'DECRYPTION_OKAY')) return false;
  if (isProtected && !hasStatus(report, 'GOODMDC')) return false;
  if (report.exitStatus === 0) return true;
  const harmful = ['BADMDC', 'BADSIG', 'ERROR', 'FAILURE', 'DECRYPTION_FAILED', 'UNEXPECTED'];
  if (report.exitStatus === undefined || harmful.some((keyword) => hasStatus(report, keyword))) return false;
  return hasUncheckedSignature(report) || (isProtected && hasStatus(report, 'NODATA'));
}

const NO_PUBLIC_KEY = 9;

function hasUncheckedSignature(report: GnupgReport): boolean {
  const codes = statusFields(report, 'ERRSIG').map((fields) => errorCode(fields[5]));
  return codes.length > 0 && codes.every((code) => code === NO_PUBLIC_KEY);
}

/**
 * Fingerprint of the key whose signature is good, even if the key has expired since. If a subkey signed, and the key
 * that is expected is the one it belongs to, it is that key's.
 */
function signerOf(report: GnupgReport, expectedKey: string | undefined): string | undefined {
  const isGood = ['GOODSIG', 'EXPSIG', 'EXPKEYSIG'].some((keyword) => hasStatus(report, keyword));
  const [signature] = statusFields(report, 'VALIDSIG');
  if (!isGood || signature === undefined) return undefined;
  const signer = signature[0];
  const primary = signature[9];
  const expected = expectedKey?.replace(/^0x/, '').toUpperCase();
  return expected !== undefined && primary?.endsWith(expected) ? primary : signer;
}

function tempFolderFull(folder: string, cause: unknown): TundraError {
  return new TundraError('no-free-space', `no room for a decrypted file in ${folder}: ${messageOf(cause)}`, {
    advice: 'Free some space there, or name another folder with --tempdir.',
    retry: 'later',
    cause,
  });
}
