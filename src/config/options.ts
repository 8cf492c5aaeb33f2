/**
 * Every option of the command line as data: parsing, help and checks come from this table alone. Names and meanings are
 * duplicity's, of 0.8 and of 3.x.
 */

/** How an option's value is read. */
export type OptionKind =
  /** Given or not. */
  | 'flag'
  | 'text'
  /** Text that may be given several times. */
  | 'list'
  /** Two texts, that may be given several times. */
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

export interface OptionSchema {
  /** Long name, without the dashes. */
  name: string;
  /** One letter. */
  short?: string;
  /** Other long names for the same. */
  aliases?: readonly string[];
  kind: OptionKind;
  /** What the value is called in the help. */
  value?: string;
  help: string;
}

export const optionSchemas = [
  { name: 'include', kind: 'selection', value: 'GLOB', help: 'back up what matches (first match wins)' },
  { name: 'exclude', kind: 'selection', value: 'GLOB', help: 'leave out what matches (first match wins)' },
  {
    name: 'include-regexp',
    kind: 'selection',
    value: 'REGEXP',
    help: 'back up paths in which this is found',
  },
  {
    name: 'exclude-regexp',
    kind: 'selection',
    value: 'REGEXP',
    help: 'leave out paths in which this is found',
  },
  {
    name: 'include-filelist',
    aliases: ['include-globbing-filelist'],
    kind: 'selection',
    value: 'FILE',
    help: 'globs to include (+) or exclude (-), one in a line; "-" is standard input',
  },
  {
    name: 'exclude-filelist',
    aliases: ['exclude-globbing-filelist'],
    kind: 'selection',
    value: 'FILE',
    help: 'the same, but lines without + or - exclude',
  },
  { name: 'include-filelist-stdin', kind: 'selection-flag', help: 'old name of --include-filelist -' },
  { name: 'exclude-filelist-stdin', kind: 'selection-flag', help: 'old name of --exclude-filelist -' },
  {
    name: 'files-from',
    kind: 'selection',
    value: 'FILE',
    help: 'back up only these paths below the source folder, one in a line',
  },
  { name: 'null-separator', kind: 'flag', help: 'NUL, not a line end, ends each line of a list of files' },
  {
    name: 'exclude-if-present',
    kind: 'selection',
    value: 'NAME',
    help: 'leave out folders in which there is something of this name',
  },
  { name: 'exclude-device-files', kind: 'selection-flag', help: 'leave out device files' },
  {
    name: 'exclude-other-filesystems',
    kind: 'selection-flag',
    help: 'leave out what is not on the file system of the source folder',
  },
  {
    name: 'exclude-older-than',
    kind: 'selection',
    value: 'TIME',
    help: 'leave out files that were last changed before',
  },
  {
    name: 'filter-globbing',
    kind: 'selection-flag',
    help: 'patterns behind this are globs, as they are without it',
  },
  {
    name: 'filter-literal',
    kind: 'selection-flag',
    help: 'patterns behind this are paths, of which every character counts',
  },
  { name: 'filter-regexp', kind: 'selection-flag', help: 'patterns behind this are regular expressions' },
  {
    name: 'filter-ignorecase',
    kind: 'selection-flag',
    help: 'patterns behind this match letters in either case',
  },
  {
    name: 'filter-strictcase',
    kind: 'selection-flag',
    help: 'patterns behind this tell the cases of letters apart, as they do without it',
  },

  { name: 'volsize', kind: 'positive', value: 'MB', help: 'largest size of a volume (200)' },
  { name: 'full-if-older-than', kind: 'text', value: 'TIME', help: 'full backup if the last one is older' },
  { name: 'allow-source-mismatch', kind: 'flag', help: 'accept another host or source folder than before' },
  { name: 'dry-run', kind: 'flag', help: 'tell what would be done, change nothing' },
  { name: 'copy-links', short: 'L', kind: 'flag', help: 'back up what symbolic links lead to' },
  { name: 'max-blocksize', kind: 'positive', value: 'BYTES', help: 'largest block of a signature (2048)' },
  { name: 'no-files-changed', kind: 'flag', help: 'keep no list of changed files in the manifest' },
  { name: 'no-print-statistics', kind: 'flag', help: 'print no statistics after a backup' },
  { name: 'skip-if-no-change', kind: 'flag', help: 'make no incremental backup where nothing has changed' },
  {
    name: 'jsonstat',
    kind: 'flag',
    help: 'keep statistics of each backup as JSON on the storage, and tell them in status',
  },
  { name: 'progress', kind: 'flag', help: 'tell how far a backup is' },
  { name: 'progress-rate', kind: 'positive', value: 'SECONDS', help: 'how often (3)' },
  {
    name: 'fail',
    kind: 'positive',
    value: 'N',
    help: 'stop with status 30 after volume N was sent (for tests)',
  },
  { name: 'skip-volume', kind: 'positive', value: 'N', help: 'do not send volume N (for tests)' },
  {
    name: 'asynchronous-upload',
    kind: 'flag',
    help: 'accepted: volumes are always sent while the next is made',
  },
  { name: 'concurrency', kind: 'count', value: 'N', help: 'volumes to send at once (1)' },
  { name: 'name', kind: 'text', value: 'NAME', help: "the backup's name: its folder under --archive-dir" },
  { name: 'archive-dir', kind: 'text', value: 'FOLDER', help: 'local archive folders (~/.cache/duplicity)' },
  { name: 'tempdir', kind: 'text', value: 'FOLDER', help: 'temporary files' },
  {
    name: 'current-time',
    kind: 'count',
    value: 'SECONDS',
    help: 'take this for the current time (for tests)',
  },

  {
    name: 'path-to-restore',
    short: 'r',
    aliases: ['file-to-restore'],
    kind: 'text',
    value: 'PATH',
    help: 'restore or verify only this path',
  },
  {
    name: 'time',
    short: 't',
    aliases: ['restore-time'],
    kind: 'text',
    value: 'TIME',
    help: 'the state at this time',
  },
  { name: 'force', kind: 'flag', help: 'do it even if that overwrites or deletes' },
  {
    name: 'rename',
    kind: 'pairs',
    value: 'FROM TO',
    help: 'restore what lies below the path FROM to the path TO; may be given several times',
  },
  { name: 'no-xattrs', kind: 'flag', help: 'neither back up nor restore extended attributes' },
  { name: 'no-acls', kind: 'flag', help: 'neither back up nor restore POSIX ACLs' },
  {
    name: 'no-hard-links',
    kind: 'flag',
    help: 'do not note which files are one with several names; restore each by itself',
  },
  { name: 'numeric-owner', kind: 'flag', help: 'restore owners by number, not by name' },
  {
    name: 'no-restore-ownership',
    aliases: ['do-not-restore-ownership'],
    kind: 'flag',
    help: 'restored files belong to whoever restores them',
  },
  { name: 'compare-data', kind: 'flag', help: 'verify: compare with the files on disk' },
  { name: 'wait', kind: 'flag', help: 'thaw: wait until all that was asked for can be read' },
  {
    name: 'no-wait',
    kind: 'flag',
    help: 'restore, verify: ask for what is in cold storage, and do not wait',
  },
  {
    name: 'spool-size',
    kind: 'positive',
    value: 'MB',
    help: 'volumes from cold storage to keep on the local disk at once (20000)',
  },
  {
    name: 'prices',
    kind: 'text',
    value: 'FILE',
    help: 'prices of cold storage (~/.config/tundra/prices.json)',
  },
  { name: 'files', kind: 'positive', value: 'N', help: 'drill: how many files to try (5)' },
  { name: 'max-thaw', kind: 'count', value: 'MB', help: 'drill: thaw no more than this (1000)' },
  { name: 'max-wait', kind: 'text', value: 'TIME', help: 'drill: wait no longer than this for a thaw (1D)' },
  { name: 'json', kind: 'flag', help: 'plan, thaw, drill: report as JSON' },
  { name: 'ignore-errors', kind: 'flag', help: 'restore what can be restored of a damaged backup' },

  { name: 'file-changed', kind: 'text', value: 'PATH', help: 'status: the sets in which this file changed' },
  {
    name: 'show-changes-in-set',
    kind: 'count',
    value: 'N',
    help: 'status: files changed in the set, 0 is the last',
  },
  { name: 'metadata-sync-mode', kind: 'text', value: 'full|partial', help: 'which metadata to keep here' },

  { name: 'file-prefix', kind: 'text', value: 'PREFIX', help: 'begins the name of every file' },
  { name: 'file-prefix-manifest', kind: 'text', value: 'PREFIX', help: 'begins the names of manifests' },
  {
    name: 'file-prefix-signature',
    kind: 'text',
    value: 'PREFIX',
    help: 'begins the names of signature files',
  },
  { name: 'file-prefix-archive', kind: 'text', value: 'PREFIX', help: 'begins the names of volumes' },

  { name: 'no-encryption', kind: 'flag', help: 'do not encrypt' },
  { name: 'no-compression', kind: 'flag', help: 'do not compress what is not encrypted' },
  { name: 'encrypt-key', kind: 'list', value: 'KEY', help: 'encrypt to this public key' },
  {
    name: 'hidden-encrypt-key',
    kind: 'list',
    value: 'KEY',
    help: 'the same, without naming the key in the files',
  },
  {
    name: 'sign-key',
    kind: 'text',
    value: 'KEY',
    help: 'sign with this key; restoring, ask for its signature',
  },
  { name: 'encrypt-sign-key', kind: 'text', value: 'KEY', help: 'encrypt to this key and sign with it' },
  { name: 'encrypt-secret-keyring', kind: 'text', value: 'FILE', help: 'secret keys to decrypt with' },
  { name: 'gpg-binary', kind: 'text', value: 'PROGRAM', help: 'the gpg program' },
  { name: 'gpg-options', kind: 'text', value: 'OPTIONS', help: 'further options for gpg' },
  { name: 'use-agent', kind: 'flag', help: 'let gpg-agent ask for passphrases of keys' },

  { name: 'num-retries', kind: 'positive', value: 'N', help: 'how often to try a storage operation (5)' },
  { name: 'backend-retry-delay', kind: 'count', value: 'SECONDS', help: 'time between the tries (30)' },
  { name: 'timeout', kind: 'positive', value: 'SECONDS', help: 'how long a connection may be silent (30)' },

  {
    name: 'swift-storage-policy',
    kind: 'text',
    value: 'POLICY',
    help: 'storage policy of a Swift container',
  },
  {
    name: 'mp-segment-size',
    kind: 'positive',
    value: 'MB',
    help: 'Swift: send objects above this size in segments (1.1 times --volsize)',
  },

  { name: 'log-fd', kind: 'count', value: 'FD', help: 'write the machine log to this file descriptor' },
  { name: 'log-file', kind: 'text', value: 'FILE', help: 'add the machine log to this file' },
  { name: 'log-timestamp', kind: 'flag', help: 'begin each line with the time' },
  { name: 'verbosity', short: 'v', kind: 'verbosity', value: '0-9', help: 'how much to tell (3, notice)' },
  { name: 'help', short: 'h', kind: 'flag', help: 'print this help' },
  { name: 'version', short: 'V', kind: 'flag', help: 'print the version' },
] as const satisfies readonly OptionSchema[];

