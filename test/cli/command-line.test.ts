/** Help, refusals and notices of the command line, and what duplicity says to the same words. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { commandSchemas, longNames, type OptionSchema, optionSchemas } from '../../src/config/options.js';
import { needs } from '../peers.js';
import { smallTree } from './small-tree.js';
import { contentsOf, withTrial } from './trial.js';

const schemas: readonly OptionSchema[] = optionSchemas;
const sample = ({ kind, values }: OptionSchema) =>
  kind === 'flag' ? [] : [values?.[0] ?? (kind === 'count' || kind === 'positive' ? '5' : 'x')];

describe('help', () => {
  it('is short, of a command, or whole', () =>
    withTrial('plain', async (trial) => {
      const helpOf = async (...args: string[]) => (await trial.run(args)).stdout;
      const short = await helpOf('--help');
      assert.equal(await helpOf('-h'), short);
      for (const { name } of commandSchemas) assert.ok(short.includes(`\n  ${name}`), name);
      assert.match(short, /--volsize MB/);
      assert.doesNotMatch(short, /--max-blocksize|--s3-|--fail/);
      assert.ok(short.split('\n').length < 80);

      const restore = await helpOf('restore', '--help');
      assert.match(restore, /^Usage: tundra restore URL TARGET/);
      assert.match(restore, /--numeric-owner/);
      assert.doesNotMatch(restore, /--volsize|--exclude|--s3-/);
      assert.equal(await helpOf('--help', 'rb', 'url'), restore);

      const whole = await helpOf('--help-all');
      for (const schema of schemas) {
        for (const name of longNames(schema)) assert.ok(whole.includes(`--${name}`), name);
      }
      for (const line of [short, restore, await helpOf('completion', '--help'), whole].join('\n').split('\n'))
        assert.ok(line.length <= 100, line);
    }));
});

describe('an option for what this build does not have', () => {
  it('is refused by its name before anything is done', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const before = contentsOf(trial.folder);
      const absent = schemas.filter(({ missing }) => missing !== undefined);
      assert.ok(absent.length > 40);
      // A run for each group of storages; what makes the refusal is the same for all.
      const groups = new Map(absent.map((schema) => [schema.missing, schema]));
      for (const schema of groups.values()) {
        const { stderr } = await trial.run(
          ['full', `--${schema.name}`, ...sample(schema), trial.source, trial.url],
          { status: 33 },
        );
        assert.ok(
          stderr.includes(`--${schema.name} is for what this build does not have: ${schema.missing}.`),
          stderr,
        );
      }
      assert.deepEqual(contentsOf(trial.folder), before);
      await trial.run(['--ssh-askpass', '--help']);
    }));
});

describe('an option without effect', () => {
  it('is taken by every command', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const ignored = schemas.filter((schema) => schema.ignored !== undefined);
      const options = ignored.flatMap((schema) => [`--${schema.name}`, ...sample(schema)]);
      assert.ok(options.includes('--asynchronous-upload') && options.includes('--pydevd'));
      await trial.full(...options);
      await trial.run(['verify', ...options, trial.url, trial.source]);
    }));

  it('is also one that belongs to other commands', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full('--time', '1D', '--numeric-owner', '--show-changes-in-set', '0');
      await trial.run([
        'collection-status',
        '--volsize',
        '5',
        '--exclude',
        '**',
        '--compare-data',
        trial.url,
      ]);
    }));
});

describe('old names', () => {
  it('work, and a notice tells the new ones', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full();
      const target = trial.newTarget();
      const old = ['--file-to-restore', 'sub/c', '--do-not-restore-ownership'];
      const { stdout } = await trial.run(['restore', ...old, trial.url, target]);
      assert.match(stdout, /^--file-to-restore is an old name of --path-to-restore\.$/m);
      assert.match(stdout, /^--do-not-restore-ownership is an old name of --no-restore-ownership\.$/m);
      const quiet = await trial.run(['verify', '-v2', ...old, trial.url, trial.source]);
      assert.doesNotMatch(quiet.told, /old name/);
    }));
});

describe('a time', () => {
  it('that is none is refused before anything is done, whatever the command', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      for (const option of ['--time', '--full-if-older-than']) {
        const { stderr } = await trial.run(['full', option, 'foo', trial.source, trial.url], { status: 2 });
        assert.match(stderr, new RegExp(`^${option}: Bad time "foo"`));
      }
    }));
});

describe('words that duplicity refuses', () => {
  const lines = [
    ['--exclude-', 'x', 'a', 'b'],
    ['--progres', 'a', 'b'],
    ['--force=1', 'a', 'b'],
    ['-v', '10', 'a', 'b'],
    ['--volsize', 'x', 'a', 'b'],
    ['--metadata-sync-mode', 'x', 'a', 'b'],
    ['--time', 'foo', 'a', 'b'],
    ['re', 'a', 'b'],
    ['--no-such', 'a', 'b'],
    ['a'],
    ['a', 'b'],
    ['--time-separator', '-', 'a', 'file:///b'],
    [],
  ];
  it('are refused with the same status', (t) =>
    withTrial('plain', async (trial) => {
      if (!needs(t, 'duplicity')) return;
      for (const args of lines) {
        const env = { ...process.env, HOME: trial.home, PASSPHRASE: 'x' };
        const peer = spawnSync('duplicity', args, { encoding: 'utf8', env, cwd: trial.folder });
        assert.notEqual(peer.status, 0, args.join(' '));
        await trial.run(args, { status: 2, ownArchive: true });
      }
    }));
});
