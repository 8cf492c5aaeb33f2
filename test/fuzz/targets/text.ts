import { TundraError } from '../../../src/base/errors.js';
import { latin1OfNative } from '../../../src/base/path-key.js';
import { chainAt, readCatalog } from '../../../src/chain/catalog.js';
import { parseCommandLine } from '../../../src/cli/arguments.js';
import { readSelection } from '../../../src/cli/selection.js';
import { formatRemoteName, noPrefixes, parseRemoteName } from '../../../src/format/names.js';
import {
  formatTime,
  parseInterval,
  parseNameTime,
  parseUserTime,
  prettyTime,
} from '../../../src/format/times.js';
import { openFailure, sealFailure } from '../../../src/seal/gnupg/failures.js';
import { errorCode, parseStatus } from '../../../src/seal/gnupg/status.js';
import { parseSessionKey } from '../../../src/seal/library/session-keys.js';
import { parsePathList, parsePatternList } from '../../../src/source/file-list.js';
import { compileGlob } from '../../../src/source/glob.js';
import { compilePythonRegExp } from '../../../src/source/python-regexp.js';
import { pathText } from '../../../src/source/source-path.js';
import { thawTimes } from '../../../src/storage/cold-file/thaw-times.js';
import { multiOptions } from '../../../src/storage/multi/config.js';
import { isUrl, parseUrl } from '../../../src/storage/url.js';
import { sample } from '../samples.js';
import { about, type FuzzTarget } from '../target.js';

const lines = (...all: string[]) => Buffer.from(all.join('\n'), 'latin1');

/** What was thrown if it is a TundraError, as an outcome: for inputs of many lines, which all are to be tried. */
function outcomeOf(run: () => unknown): string {
  try {
    return `fine ${run() === undefined}`;
  } catch (error) {
    if (error instanceof TundraError) return error.code;
    throw error;
  }
}

/** A listing of a storage and one of the local archive, as chains. */
export const names: FuzzTarget = {
  samples: () => [
    lines(
      'duplicity-full.20020806T112200Z.vol1.difftar.gpg',
      'duplicity-full.20020806T112200Z.manifest.gpg',
      'duplicity-full-signatures.20020806T112200Z.sigtar.gpg',
      'duplicity-inc.20020806T112200Z.to.20020807T112200Z.vol1.difftar.gz',
      'duplicity-inc.20020806T112200Z.to.20020807T112200Z.manifest',
      'duplicity-new-signatures.20020806T112200Z.to.20020807T112200Z.sigtar.gz',
    ),
    lines(
      'df.gh0aj4.1.dt.z',
      'df.gh0aj4.m',
      'dfs.gh0aj4.st.g',
      'di.gh0aj4.gh0aj5.1.dt.g',
      'dns.gh0aj4.gh0aj5.st',
    ),
    lines(
      'duplicity-full.2002-08-06T04:22:00-07:00.manifest.part',
      'duplicity-full.1028633000.vol12.difftar',
    ),
  ],
  words: [
    'duplicity-full.',
    'duplicity-inc.',
    '20020806T112200Z',
    '99991231T235959Z',
    '2002-08-06T04_22_00-07_00',
    '.to.',
    '.vol',
    '999999999999999',
    '.difftar',
    '.manifest',
    '.sigtar',
    '.part',
    '.gpg',
    '.gz',
    '\n',
  ],
  run(bytes) {
    const listed = bytes.toString('latin1').split('\n');
    for (const name of listed) {
      const parsed = parseRemoteName(name, noPrefixes);
      if (parsed !== undefined) formatRemoteName(parsed, noPrefixes);
    }
    const middle = listed.length >> 1;
    const catalog = readCatalog(listed, listed.slice(middle), noPrefixes);
    chainAt(catalog, 1_028_633_000);
    const { chains, orphanedSets, incompleteSets, signatureChains, warnings } = catalog;
    return [chains, orphanedSets, incompleteSets, signatureChains, warnings]
      .map((all) => about(all.length))
      .join(' ');
  },
};

