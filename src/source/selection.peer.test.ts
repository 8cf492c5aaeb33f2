import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Latin1, latin1OfNative } from '../base/path-key.js';
import { type PeerOption, peerWalks, type WalkQuestion } from './peer.fixture.js';
import { selectedByPeer, selectedPaths } from './selected.fixture.js';
import { setMtime, type Tree, testTree } from './tree.fixture.js';

/** How many pairs of a tree and options are tried. */
const pairs = Number(process.env.TUNDRA_SELECTION_PAIRS ?? 60);

const day = 86_400;
const someTime = 1_600_000_000;

describe('selection options, beside the peer', () => {
  it(`select the same of ${pairs} trees`, (t) => {
    const samples = fc.sample(fc.tuple(trees, optionSets, fc.boolean()), {
      seed: 20_260_104,
      numRuns: pairs,
    });
    const questions = samples.map(([tree, optionsAt, nullSeparator]): WalkQuestion => {
      const root = testTree(t, tree);
      for (const [index, [path, entry]] of Object.entries(tree).entries()) {
        if (entry === 'file') setMtime(`${root}/${path}`, someTime + index * day + 0.25);
      }
      const separator = nullSeparator ? '\0' : '\n';
      return { root, options: optionsAt(root, Object.keys(tree), separator), nullSeparator };
    });
    const answers = peerWalks(t, questions);
    if (answers === undefined) return;
    const seen = { errors: 0, some: 0 };
    const counted = new Set<string>();
    for (const [index, question] of questions.entries()) {
      const expected = selectedByPeer(answers[index]!);
      assert.deepEqual(selectedPaths(question), expected, JSON.stringify(question));
      const total = Object.keys(samples[index]![0]).length;
      if (expected.error !== undefined) seen.errors += 1;
      else if (expected.paths!.length > 1 && expected.paths!.length < total) seen.some += 1;
      for (const { name } of question.options) counted.add(name);
    }
    assert.ok(seen.errors >= pairs / 20 && seen.some > pairs / 4, JSON.stringify(seen));
    assert.equal(counted.size, 8, [...counted].join());
  });

  it('leave out the same device files and file systems', (t) => {
    if (!existsSync('/dev/null')) return t.skip('needs device files');
    const others: PeerOption = { name: 'exclude-other-filesystems', value: '' };
    const devices: PeerOption = { name: 'exclude-device-files', value: '' };
    // An include does not get round the device files, wherever they are named, but round the others.
    const include: PeerOption = { name: 'include', value: '/dev/nul*' };
    const questions: WalkQuestion[] = [[others], [others, devices], [include, others, devices]].map(
      (options) => ({
        root: '/dev',
        options,
      }),
    );
    const answers = peerWalks(t, questions);
    if (answers === undefined) return;
    const found = questions.map(selectedPaths);
    assert.deepEqual(found, answers.map(selectedByPeer));
    assert.deepEqual(
      found.map(({ paths }) => paths?.includes('null')),
      [true, false, false],
    );
  });
});

const names = [
  ...[
    'a',
    'b',
    'ab',
    'B',
    'a.txt',
    'A.TXT',
    '.skip',
    'a b',
    ' a',
    '[b]',
    '+ a',
    '- a',
    '#a',
    "'a'",
    '"a"',
    'i',
  ],
  ...['caf\u00e9', 'CAF\u00c9', 'new\nline', 'cr\r', '10', 'x*'].map(latin1OfNative),
  ...['\xff', 'a\xc3', '\xc2\xa0'],
];

/** A dozen entries or so, in folders of folders. */
const trees: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }), fc.nat(9)), {
    minLength: 5,
    maxLength: 15,
  })
  .map((entries) => {
    const tree: Tree = {};
    for (const [parts, kind] of entries) {
      const folders = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
      const path = parts.join('/');
      if (tree[path] !== undefined) continue;
      if (folders.some((folder) => tree[folder] !== undefined && tree[folder] !== 'directory')) continue;
      for (const folder of folders) tree[folder] = 'directory';
      tree[path] = kind === 0 ? { link: 'a' } : kind < 3 ? 'directory' : 'file';
    }
    return tree;
  });

type OptionAt = (root: Latin1, paths: Latin1[], separator: Latin1) => PeerOption;

