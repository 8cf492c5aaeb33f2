/** How options and commands are described. Parser, help, man page, completion and configuration file read it. */

import type { CommandName } from './commands.js';

/** How an option's value is read. */
export type OptionKind =
  /** Given or not. */
  | 'flag'
  | 'text'
  /** A path: `~` and `$NAME` in it stand for what they stand for in a shell. */
  | 'path'
  /** A time, as users give it. */
  | 'time'
  /** One of `values`. */
  | 'choice'
  /** Text that may be given several times. */
  | 'list'
  /** Options for another program: given several times, they are joined by a space. */
  | 'words'
  /** Two paths, that may be given several times. */
  | 'pairs'
  /** Whole number, 0 or more. */
  | 'count'
  /** Whole number, 1 or more. */
  | 'positive'
  /** A verbosity: 0 to 9 or a word. */
  | 'verbosity'
  /** An include or exclude: its place among the others counts. */
  | 'selection'
  /** The same, without a value. */
  | 'selection-flag';

export const optionGroups = {
  selection: 'File selection',
  backup: 'Backup',
  restore: 'Restore and verify',
  status: 'Status',
  cold: 'Cold storage',
  names: 'File names',
  encryption: 'Encryption',
  storage: 'Storage',
  log: 'Messages and logs',
  general: 'General',
  tests: 'For tests',
  ssl: 'Encrypted connections of webdavs:// and ftps://',
  ssh: 'sftp:// and scp://',
  ftp: 'ftp://',
  s3: 's3://',
  azure: 'azure://',
  'other storages': 'Other storages',
} as const;
export type OptionGroup = keyof typeof optionGroups;

export interface OptionSchema {
  /** Long name, without the dashes. */
  name: string;
  /** One letter. */
  short?: string;
  /** Other long names for the same. */
  aliases?: readonly string[];
  /** Names that duplicity gave up: taken, with a notice that tells today's. */
  oldNames?: readonly string[];
  /** Where `name` comes from, if not from duplicity 0.8: only names of 0.8 may be abbreviated freely. */
  since?: '3' | 'tundra';
  kind: OptionKind;
  /** What the value is called in the help. */
  value?: string;
  /** The values there are, where their set is fixed. */
  values?: readonly string[];
  help: string;
  group: OptionGroup;
  /** The commands it says something to; without it all that open a backup. The others take it and do nothing with it. */
  commands?: readonly CommandName[];
  /** One of those that most users need: it stands in the short help. */
  isCommon?: boolean;
  /** It is taken and does nothing: why. */
  ignored?: string;
  /** It is refused: what this build does not have. */
  missing?: string;
}

export type ArgumentName = 'SOURCE' | 'URL' | 'TARGET' | 'FOLDER' | 'TIME' | 'COUNT' | 'SHELL';

/** A command, its names and its arguments. */
export interface CommandSchema {
  name: string;
  aliases: readonly string[];
  arguments: readonly ArgumentName[];
  help: string;
  /** Not one of duplicity's: its name must be written whole. */
  since?: 'tundra';
}
