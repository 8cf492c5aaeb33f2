/** The configuration file: options, targets, and which settings win. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { describeTree } from '../trees/describe.js';
import { smallTree } from './small-tree.js';
import { contentsOf, namesIn, passphrase, type Trial, withTrial } from './trial.js';

/** Writes the configuration file of the trial's user, or another. */
function configure(
  trial: Trial,
  value: unknown,
  path = join(trial.home, '.config/tundra/config.json'),
): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value), { mode: 0o600 });
  return path;
}

const listed = (stdout: string) =>
  stdout
    .split('\n')
    .map((line) => /^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} (.*)$/.exec(line)?.[1])
    .filter((name) => name !== undefined);

describe('a target', () => {
  it('is backed up, listed, verified and restored by its name', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const state = describeTree(trial.source);
      const options = { exclude: ['**/nothing-of-this-name'] };
      configure(trial, { targets: { photos: { source: trial.source, url: trial.url, options } } });
      await trial.run(['@photos']);
      assert.ok(namesIn(trial.store).some((name) => name.startsWith('duplicity-full.')));
      await trial.run(['full', '@photos', '--current-time', '4000000000']);
      await trial.run(['backup', '@photos', '--current-time', '4000000001']);
      assert.match((await trial.run(['status', '@photos'])).stdout, /Incremental/);
      assert.ok(listed((await trial.run(['list-current-files', '@photos'])).stdout).includes('sub/c'));
      assert.match((await trial.run(['verify', '--compare-data', '@photos'])).stdout, /0 differences/);
      for (const command of [['restore'], []]) {
        const target = trial.newTarget();
        const { stdout } = await trial.run([...command, '@photos', target]);
        assert.deepEqual(describeTree(target), state);
        // Rules of the target are there for its backups.
        assert.doesNotMatch(stdout, /this restores all/);
        const line = [...command, '@photos', trial.newTarget(), '--exclude', '**/nothing'];
        assert.match((await trial.run(line)).stdout, /this restores all/);
      }
      assert.match(
        (await trial.run(['remove-older-than', '1D', '@photos', '--current-time', '4100000000'])).stdout,
        /Found old backup chain/,
      );
    }));

  it('of a name that is not there, or twice, or without a folder to back up, is an error', () =>
    withTrial('plain', async (trial) => {
      const none = await trial.run(['backup', '@photos'], { status: 2 });
      assert.match(none.stderr, /there is no target @photos\n.*there is none; --config names one/);
      configure(trial, { targets: { docs: { url: trial.url } } });
      const other = await trial.run(['backup', '@photos'], { status: 2 });
      assert.match(other.stderr, /no target @photos\n.*config\.json has @docs/);
      const without = await trial.run(['backup', '@docs'], { status: 2 });
      assert.match(without.stderr, /@docs has no "source"/);
      const twice = await trial.run(['restore', '@docs', '@docs'], { status: 2 });
      assert.match(twice.stderr, /only one target/);
      // With the folder named, nothing is missing.
      smallTree(trial.source);
      await trial.run(['full', trial.source, '@docs']);
    }));

  it('has an environment of its own, which wins', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const env = { PASSPHRASE: passphrase };
      configure(trial, { targets: { photos: { source: trial.source, url: trial.url, env } } });
      await trial.run(['full', '@photos'], { env: { PASSPHRASE: 'another one' } });
      await trial.run(['verify', trial.url, trial.source]);
      await trial.run(['verify', '@photos'], { env: { PASSPHRASE: undefined } });
    }));
});