const random = fc.nat(2 ** 31 - 1);

/** One of the paths as a glob: as it is or made wilder. */
const globs = fc.tuple(random, fc.nat(11)).map(([pick, way]) => (root: Latin1, paths: Latin1[]): Latin1 => {
  const path = paths[pick % paths.length]!;
  switch (way) {
    case 0:
      return '**';
    case 1:
      return `${root}/${path}/`;
    case 2:
      return `**${path.replace(/^[^/]+/, '')}`;
    case 3:
      return `${root}/${path.replace(/[^/]+$/, '*')}`;
    case 4:
      return `ignorecase:${root}/${path}`;
    case 5:
      return `**/${path.split('/').at(-1)}`;
    case 6:
      return `/elsewhere/${path}`;
    case 7:
      return `${root}/${path.replace(/[ab]/, '[ab]')}`;
    default:
      return `${root}/${path}`;
  }
});

const regExps = fc.tuple(random, fc.nat(11)).map(([pick, way]) => (root: Latin1, paths: Latin1[]): Latin1 => {
  const path = paths[pick % paths.length]!;
  const plain = path.replace(/[.*+?[\]()\\#]/g, '\\$&');
  const name = plain.split('/').at(-1)!;
  const ways = [
    ...[`^${root}/${plain}$`, `${plain}\\Z`, `(?i)/${name}`, `/(?P<x>${name})(/|$)`, `(?i:${name})$`],
    ...['/\\w{1,2}$', '[^\\w/]', `(?s)/a.*${name}`, '(?m)^line', `/${name}/(?!a)`, '\\d+$', `/${name}[`],
  ];
  return ways[way]!;
});

const lines = fc.array(
  fc.tuple(
    globs,
    fc.constantFrom('', '', '', '+ ', '- '),
    fc.constantFrom('', '', '', '"', "'"),
    fc.constantFrom('', '', '', ' ', '\t'),
    fc.constantFrom('', '', '', '#', '\r'),
  ),
  { minLength: 0, maxLength: 5 },
);

const optionAt: fc.Arbitrary<OptionAt> = fc.oneof(
  fc.tuple(fc.constantFrom('include', 'exclude'), globs).map(
    ([name, glob]): OptionAt =>
      (root, paths) => ({ name, value: glob(root, paths) }),
  ),
  fc.tuple(fc.constantFrom('include-regexp', 'exclude-regexp'), regExps).map(
    ([name, regExp]): OptionAt =>
      (root, paths) => ({ name, value: regExp(root, paths) }),
  ),
  fc.tuple(fc.constantFrom('include-filelist', 'exclude-filelist'), lines).map(
    ([name, all]): OptionAt =>
      (root, paths, separator) => ({
        name,
        value: all
          .map(([glob, sign, quote, blank, odd]) => {
            const line = `${blank}${sign}${quote}${glob(root, paths)}${quote}${blank}`;
            if (odd === '#') return `# ${line}${separator}`;
            // With NUL between them, tundra leaves the carriage returns in names alone.
            return odd === '\r' && separator === '\n' ? `${line}\r\n\n` : line + separator;
          })
          .join('')
          .replaceAll('\r', (cr) => (separator === '\n' ? cr : '')),
      }),
  ),
  random.map(
    (pick): OptionAt =>
      (_root, paths) => ({
        name: 'exclude-if-present',
        value: paths[pick % paths.length]!.split('/').at(-1)!,
      }),
  ),
  fc.nat(15).map(
    (days): OptionAt =>
      () => ({ name: 'exclude-older-than', value: `${someTime + days * day}` }),
  ),
);

type OptionsAt = (...at: Parameters<OptionAt>) => PeerOption[];

const optionSets: fc.Arbitrary<OptionsAt> = fc
  .tuple(fc.array(optionAt, { minLength: 1, maxLength: 5 }), fc.nat(3))
  .map(
    ([all, end]): OptionsAt =>
      (...at) => {
        const options = all.map((option) => option(...at));
        // Most would else end with an include, which is refused.
        if (end > 1) options.push({ name: 'exclude', value: '**' });
        if (end === 1) options.push({ name: 'exclude', value: `${at[0]}/a*` });
        return options;
      },
  );
