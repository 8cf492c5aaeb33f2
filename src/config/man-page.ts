/** The manual page, in troff with man(7) macros: names and meanings from the tables, and what stands between them. */

import { argumentMeanings, environmentVariables } from './meanings.js';
import {
  type CommandName,
  type CommandSchema,
  commandSchemas,
  type OptionSchema,
  optionSchemas,
} from './options.js';
import { type OptionGroup, optionGroups } from './schema.js';

/** A piece of text: a paragraph, a paragraph that begins with what it explains, or lines as they are. */
type Block = string | { term: string; text: string } | { example: readonly string[] };

/** The whole page. */
export function manPage(): string {
  const sections: [string, Block[]][] = [
    ['NAME', ["tundra - encrypted, incremental backups for cold storage, in duplicity's format"]],
    ['SYNOPSIS', [{ example: synopsis }]],
    ['DESCRIPTION', description],
    ['COMMANDS', [...commandNotes, ...commandSchemas.map(commandBlock)]],
  ];
  const lines = [
    '.\\" Made from src/config by "npm run docs".',
    '.TH TUNDRA 1 "" tundra "User Commands"',
    '.nh',
    '.ad l',
  ];
  for (const [title, blocks] of sections) lines.push(`.SH ${title}`, ...blocks.flatMap(blockLines));
  lines.push('.SH OPTIONS', ...optionNotes.flatMap(blockLines));
  for (const group of Object.keys(optionGroups) as OptionGroup[]) lines.push(...groupLines(group));
  for (const [title, blocks] of closingSections) lines.push(`.SH ${title}`, ...blocks.flatMap(blockLines));
  return `${lines.join('\n')}\n`;
}

