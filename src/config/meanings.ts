import type { ArgumentName } from './schema.js';

/** What the arguments of commands mean. */
export const argumentMeanings: Record<ArgumentName, string> = {
  SOURCE: 'the folder to back up',
  URL: 'where the backup lies, such as file:///mnt/backup; or @NAME, a target of the configuration file',
  TARGET: 'the folder to restore to, or to compare with',
  FOLDER: 'a new or an empty folder (tundra-demo)',
  TIME: 'a time, such as 3D for three days ago, or 2002-04-26',
  COUNT: 'how many to keep, 1 or more',
  SHELL: 'bash, zsh or fish; or "targets"',
};

/** Environment variables and what they mean. */
export const environmentVariables: readonly (readonly [string, string])[] = [
  ['PASSPHRASE', 'passphrase to encrypt with, or of the key to decrypt with'],
  ['SIGN_PASSPHRASE', 'passphrase of the key to sign with; PASSPHRASE, if it is not set'],
  ['TMPDIR', 'folder for temporary files, without --tempdir'],
  ['XDG_CACHE_HOME', 'folder of the local archives, without --archive-dir (~/.cache)'],
  ['XDG_CONFIG_HOME', 'folder of the configuration (~/.config)'],
  ['NO_COLOR', 'if it is set, no colours'],
  ['SWIFT_…', 'account of swift:// addresses, as duplicity reads it'],
  ['PCA_…', 'account of pca:// addresses, as duplicity reads it'],
];