export type OptionName = (typeof optionSchemas)[number]['name'];

/** The options whose place among each other counts. */
export type SelectionOptionName = Extract<
  (typeof optionSchemas)[number],
  { kind: 'selection' | 'selection-flag' }
>['name'];

/** A command, its names and its arguments. */
export interface CommandSchema {
  name: string;
  aliases: readonly string[];
  arguments: readonly ('SOURCE' | 'URL' | 'TARGET' | 'FOLDER' | 'TIME' | 'COUNT')[];
  help: string;
}

export const commandSchemas = [
  {
    name: 'backup',
    aliases: ['bu'],
    arguments: ['SOURCE', 'URL'],
    help: 'back up: incremental if there is a backup to build on, else full',
  },
  { name: 'full', aliases: ['fb'], arguments: ['SOURCE', 'URL'], help: 'make a full backup' },
  {
    name: 'incremental',
    aliases: ['incr', 'inc', 'ib'],
    arguments: ['SOURCE', 'URL'],
    help: 'make an incremental backup',
  },
  { name: 'restore', aliases: ['rb'], arguments: ['URL', 'TARGET'], help: 'restore to a folder' },
  {
    name: 'verify',
    aliases: ['vb'],
    arguments: ['URL', 'TARGET'],
    help: 'make sure that the backup can be restored; with --compare-data, that it is what the folder holds',
  },
  {
    name: 'collection-status',
    aliases: ['st'],
    arguments: ['URL'],
    help: 'tell which backups there are',
  },
  { name: 'list-current-files', aliases: ['ls'], arguments: ['URL'], help: 'list the files in the backup' },
  {
    name: 'cleanup',
    aliases: ['cl'],
    arguments: ['URL'],
    help: 'delete what belongs to no finished backup; only tells without --force',
  },
  {
    name: 'remove-older-than',
    aliases: ['ro'],
    arguments: ['TIME', 'URL'],
    help: 'delete the chains whose last backup is older; only tells without --force',
  },
  {
    name: 'remove-all-but-n-full',
    aliases: ['ra'],
    arguments: ['COUNT', 'URL'],
    help: 'delete all but the last so many chains; only tells without --force',
  },
  {
    name: 'remove-all-inc-of-but-n-full',
    aliases: ['ri'],
    arguments: ['COUNT', 'URL'],
    help: 'delete the incremental backups of all but the last so many chains; only tells without --force',
  },
  {
    name: 'plan',
    aliases: [],
    arguments: ['URL'],
    help: 'tell what a restore needs from cold storage, how long that takes and what it costs; asks for nothing',
  },
  {
    name: 'drill',
    aliases: [],
    arguments: ['URL'],
    help: 'prove that the backup restores: thaw, restore and compare some files picked at random',
  },
  { name: 'thaw', aliases: [], arguments: ['URL'], help: 'ask cold storage for what a restore needs' },
  {
    name: 'demo',
    aliases: [],
    arguments: ['FOLDER'],
    help: 'show the main job in a folder: back up to a hot and a cold store, change, restore, compare',
  },
] as const satisfies readonly CommandSchema[];

export type CommandName = (typeof commandSchemas)[number]['name'];