/** A line of text in troff: what would mean something to it is escaped. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('…', '\\&...')
    .replace(/^[.]/, '\\&.');
}

function blockLines(block: Block): string[] {
  if (typeof block === 'string') return ['.PP', escaped(block)];
  if ('example' in block) return ['.PP', '.nf', '.RS 4', ...block.example.map(escaped), '.RE', '.fi'];
  return ['.TP', `.B "${escaped(block.term).replaceAll('"', '\\(dq')}"`, escaped(block.text)];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function commandBlock(command: CommandSchema): Block {
  const { name, aliases, help } = command;
  const remarks = aliases.length === 0 ? [] : [`Other names: ${aliases.join(', ')}.`];
  return {
    term: [name, ...command.arguments].join(' '),
    text: [sentence(help), ...remarks].join(' '),
  };
}

function groupLines(group: OptionGroup): string[] {
  const options = (optionSchemas as readonly OptionSchema[]).filter((option) => option.group === group);
  return [`.SS "${escaped(optionGroups[group])}"`, ...options.map(optionBlock).flatMap(blockLines)];
}

function optionBlock(option: OptionSchema): Block {
  const { name, short, aliases = [], oldNames = [], value, values, help, ignored, missing } = option;
  const names = [
    ...(short === undefined ? [] : [`-${short}`]),
    ...[name, ...aliases].map((long) => `--${long}`),
  ];
  const remarks = [
    ...(values === undefined ? [] : [`Values: ${values.join(', ')}.`]),
    ...(option.commands === undefined ? [] : commandsRemark(option.commands)),
    ...(oldNames.length === 0 ? [] : [`Old name: ${oldNames.map((old) => `--${old}`).join(', ')}.`]),
    ...(ignored === undefined ? [] : [`Taken and without effect: ${ignored}.`]),
    ...(missing === undefined ? [] : [`Refused with status 33: this build has no ${missing}.`]),
  ];
  return {
    term: value === undefined ? names.join(', ') : `${names.join(', ')} ${value}`,
    text: [sentence(help), ...remarks].join(' '),
  };
}

function commandsRemark(commands: readonly CommandName[]): string[] {
  return commands.length === commandSchemas.length ? [] : [`For ${commands.join(', ')}.`];
}

const synopsis = [
  'tundra [backup|full|incremental] [OPTIONS] SOURCE URL',
  'tundra [restore] [OPTIONS] URL TARGET',
  'tundra COMMAND [OPTIONS] ARGUMENTS',
  'tundra COMMAND @NAME [OPTIONS] [ARGUMENTS]',
];

const description: Block[] = [
  'tundra backs up a folder to files of limited size, compressed and encrypted, on a storage that it need not trust. After ' +
    'the first backup only what changed is stored. It reads and writes the format of duplicity(1) and takes its command line: ' +
    'either program goes on with what the other made.',
  'A backup consists of volumes, which hold the files, of signatures, which hold what is known of them, and of manifests, ' +
    'which tell what lies where. Volumes may lie in cold storage, which must be asked hours before it can be read: only ' +
    'restore, verify, drill and thaw ask for them.',
];

const commandNotes: Block[] = [
  'Without a command, SOURCE URL backs up and URL TARGET restores. The beginning of a command is enough where it fits only one ' +
    'of those that duplicity has.',
  ...Object.entries(argumentMeanings).map(([term, text]) => ({ term, text: sentence(text) })),
];

const optionNotes: Block[] = [
  'Options stand before, between and behind the arguments, up to --. A value stands behind a blank or behind =, that of a ' +
    'letter also right behind it. The beginning of a long option is enough where it fits only one. An option that a command ' +
    'has no use for is taken and does nothing there.',
];

const closingSections: [string, Block[]][] = [
  [
    'TIME FORMATS',
    [
      'Where an option or an argument wants a TIME, it takes:',
      { term: 'now', text: 'The time at which the run began.' },
      { term: '1445412151', text: 'Seconds since 1970 began in UTC.' },
      {
        term: '1D12h',
        text: 'An interval before now. Units: s, m (minutes), h, D, W, M (30 days), Y (365 days).',
      },
      {
        term: '2002-04-26T04:22:01-07:00',
        text: 'Date, time and zone. Without a zone, the standard time here.',
      },
      { term: '20020426T112201Z', text: 'The same in UTC, as it stands in file names.' },
      { term: '2002/4/26, 2002-04-26, 4/26/2002, 04-26-2002', text: 'Midnight, when that day began.' },
    ],
  ],
  [
    'FILE SELECTION',
    [
      'The selection options are read in their order for each path, and the first that matches decides. A path that none ' +
        'matches is backed up. A folder is looked into if something in it may be backed up. Selection applies to backups and to ' +
        'verify.',
      'A GLOB is a whole path that begins with that of the source folder, or with **/. * stands for any characters but /, ** ' +
        'for any characters, ? for one that is not /, […] for one of those inside. In front, "ignorecase:" makes both cases ' +
        'the same. What lies in a folder that matches, matches too.',
      'A REGEXP is one of Python, and is searched for in the path. It says nothing about what lies in a folder that it matches.',
      'A list of files has a glob in each line. "+ " in front includes, "- " excludes; # begins a comment. With ' +
        '--null-separator, a NUL ends each of them.',
    ],
  ],
  [
    'URL FORMATS',
    [
      { term: 'file:///FOLDER', text: 'A folder on the local disk. It is made if it is not there.' },
      { term: 'swift://CONTAINER[/PREFIX]', text: 'OpenStack Swift, with the account in SWIFT_… variables.' },
      {
        term: 'pca://CONTAINER[/PREFIX]',
        text: 'Public Cloud Archive of OVHcloud, which is cold, with the account in PCA_… variables.',
      },
      {
        term: 'multi:///FILE?mode=mirror|stripe&onfail=abort|continue&subpath=PATH',
        text:
          'Several storages as one, as the JSON in FILE tells: a list of { "description", "url", "env": [{ "name", "value" }], ' +
          '"prefixes": […] }. A file goes to the storages of which a prefix begins its name; so manifests and signatures can ' +
          'lie hot, and volumes cold.',
      },
      {
        term: 'cold+file:///FOLDER?thaw=SECONDS',
        text: 'A folder that behaves like cold storage, for rehearsals.',
      },
      'Addresses of other kinds, which duplicity knows, are refused with status 33.',
    ],
  ],
  [
    'CONFIGURATION',
    [
      '$XDG_CONFIG_HOME/tundra/config.json, or else ~/.config/tundra/config.json, or the file that --config names, holds ' +
        'options and targets, in JSON:',
      {
        example: [
          '{',
          '  "options": { "volsize": 100, "archive-dir": "/var/cache/tundra" },',
          '  "targets": {',
          '    "photos": {',
          '      "source": "/srv/photos",',
          '      "url": "swift://photos",',
          '      "options": { "exclude": ["**/cache", "**/*.tmp"], "full-if-older-than": "3M" },',
          '      "env": { "PASSPHRASE": "secret", "SWIFT_USERNAME": "me", "SWIFT_PASSWORD": "secret" }',
          '    }',
          '  }',
          '}',
        ],
      },
      'Any long option may stand in "options", without its dashes: a flag with true or false, a number with a number, all ' +
        'others with a text; those that may be given several times with a list of texts; --rename with a list of lists of ' +
        'two texts.',
      '@NAME stands for the "url" of a target, and where the command line leaves out the folder of a backup or of verify, ' +
        'for its "source" too: "tundra backup @photos", "tundra restore @photos /tmp/photos". A target\'s "env" holds for it alone ' +
        'and wins over the environment.',
      'The command line wins over the options of the target, and these win over the general ones; an option counts as the ' +
        'nearest has it, with all its values. Only selection adds up: the rules of the command line come first, then those of ' +
        'the target, then the general ones, each in the order in which they stand. Where rules of different names take turns, ' +
        '"selection" lists them one by one:',
      { example: ['"selection": [{ "include": "/srv/photos/raw" }, { "exclude": "/srv/photos/*" }]'] },
      'A key that means nothing, a value of the wrong type and a key that stands twice are errors. Where the file holds ' +
        'secrets, nobody else should be able to read it: chmod 600.',
    ],
  ],
  ['ENVIRONMENT', environmentVariables.map(([term, text]) => ({ term, text: sentence(text) }))],
  [
    'EXIT STATUS',
    (
      [
        ['0', 'done'],
        ['1', 'verify found differences, entries could not be restored, or another error'],
        ['2', 'the command line is wrong'],
        ['3', 'the backup is of another host'],
        ['4, 5, 6', 'there are no manifests, they differ, or they cannot be read'],
        ['7', 'a list of files cannot be read'],
        ['8', 'the address is wrong'],
        ['9', 'the local archive folder cannot be used'],
        ['10', 'the signing key cannot be used'],
        ['11', 'the restore target exists'],
        ['12, 13', 'the folder to verify, or the source folder, is missing'],
        [
          '14, 15, 16',
          'a selection option lies outside of the source folder, is no pattern, or has no effect',
        ],
        ['17, 18', 'there is nothing that an incremental backup can build on; there are no signatures'],
        ['19, 20', 'the path is not in the backup; there is nothing to restore'],
        ['21, 22', 'a volume is damaged; a volume is not signed by the key that was asked for'],
        ['23', 'another run holds the lock, or settings do not fit one another'],
        ['30', 'an unexpected failure, or a test asked for it'],
        ['31', 'encryption or decryption failed'],
        ['33', 'this build does not have it'],
        ['34', 'the local disk is full'],
        ['38', 'no connection'],
        ['42', 'the backup is of another source folder'],
        ['44', 'a volume arrived with another size'],
        ['45', 'the encryption differs from that of the interrupted backup'],
        [
          '50 to 55',
          'the storage failed: in general, no permission, not found, no space, a command, a status',
        ],
        ['75', 'what was asked for in cold storage cannot be read yet'],
      ] as const
    ).map(([term, text]) => ({ term, text: sentence(text) })),
  ],
  [
    'FILES',
    [
      {
        term: '~/.cache/duplicity/NAME',
        text: "Local archive of a backup: copies of manifests and signatures. NAME is that of --name, or made of the address. It is duplicity's own.",
      },
      { term: '~/.config/tundra/config.json', text: 'The configuration file.' },
      { term: '~/.config/tundra/prices.json', text: 'Prices of cold storage.' },
    ],
  ],
  [
    'EXAMPLES',
    [
      'Back up a folder; then only what changed, with a full backup each month:',
      {
        example: [
          'tundra full /home/me file:///mnt/backup',
          'tundra --full-if-older-than 1M /home/me file:///mnt/backup',
        ],
      },
      'See what there is, and restore a folder as it was three days ago:',
      {
        example: [
          'tundra collection-status file:///mnt/backup',
          'tundra list-current-files --time 3D file:///mnt/backup',
          'tundra restore --time 3D --path-to-restore photos/2024 file:///mnt/backup /tmp/photos',
        ],
      },
      'Compare the backup with the disk, and delete what is older than a year:',
      {
        example: [
          'tundra verify --compare-data file:///mnt/backup /home/me',
          'tundra remove-older-than 1Y --force file:///mnt/backup',
        ],
      },
      'A target of the configuration file:',
      { example: ['tundra backup @photos', 'tundra plan @photos', 'tundra restore @photos /tmp/photos'] },
      'Let bash complete command lines:',
      { example: ['eval "$(tundra completion bash)"'] },
    ],
  ],
  ['SEE ALSO', ['duplicity(1), duply(1), gpg(1), rdiff(1)']],
];