/** Times, of a name or given by a user. */
export const times: FuzzTarget = {
  samples: () => [
    lines(
      '20020806T112200Z',
      '2002-08-06T04:22:00-07:00',
      '1028633000',
      '1D12h',
      'now',
      '2002/4/26',
      '04/26/2002',
    ),
    lines('2002-08-06T04_22_00', '20020806Z', '3Y2M1W4D', '99999999999Y', '9999-12-31'),
  ],
  words: ['T', 'Z', '-07:00', '+99:99', '1D', 's', 'm', 'h', 'Y', 'now', '-', '/', ':', '\n'],
  mostBytes: 10_000,
  run(bytes) {
    const found = new Set<string>();
    for (const text of bytes.toString('latin1').split('\n')) {
      const time = parseNameTime(text);
      if (time !== undefined) prettyTime(Date.parse(formatTime(time)) || time);
      found.add(`${time === undefined}`);
      found.add(outcomeOf(() => parseInterval(text)));
      found.add(outcomeOf(() => formatTime(parseUserTime(text, 1_700_000_000))));
    }
    return [...found].sort().join(' ');
  },
};

const somePaths = ['/', '/a', '/a/b', '/a/b c', 'a', '/home/user/x.jpg', 'é\xff', 'aaaaaaaaaaaaaaab', '/a\n'];
const longPath = `/${'ab/'.repeat(1300)}`;

/** A glob, and paths that it is asked about. */
export const glob: FuzzTarget = {
  samples: () =>
    ['/a/**/b*', 'ignorecase:/A/[a-z]?', '**', '/a/[!b-d]x/', '*a*b*', '/', 'é[é-ü]'].map((text) =>
      lines(text),
    ),
  words: [
    '**',
    '*',
    '?',
    '[',
    ']',
    '[!',
    '[a-z]',
    '[z-a]',
    '-',
    '/',
    '//',
    'ignorecase:',
    '\xc3\xa9',
    '\xff',
    '**a',
  ],
  mostBytes: 9000,
  run(bytes) {
    const relate = compileGlob(pathText(bytes.toString('latin1')));
    const found = somePaths.map((path) => relate(pathText(path), path.endsWith('b'))[0]);
    return `${found.join('')} ${relate(longPath, true)}`;
  },
};

const watchMs = 50;

/** An expression of Python's, which may be busy with a path for no longer than it is allowed. */
export const regexp: FuzzTarget = {
  samples: () =>
    [
      '.*\\.jpg$',
      '^/a/(?P<n>[bc]+)/(?P=n)$',
      '(?i)[^a-z\\d_]|\\bx{2,3}?',
      '(?x) a b # c\n (?:d|e)*+',
      '(?<=a)b(?!c)',
      '\\x41\\u0042\\101\\Z',
      '(?s:.)(?-i:k)',
    ].map((text) => lines(text)),
  words: [
    '(?:',
    '(?P<a>',
    '(?P=a)',
    '(?i)',
    '(?a:',
    '(?<!',
    '(?>',
    '(?#',
    ')',
    '|',
    '*',
    '+?',
    '++',
    '{2,3}',
    '{,9}',
    '{999999}',
    '[^',
    ']',
    '\\w',
    '\\1',
    '\\99',
    '\\x4',
    '\\U0010ffff',
    '\\N{x}',
    '[\\d-z]',
  ],
  mostBytes: 2000,
  run(bytes, random) {
    const isFoundIn = compilePythonRegExp(pathText(bytes.toString('latin1')), random.oneIn(2), watchMs);
    return somePaths.map((path) => Number(isFoundIn(pathText(path)))).join('');
  },
};

/** Lists of paths and of patterns. */
export const fileList: FuzzTarget = {
  samples: () => [
    lines('# a comment', '+ /a/b', '- /a/**', '"/quoted "', "'x'", '', '  /blank  '),
    Buffer.from('a/b\0c\n\0./d//e\0', 'latin1'),
  ],
  words: ['+ ', '- ', '#', '"', "'", '..', '/', './', '\n', '\r\n', '\0', '\xa0', '\xe2\x80\xa8'],
  async run(bytes, random) {
    const text = bytes.toString('latin1');
    const separator = random.oneIn(2) ? '\n' : '\0';
    const patterns = parsePatternList(text, separator, 'include');
    return `${about(patterns.length)} ${outcomeOf(() => about(parsePathList(text, separator).length))}`;
  },
};

