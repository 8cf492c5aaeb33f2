import type { OptionName } from '../../src/config/options.js';

/** The file of a test, and its title or a part of it. */
type Place = readonly [file: string, title: string];

const selection = 'test/cli/selection-options.test.ts';
const backup = 'test/cli/backup-options.test.ts';
const effects = 'test/cli/option-effects.test.ts';
const restore = 'test/cli/restore-options.test.ts';
const stores = 'test/cli/names-and-stores.test.ts';
const names = 'test/cli/file-names.test.ts';
const cold = 'test/cold/cold-commands.test.ts';
const settings = 'src/cli/session-settings.test.ts';
const line = 'test/cli/command-line.test.ts';
const output = 'test/cli/output-options.test.ts';

const expressions: Place = [selection, 'select by regular expressions, times and names, in their order'];
const lists: Place = [selection, 'read lists of patterns'];
const standardInput: Place = [selection, 'read lists from standard input, also by their old names'];
const filters: Place = [selection, '--filter-… changes how the patterns that follow are read'];
const records: Place = [
  'test/cli/records.test.ts',
  'are left out where options say so, in a backup or a restore',
];
const set: Place = [settings, 'sets $'];

/** Where it is tested that each option does what it says. Options that are refused have one test for all. */
export const optionTests: Partial<Record<OptionName, Place>> = {
  include: ['test/cli/selection.test.ts', 'follows the order of the command line'],
  exclude: ['test/cli/selection.test.ts', 'follows the order of the command line'],
  'include-regexp': expressions,
  'exclude-regexp': expressions,
  'include-filelist': lists,
  'exclude-filelist': lists,
  'include-filelist-stdin': standardInput,
  'exclude-filelist-stdin': standardInput,
  'files-from': [selection, '--files-from takes the paths of a list'],
  'null-separator': lists,
  'exclude-if-present': expressions,
  'exclude-device-files': [selection, 'leave out device files and other file systems'],
  'exclude-other-filesystems': [selection, 'leave out device files and other file systems'],
  'exclude-older-than': expressions,
  'filter-globbing': filters,
  'filter-literal': filters,
  'filter-regexp': filters,
  'filter-ignorecase': filters,
  'filter-strictcase': filters,
  volsize: [stores, '--volsize bounds every volume'],
  'full-if-older-than': [
    backup,
    'a backup is incremental if it can be, and full if the last full one is older',
  ],
  'allow-source-mismatch': [backup, 'another source folder or host is refused unless allowed'],
  'dry-run': [backup, 'counts, and changes neither store nor archive'],
  'copy-links': ['test/cli/selection.test.ts', '--copy-links takes what links lead to'],
  'compress-level': [effects, '--compress-level trades size for time'],
  'max-blocksize': [effects, '--max-blocksize bounds the blocks of signatures'],
  'no-files-changed': [effects, '--no-files-changed leaves the list of files out of the manifest'],
  'skip-if-no-change': [backup, 'makes no incremental set where there would be nothing in it'],
  fail: [backup, 'stop a run behind a volume, and leave one out'],
  'skip-volume': [backup, 'stop a run behind a volume, and leave one out'],
  'no-print-statistics': [backup, 'are left out with --no-print-statistics'],
  concurrency: [effects, '--concurrency sends several volumes at once'],
  'current-time': [settings, '--current-time stops the clock'],
  'path-to-restore': [restore, 'takes a file, a folder, or a path with odd bytes out of a backup'],
  time: [restore, 'takes times in every form'],
  force: [restore, 'never writes over what is there, unless forced'],
  rename: ['test/cli/restore-rename.test.ts', 'restores to the same places as the peer'],
  'numeric-owner': [restore, 'restores owners by name or by number, or not at all'],
  'no-restore-ownership': [restore, 'restores owners by name or by number, or not at all'],
  'no-xattrs': records,
  'no-acls': records,
  'no-hard-links': records,
  'compare-data': [restore, 'tells every kind of difference with --compare-data'],
  'ignore-errors': ['test/faults/ignored-damage.test.ts', 'ends a run, unless errors are to be ignored'],
  wait: ['test/cold/cold-metadata.test.ts', 'is asked for by thaw, and with --wait the volumes as well'],
  'no-wait': [cold, '--no-wait ends with 75 and works later'],
  'spool-size': [cold, 'asks again for what was sealed before it could be fetched'],
  prices: [cold, 'tells what is needed, how it stands and what it costs'],
  files: [cold, 'tries as many files as --files says'],
  'max-thaw': [cold, 'tries as many files as --files says, of what --max-thaw allows'],
  'max-wait': [cold, 'waits no longer than --max-wait'],
  'file-changed': [effects, '--file-changed and --show-changes-in-set tell what changed'],
  'show-changes-in-set': [effects, '--file-changed and --show-changes-in-set tell what changed'],
  name: [stores, 'the local archive lies where --archive-dir and --name say'],
  'archive-dir': [stores, 'the local archive lies where --archive-dir and --name say'],
  tempdir: [stores, 'temporary files lie where --tempdir, else TMPDIR says'],
  'metadata-sync-mode': [effects, '--metadata-sync-mode full fetches the metadata of every chain'],
  'num-retries': set,
  'backend-retry-delay': set,
  timeout: set,
  'swift-storage-policy': set,
  'mp-segment-size': set,
  'file-prefix': [stores, '--file-prefix stands before the prefix of the kind'],
  'file-prefix-manifest': [stores, 'prefixes send metadata to the hot store and volumes to the cold one'],
  'file-prefix-signature': [stores, 'prefixes send metadata to the hot store and volumes to the cold one'],
  'file-prefix-archive': [stores, 'prefixes send metadata to the hot store and volumes to the cold one'],
  'short-filenames': [names, 'are written, read without it, and gone on with by duplicity'],
  'old-filenames': [names, 'are written, read without it, and gone on with by duplicity'],
  'time-separator': [names, 'have one character for a separator'],
  'no-encryption': set,
  'no-compression': set,
  'encrypt-key': set,
  'hidden-encrypt-key': set,
  'sign-key': set,
  'encrypt-sign-key': set,
  'encrypt-secret-keyring': set,
  'gpg-binary': set,
  'gpg-options': set,
  'use-agent': set,
  verbosity: [effects, '--verbosity decides what is told'],
  json: [output, 'reports to standard output, and tells all else on standard error'],
  jsonstat: [output, 'keeps the statistics of each set beside it, until the set goes'],
  'file-prefix-jsonstat': [output, 'keeps the statistics of each set beside it, until the set goes'],
  progress: [output, 'tells how far a backup is, and its end'],
  'progress-rate': [output, 'does so every --progress-rate seconds'],
  'log-fd': [output, 'add to a file, and go where the descriptor does'],
  'log-file': [output, 'add to a file, and go where the descriptor does'],
  'log-timestamp': [output, 'puts time and level before each record'],
  config: ['test/cli/configuration.test.ts', 'is the one that --config names, which must be there'],
  help: [line, 'is short, of a command, or whole'],
  'help-all': [line, 'is short, of a command, or whole'],
  version: ['test/cli/commands.test.ts', 'tell the version and the help'],
};
