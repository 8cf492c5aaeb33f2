import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { needs } from '../../test/peers.js';
import { commandSchemas, everyCommand } from './commands.js';
import { type CommandSchema, longNames, type OptionSchema, optionSchemas, optionsOf } from './options.js';

const schemas: readonly OptionSchema[] = optionSchemas;

describe('the tables of options and commands', () => {
  it('have each name once', () => {
    const names = schemas.flatMap((schema) => [...longNames(schema), ...(schema.short ?? [])]);
    assert.deepEqual(
      names.filter((name, at) => names.indexOf(name) !== at),
      [],
    );
    const words = (commandSchemas as readonly CommandSchema[]).flatMap(({ name, aliases }) => [
      name,
      ...aliases,
    ]);
    assert.equal(new Set(words).size, words.length);
  });

  it('name the value of each option that takes one, and of no other', () => {
    for (const { name, kind, value, values, help } of schemas) {
      assert.equal(value === undefined, kind === 'flag' || kind === 'selection-flag', name);
      assert.equal(values !== undefined, kind === 'choice' || kind === 'verbosity', name);
      assert.match(help, /[^.]$/, `${name}: a help without a full stop`);
    }
  });

  it('have every option of duplicity, with a value where it takes one', (t) => {
    if (!needs(t, 'duplicity')) return;
    const script = `
import optparse, sys
sys.argv = ['duplicity', 'collection-status', 'file:///nowhere']
from duplicity import commandline
def tell(parser, args=None, values=None):
    for option in parser.option_list:
        for name in option._long_opts + option._short_opts:
            print(name, 1 if option.takes_value() else 0)
    sys.exit(0)
optparse.OptionParser.parse_args = tell
commandline.parse_cmdline_options([])
`;
    const { stdout } = spawnSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8' });
    const lines = stdout.trim().split('\n');
    assert.ok(lines.length > 90, stdout);
    for (const line of lines) {
      const [spelling = '', takes] = line.split(' ');
      const bare = spelling.replace(/^-+/, '');
      const schema = schemas.find((option) => option.short === bare || longNames(option).includes(bare));
      assert.ok(schema, `${spelling} of duplicity is not in the table`);
      assert.equal(schema.value !== undefined, takes === '1', spelling);
    }
  });

  it('give every command its options', () => {
    for (const command of everyCommand) {
      const names = optionsOf(command).map(({ name }) => name);
      for (const name of ['help', 'verbosity', 'config']) assert.ok(names.includes(name), command);
      assert.equal(names.includes('archive-dir'), command !== 'demo' && command !== 'completion', command);
      assert.equal(names.includes('volsize'), ['backup', 'full', 'incremental'].includes(command), command);
    }
  });
});