/** Addresses of storages, with the options that some have behind the `?`. */
export const url: FuzzTarget = {
  samples: () =>
    [
      'file:///usr/local',
      'sftp://user:pass%20word@[::1]:22//path;x?y#z',
      'multi:///a/c.json?mode=mirror&onfail=abort&subpath=x',
      'cold+file:///a?thaw=5-60&keep=3600',
      'rsync://host::module/a',
      'swift://container/folder/',
    ].map((text) => lines(text)),
  words: [
    '://',
    '//',
    '@',
    ':',
    '[',
    ']',
    '%',
    '%00',
    '%ff',
    '?',
    '#',
    '&',
    '=',
    'mode=',
    'thaw=',
    'keep=',
    '\t',
    'file:',
  ],
  run(bytes) {
    const text = bytes.toString('utf8');
    isUrl(text);
    const parsed = parseUrl(text);
    const options = [() => multiOptions(parsed), () => thawTimes(parsed)].map(outcomeOf);
    return `${parsed.scheme.slice(0, 9)} ${parsed.host === undefined} ${parsed.port === undefined} ${options}`;
  },
};

const quiet = {
  separator: '\n' as const,
  now: 1_700_000_000,
  environment: { HOME: '/root', X: 'y' },
  notice: () => {},
};

/** Arguments of the command line, each behind a NUL, and the selection that they are. */
export const commandLine: FuzzTarget = {
  samples: () =>
    [
      ['full', '--include', '/a', '--exclude=**', '-v9', '/a', 'file:///b'],
      ['restore', '--rename', 'a', 'b', '-t', '3D', '--path-to-restore', 'x/y', 'file:///b', '/t'],
      [
        '--exclude-older-than',
        '1D',
        '--filter-regexp',
        '--include-regexp',
        'a+',
        '--exclude-if-present',
        '.x',
        's',
        'u',
      ],
      ['remove-all-but-n-full', '3', '--force', 'file:///b', '--volsize', '25', '--verbosity', 'info'],
    ].map((all) => Buffer.from(all.join('\0'))),
  words: [
    '\0',
    '--',
    '-',
    '=',
    '--volsize\0',
    '--rename\0',
    '--include\0',
    '--no-',
    '-v',
    '--verbosity=',
    '~',
    '$X',
    '$',
  ],
  mostBytes: 4000,
  async run(bytes) {
    // Lists would be read from the disk.
    const line = parseCommandLine(bytes.toString('utf8').split('\0'));
    const own = line.selection.filter(({ name }) => !/filelist|files-from/.test(name));
    const rules = await readSelection(own, quiet);
    for (const rule of rules)
      if ('glob' in rule) outcomeOf(() => compileGlob(pathText(latin1OfNative(rule.glob))));
    return `${line.command} ${about(line.arguments.length)} ${rules.map(({ kind }) => kind[0]).join('')}`;
  },
};

/** What the gpg program says on its status descriptor. */
export const gnupgStatus: FuzzTarget = {
  samples: () => [sample('gpg-status.txt')],
  words: [
    '[GNUPG:] ',
    'INV_RECP 10 ',
    'INV_SGNR ',
    'BADSIG ',
    'BADMDC\n',
    'ERROR x ',
    'FAILURE x 11_BAD_PASSPHRASE',
    'NO_SECKEY 0000',
    'ERRSIG ',
    'SESSION_KEY 9:00FF',
    'NODATA 1',
    '\n',
  ],
  run(bytes, random) {
    const text = bytes.toString('utf8');
    const statusLines = parseStatus(text);
    const report = {
      exitStatus: random.pick([0, 2, undefined]),
      statusLines,
      log: random.pick(['', 'said']),
    };
    const failures = [sealFailure(report, random.oneIn(2)), openFailure(report, 'x.gpg', random.oneIn(2))];
    for (const { fields } of statusLines) {
      errorCode(fields[1]);
      parseSessionKey(fields[0] ?? '');
    }
    return `${about(statusLines.length)} ${failures.map(({ message }) => message.slice(0, 30)).join(' ')}`;
  },
};
