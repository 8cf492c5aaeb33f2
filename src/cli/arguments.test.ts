import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TundraError } from '../base/errors.js';
import { commandSchemas, longNames, type OptionSchema, optionSchemas } from '../config/options.js';
import { parseCommandLine } from './arguments.js';

const schemas: readonly OptionSchema[] = optionSchemas;

function refusal(...argv: string[]): string {
  try {
    parseCommandLine(argv);
  } catch (error) {
    assert.ok(error instanceof TundraError, String(error));
    assert.equal(error.exitStatus, 2);
    return error.message.replace('Command line error: ', '');
  }
  return assert.fail(`${argv.join(' ')} was taken`);
}

describe('parseCommandLine', () => {
  it('takes command, options and arguments in any order', () => {
    for (const argv of [
      ['full', '--volsize', '25', 'src', 'file:///to', '--name=n'],
      ['--volsize=25', 'full', '--name', 'n', 'src', 'file:///to'],
      ['--name=n', '--volsize', '25', '--', 'full', 'src', 'file:///to'],
    ]) {
      const line = parseCommandLine(argv);
      assert.equal(line.command, 'full');
      assert.deepEqual(line.arguments, ['src', 'file:///to']);
      assert.equal(line.options.number('volsize'), 25);
      assert.equal(line.options.text('name'), 'n');
    }
  });

  it('knows each command by its name, its aliases and any beginning that is one of no other', () => {
    for (const { name, aliases } of commandSchemas) {
      for (const word of [name, ...aliases]) assert.equal(parseCommandLine([word]).command, name, word);
    }
    assert.equal(parseCommandLine(['coll', 'url']).command, 'collection-status');
    assert.equal(parseCommandLine(['rest', 'url', 'to']).command, 'restore');
  });

  it('names no command where the first argument is none', () => {
    for (const argv of [['./full', 'url'], ['', 'full'], ['fullest', 'url'], []]) {
      const line = parseCommandLine(argv);
      assert.equal(line.command, undefined);
      assert.deepEqual(line.arguments, argv);
    }
  });

  it('takes what follows a double dash for arguments', () => {
    const line = parseCommandLine(['full', '--', '--src', '-v']);
    assert.deepEqual(line.arguments, ['--src', '-v']);
  });

  it('reads every option of the table by each of its names', () => {
    const samples = {
      text: 'x',
      path: 'x',
      time: '3D',
      list: 'x',
      words: 'x',
      count: '0',
      positive: '7',
      verbosity: 'info',
      selection: '**',
    };
    for (const schema of schemas) {
      const { kind, short } = schema;
      const name = schema.name as (typeof optionSchemas)[number]['name'];
      const spellings = longNames(schema).map((long) => [`--${long}`]);
      if (short !== undefined) spellings.push([`-${short}`]);
      for (const spelling of spellings) {
        if (kind === 'pairs') {
          const { options } = parseCommandLine([...spelling, 'a', 'b', 'full', ...spelling, 'c', 'd']);
          assert.deepEqual(options.pairs(name), [
            ['a', 'b'],
            ['c', 'd'],
          ]);
          assert.throws(() => parseCommandLine([...spelling, 'a']), /needs two values/);
          continue;
        }
        const isFlag = kind === 'flag' || kind === 'selection-flag';
        const value = isFlag ? '' : kind === 'choice' ? schema.values![0]! : samples[kind];
        const { options, selection } = parseCommandLine([...spelling, ...(isFlag ? [] : [value])]);
        const isSelection = kind === 'selection' || kind === 'selection-flag';
        if (isSelection) assert.deepEqual(selection, [{ name, given: spelling[0], value }]);
        else assert.ok(options.flag(name), `${spelling}`);
      }
    }
  });

  it('keeps includes and excludes in their order', () => {
    const { selection } = parseCommandLine([
      '--include',
      'a',
      '--exclude=é',
      '--exclude-device-files',
      '--exclude-globbing-filelist',
      '-',
      '--include',
      '-b',
    ]);
    assert.deepEqual(selection, [
      { name: 'include', given: '--include', value: 'a' },
      { name: 'exclude', given: '--exclude', value: 'é' },
      { name: 'exclude-device-files', given: '--exclude-device-files', value: '' },
      { name: 'exclude-filelist', given: '--exclude-globbing-filelist', value: '-' },
      { name: 'include', given: '--include', value: '-b' },
    ]);
  });

  it('gathers lists, and lets the last of other values stand', () => {
    const { options } = parseCommandLine(['--encrypt-key=A', '--encrypt-key', 'B', '--name=a', '--name=b']);
    assert.deepEqual(options.list('encrypt-key'), ['A', 'B']);
    assert.equal(options.text('name'), 'b');
    assert.deepEqual(options.list('hidden-encrypt-key'), []);
    assert.equal(options.text('tempdir'), undefined);
    assert.equal(options.number('volsize'), undefined);
    assert.equal(options.flag('force'), false);
  });

  it('reads a verbosity as a digit, a word or its first letter', () => {
    const read = (value: string) => parseCommandLine([`-v${value}`]).options.number('verbosity');
    for (const [value, expected] of [
      ['0', 0],
      ['9', 9],
      ['error', 0],
      ['WARNING', 2],
      ['n', 3],
      ['Info', 5],
      ['D', 9],
    ] as const) {
      assert.equal(read(value), expected, value);
    }
    for (const value of ['10', '-1', 'elephant', 'infos', 'x', '5.0'])
      assert.match(refusal(`--verbosity=${value}`), /neither/);
    assert.match(refusal('--verbosity='), /neither/);
  });

  it('takes only whole numbers in reach where it wants one', () => {
    assert.equal(parseCommandLine(['--backend-retry-delay=0']).options.number('backend-retry-delay'), 0);
    assert.match(refusal('--volsize', '0'), /"0" is not a whole number above 0/);
    for (const value of ['', '-5', '1.5', '1e3', '0x10', ' 1', '9'.repeat(16), 'ten']) {
      assert.match(refusal(`--volsize=${value}`), /^--volsize: ".*" is not a whole number above 0$/);
      assert.match(refusal(`--backend-retry-delay=${value}`), /is not a whole number$/);
    }
  });

  it('says what a value is missing or too much for', () => {
    assert.equal(refusal('full', '--volsize'), '--volsize needs a value (MB)');
    assert.equal(refusal('-t'), '-t needs a value (TIME)');
    assert.equal(refusal('--force=yes'), '--force takes no value');
    assert.equal(refusal('--dry-run='), '--dry-run takes no value');
  });

  it('names an option that is near one that it does not know', () => {
    assert.equal(refusal('--volsiez', '5'), 'no such option: --volsiez; did you mean --volsize?');
    assert.equal(refusal('--excludes', 'x'), 'no such option: --excludes; did you mean --exclude?');
    assert.equal(
      refusal('--hidden-encryption-key=x'),
      'no such option: --hidden-encryption-key; did you mean --hidden-encrypt-key?',
    );
    assert.equal(refusal('--quite-another'), 'no such option: --quite-another');
    assert.match(refusal('-Z'), /^no such option: -Z/);
    assert.match(refusal('--__proto__'), /^no such option: --__proto__/);
    assert.match(refusal('--constructor=x'), /^no such option: --constructor/);
  });

  it('takes a beginning of a long option that fits no other, as duplicity does', () => {
    const line = parseCommandLine([
      '--exclude-dev',
      '--no-enc',
      '--vols',
      '7',
      '--archive=x',
      '--file-to',
      'p',
    ]);
    assert.deepEqual(line.selection, [{ name: 'exclude-device-files', given: '--exclude-dev', value: '' }]);
    assert.equal(line.options.flag('no-encryption'), true);
    assert.equal(line.options.number('volsize'), 7);
    assert.equal(line.options.text('archive-dir'), 'x');
    assert.equal(line.options.text('path-to-restore'), 'p');
    assert.equal(
      refusal('--pro'),
      '--pro may be --progress or --progress-rate',
      'also where both begin with one that is whole',
    );
    assert.match(refusal('--exclude-'), /^--exclude- may be --exclude-device-files, .* or --exclude-regexp$/);
    assert.equal(parseCommandLine(['--progress']).options.flag('progress-rate'), false);
  });

  it('takes a beginning that is clear to duplicity 0.8 although tundra has more that fit', () => {
    assert.equal(parseCommandLine(['--max', '4096']).options.number('max-blocksize'), 4096);
    assert.equal(parseCommandLine(['--spool', '3']).options.number('spool-size'), 3);
  });

  it('refuses a beginning that fits several commands of duplicity, and takes no beginning of others', () => {
    assert.match(refusal('re', 'a', 'b'), /^"re" may be restore, remove-older-than, .* or replicate$/);
    for (const word of ['pla', 'dem', 'thaw-']) assert.equal(parseCommandLine([word]).command, undefined);
    assert.equal(parseCommandLine(['co', 'url']).command, 'collection-status');
  });

  it('tells the new name where an old one is given', () => {
    const { notices, options } = parseCommandLine(['--file-to-restore=a', '--do-not-restore-ownership']);
    assert.deepEqual(notices, [
      '--file-to-restore is an old name of --path-to-restore.',
      '--do-not-restore-ownership is an old name of --no-restore-ownership.',
    ]);
    assert.equal(options.text('path-to-restore'), 'a');
    assert.deepEqual(parseCommandLine(['--path-to-restore=a', '--restore-time=1D']).notices, []);
    assert.deepEqual(parseCommandLine(['--fail-on-volume', '2']).options.number('fail'), 2);
  });

  it('joins options for other programs', () => {
    const { options } = parseCommandLine(['--gpg-options=--a --b', '--gpg-options', '--c=d']);
    assert.equal(options.text('gpg-options'), '--a --b --c=d');
  });

  it('reads ~ and variables in paths and arguments, not in addresses', () => {
    const environment = { HOME: '/home/me', DATA: 'd' };
    const line = parseCommandLine(
      ['full', '~/$DATA', 'file:///$DATA', '--archive-dir=~/a', '--tempdir', '$DATA/$NONE', '--name=~'],
      environment,
    );
    assert.deepEqual(line.arguments, ['/home/me/d', 'file:///$DATA']);
    assert.equal(line.options.text('archive-dir'), '/home/me/a');
    assert.equal(line.options.text('tempdir'), 'd/$NONE');
    assert.equal(line.options.text('name'), '~');
  });

  it('reads letters alone, together, and with the value behind', () => {
    for (const argv of [
      ['-v9', '-t', '3D'],
      ['-v', '9', '-t3D'],
      ['-Lv9', '-t3D'],
      ['-L', '-vd', '-t3D'],
    ]) {
      const { options } = parseCommandLine(argv);
      assert.equal(options.number('verbosity'), 9);
      assert.equal(options.text('time'), '3D');
    }
    assert.equal(refusal('-LZ'), 'no such option: -Z');
  });

  it('takes only values that there are', () => {
    assert.equal(parseCommandLine(['--metadata-sync-mode=full']).options.text('metadata-sync-mode'), 'full');
    assert.equal(refusal('--metadata-sync-mode', 'x'), '--metadata-sync-mode: "x" is not full or partial');
  });

  it('never fails in any other way, whatever it is given', () => {
    const words = fc.oneof(
      fc.constantFrom('--', '-', '', '--volsize', '-v', '-vv', '--force', '--no-force', '--toString', 'full'),
      fc.constantFrom(...schemas.map(({ name }) => `--${name}`)),
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.string({ maxLength: 6 }).map((text) => `-${text}`),
      fc.string({ maxLength: 6 }).map((text) => `--${text}`),
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 6 }), (argv) => {
        try {
          parseCommandLine(argv);
        } catch (error) {
          assert.ok(error instanceof TundraError && error.code === 'command-line', String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});
