import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TundraError } from '../base/errors.js';
import { parseConfiguration } from './config-file.js';
import { optionSchemas } from './options.js';
import { layered } from './settings.js';

const parse = (value: unknown) =>
  parseConfiguration(typeof value === 'string' ? value : JSON.stringify(value, null, 1), 'c.json', (path) =>
    path.replace('~', '/home/me'),
  );

function refusal(value: unknown): string {
  try {
    parse(value);
  } catch (error) {
    assert.ok(error instanceof TundraError && error.code === 'user-error', String(error));
    return error.message;
  }
  return assert.fail('it was taken');
}

describe('parseConfiguration', () => {
  it('reads options of every kind', () => {
    const { options, selection } = parse({
      options: {
        volsize: 100,
        'no-encryption': true,
        'dry-run': false,
        name: 'n',
        'archive-dir': '~/a',
        'encrypt-key': ['A', 'B'],
        'gpg-options': ['--x', '--y'],
        'file-to-restore': 'old/name',
        rename: [['a', '~/b']],
        verbosity: 'info',
        'metadata-sync-mode': 'full',
        exclude: ['**/cache', '**/*.tmp'],
        'exclude-device-files': true,
        selection: [{ include: '/a' }, { 'exclude-regexp': 'x$' }],
        include: '/b',
      },
    }).settings;
    assert.equal(options.number('volsize'), 100);
    assert.equal(options.flag('no-encryption'), true);
    assert.equal(options.flag('dry-run'), false);
    assert.equal(options.text('name'), 'n');
    assert.equal(options.text('archive-dir'), '/home/me/a');
    assert.deepEqual(options.list('encrypt-key'), ['A', 'B']);
    assert.equal(options.text('gpg-options'), '--x --y');
    assert.equal(options.text('path-to-restore'), 'old/name');
    assert.deepEqual(options.pairs('rename'), [['a', '/home/me/b']]);
    assert.equal(options.number('verbosity'), 5);
    assert.equal(options.text('metadata-sync-mode'), 'full');
    assert.deepEqual(
      selection.map(({ name, value }) => `${name} ${value}`),
      [
        'exclude **/cache',
        'exclude **/*.tmp',
        'exclude-device-files ',
        'include /a',
        'exclude-regexp x$',
        'include /b',
      ],
    );
  });

  it('reads targets', () => {
    const { targets } = parse({
      targets: {
        photos: { source: '~/photos', url: 'file:///p', options: { volsize: 5 }, env: { PASSPHRASE: 'x' } },
        'a.b-c': { url: 'file:///q' },
      },
    });
    const photos = targets.get('photos')!;
    assert.equal(photos.source, '/home/me/photos');
    assert.equal(photos.settings.options.number('volsize'), 5);
    assert.deepEqual([...photos.environment], [['PASSPHRASE', 'x']]);
    assert.deepEqual([targets.get('a.b-c')?.source, targets.get('a.b-c')?.url], [undefined, 'file:///q']);
    assert.equal(parse('{}').targets.size, 0);
  });

  it('says where a mistake stands, and what was probably meant', () => {
    const told: [unknown, RegExp][] = [
      [
        '{\n"optoins": {}}',
        /^c\.json, line 2: the file has the key "optoins", .*; did you mean "options"\?$/,
      ],
      ['{"options": {\n"volsiz": 1}}', /line 2: "options" has the key "volsiz".* mean "volsize"\?/],
      [{ options: { config: 'x' } }, /"config", which means nothing/],
      [{ options: { volsize: '100' } }, /"volsize" must be a whole number above 0$/],
      [{ options: { volsize: 0 } }, /"volsize": "0" is not a whole number above 0/],
      [{ options: { volsize: 1.5 } }, /"1\.5" is not a whole number/],
      [{ options: { name: 5 } }, /"name" must be a text in quotes/],
      [{ options: { name: ['a'] } }, /"name" must be a text in quotes/],
      [{ options: { force: 'yes' } }, /"force" must be true or false/],
      [{ options: { exclude: [5] } }, /"exclude" must be a text, or a list of texts/],
      [{ options: { rename: [['a']] } }, /"rename" must be a list of lists of two paths/],
      [{ options: { 'metadata-sync-mode': 'x' } }, /"x" is not full or partial/],
      [{ options: { name: 'a\0b' } }, /NUL/],
      [{ options: { selection: { include: 'x' } } }, /"selection" must be a list/],
      [{ options: { selection: [{ volsize: 5 }] } }, /an item of "selection" has the key "volsize"/],
      [{ options: [] }, /"options" must be an object/],
      [{ targets: { a: {} } }, /target "a" has no "url"/],
      [{ targets: { a: { url: 'u', source: 'here' } } }, /must be a whole path/],
      [{ targets: { a: { url: 'u', env: { 'A-B': 'x' } } } }, /"A-B" cannot be the name of an environment/],
      [{ targets: { a: { url: 'u', env: { A: 5 } } } }, /"A" must be a text/],
      [{ targets: { 'a/b': { url: 'u' } } }, /the name "a\/b" of a target/],
      ['{"options": {"volsize": 1, "volsize": 2}}', /the key "volsize" stands twice/],
      ['', /the end of the text/],
      ['[]', /the file must be an object/],
    ];
    for (const [value, pattern] of told) assert.match(refusal(value), pattern);
  });

  it('takes every option but those of a command line alone', () => {
    const samples = {
      count: 1,
      positive: 1,
      verbosity: 3,
      flag: true,
      'selection-flag': true,
      pairs: [['a', 'b']],
    };
    for (const schema of optionSchemas) {
      const { name, kind } = schema;
      if (['config', 'help', 'help-all', 'version'].includes(name)) continue;
      const value =
        'values' in schema ? schema.values[0] : kind in samples ? samples[kind as keyof typeof samples] : 'x';
      const { options, selection } = parse({ options: { [name]: value } }).settings;
      assert.ok(options.flag(name) || selection[0]?.name === name, name);
    }
  });

  it('never fails in any other way, whatever it is given', () => {
    const key = fc.constantFrom(
      'options',
      'targets',
      'url',
      'source',
      'env',
      'exclude',
      'volsize',
      'selection',
      'a',
      '__proto__',
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom<unknown>(null, true, 0, 7, -1, 1e300, '', 'x', '\0', '@'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.oneof(
          tree.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          try {
            parse(text);
          } catch (error) {
            assert.ok(error instanceof TundraError && error.code === 'user-error', String(error));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('layered', () => {
  it('lets the nearest settings that have an option decide, and adds up selection', () => {
    const near = parse({ options: { volsize: 1, 'encrypt-key': 'A', exclude: 'a', force: false } }).settings;
    const far = parse({
      options: { volsize: 2, name: 'n', 'encrypt-key': ['B', 'C'], include: 'b', force: true },
    }).settings;
    const { options, selection } = layered(near, far);
    assert.equal(options.number('volsize'), 1);
    assert.equal(options.text('name'), 'n');
    assert.deepEqual(options.list('encrypt-key'), ['A']);
    assert.equal(options.flag('force'), false);
    assert.deepEqual(
      selection.map(({ value }) => value),
      ['a', 'b'],
    );
    assert.equal(far.options.number('volsize'), 2);
  });
});