describe('settings', () => {
  it('of the command line win over those of the target, and these over general ones', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      configure(trial, {
        options: { 'file-prefix': 'general-', 'no-print-statistics': true },
        targets: {
          a: { source: trial.source, url: trial.url, options: { 'file-prefix': 'target-' } },
          b: { source: trial.source, url: trial.url, options: { 'no-print-statistics': false } },
        },
      });
      const beginnings = () => [...new Set(namesIn(trial.store).map((name) => name.split('-')[0]))];
      assert.doesNotMatch((await trial.run(['full', '@a'])).stdout, /Statistics/);
      assert.deepEqual(beginnings(), ['target']);
      await trial.run(['full', '@a', '--file-prefix', 'line-']);
      assert.deepEqual(beginnings(), ['line', 'target']);
      assert.match((await trial.run(['full', '@b'])).stdout, /Statistics/);
      assert.deepEqual(beginnings(), ['general', 'line', 'target']);
    }));

  it('of selection add up, the nearer first', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const at = (name: string) => join(trial.source, name);
      configure(trial, {
        options: { exclude: at('empty') },
        targets: {
          t: {
            source: trial.source,
            url: trial.url,
            options: { selection: [{ include: at('sub/c') }, { exclude: at('sub') }] },
          },
        },
      });
      await trial.run(['full', '@t', '--exclude', at('a')]);
      const names = listed((await trial.run(['list-current-files', '@t'])).stdout);
      assert.deepEqual(
        ['a', 'empty', 'sub/c', 'sub/b'].map((name) => names.includes(name)),
        [false, false, true, false],
      );
      // The command line decides before the target does.
      const later = ['--current-time', '4000000000'];
      await trial.run(['full', '@t', '--include', at('sub'), ...later]);
      const more = listed((await trial.run(['list-current-files', '@t', ...later])).stdout);
      assert.ok(more.includes('sub/b'), more.join());
    }));
});

describe('the file', () => {
  it('is the one that --config names, which must be there', () =>
    withTrial('plain', async (trial) => {
      const path = configure(
        trial,
        { targets: { photos: { source: trial.source, url: trial.url } } },
        trial.path('other.json'),
      );
      smallTree(trial.source);
      await trial.run(['full', '@photos', '--config', path]);
      rmSync(path);
      const { stderr } = await trial.run(['full', '@photos', '--config', path], { status: 23 });
      assert.match(stderr, /could not read the configuration file .*other\.json: ENOENT/);
    }));

  it('lies in the XDG folder', () =>
    withTrial('plain', async (trial) => {
      configure(trial, { options: { nonsense: 1 } }, trial.path('xdg/tundra/config.json'));
      const env = { XDG_CONFIG_HOME: trial.path('xdg') };
      const { stderr } = await trial.run(['st', trial.url], { env, status: 23 });
      assert.match(stderr, /xdg\/tundra\/config\.json, line 1: .*"nonsense", which means nothing/);
      // Help and completion work all the same.
      for (const args of [['--help'], ['--version'], ['completion', 'bash']]) await trial.run(args, { env });
    }));

  it('that is too large, no text or a folder is refused', () =>
    withTrial('plain', async (trial) => {
      const path = configure(trial, ' '.repeat((1 << 20) + 1));
      assert.match((await trial.run(['st', trial.url], { status: 23 })).stderr, /larger than 1 MB/);
      writeFileSync(path, Buffer.from('{"options": {"name": "\xff"}}', 'latin1'));
      assert.match((await trial.run(['st', trial.url], { status: 23 })).stderr, /could not read the config/);
      rmSync(path);
      mkdirSync(path);
      assert.match((await trial.run(['st', trial.url], { status: 23 })).stderr, /EISDIR/);
    }));

  it('with secrets that others can read is told of', () =>
    withTrial('plain', async (trial) => {
      const path = configure(trial, { targets: { t: { url: trial.url, env: { SWIFT_PASSWORD: 'x' } } } });
      assert.doesNotMatch((await trial.run(['st', '@t'])).stdout, /secrets/);
      chmodSync(path, 0o644);
      assert.match(
        (await trial.run(['st', '@t'])).stdout,
        /config\.json holds secrets, and others can read it/,
      );
      writeFileSync(path, JSON.stringify({ targets: { t: { url: trial.url } } }));
      assert.doesNotMatch((await trial.run(['st', '@t'])).stdout, /secrets/);
    }));

  it('may hold options that this build refuses no more than a command line may', () =>
    withTrial('plain', async (trial) => {
      configure(trial, { options: { 's3-use-ia': true } });
      const before = contentsOf(trial.folder);
      const { stderr } = await trial.run(['full', trial.source, trial.url], { status: 33 });
      assert.match(stderr, /--s3-use-ia/);
      assert.deepEqual(contentsOf(trial.folder), before);
    }));
});

describe('the example in the manual page', () => {
  it('is taken', () =>
    withTrial('plain', async (trial) => {
      const page = readFileSync(new URL('../../../docs/tundra.1', import.meta.url), 'utf8');
      const example = /^\{\n[\s\S]*?\n\}$/m.exec(page.replaceAll('\\-', '-'))?.[0] ?? assert.fail(page);
      configure(trial, example);
      assert.equal((await trial.run(['completion', 'targets'])).stdout, 'photos\n');
    }));
});
