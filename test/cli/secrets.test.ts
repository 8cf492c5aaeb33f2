/** Passphrases: asked for where they are needed, refused where they do not fit, and never to be seen again. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { describeTree } from '../trees/describe.js';
import { changeSmallTree, smallTree } from './small-tree.js';
import { contentsOf, namesIn, passphrase, withTrial } from './trial.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];

describe('passphrase', () => {
  it('is in no output, no file and no command line', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      const running = trial.start(['-v9', ...at(0), 'full', source, url]);
      assert.ok(!readFileSync(`/proc/${running.child.pid}/cmdline`, 'latin1').includes(passphrase));
      const args = ['full'];
      trial.check(args, await running.ended, 0);
      changeSmallTree(source);
      // Each run checks its own output.
      await trial.run(['-v9', ...at(100), 'incremental', source, url]);
      await trial.run(['-v9', 'restore', url, trial.newTarget()]);
      await trial.run(['-v9', 'verify', '--compare-data', url, source]);
      await trial.run(['-v9', 'collection-status', url]);
      await trial.run(['-v9', 'list-current-files', url]);
      await trial.run(['-v9', 'restore', '-t', '1', '-r', 'nothing', url, trial.newTarget()], { status: 19 });
      for (const [name, bytes] of contentsOf(trial.folder)) assert.ok(!bytes.includes(passphrase), name);
      // What is stored is sealed: neither names nor contents show.
      for (const [name, bytes] of contentsOf(trial.store)) {
        assert.match(name, /\.gpg$/);
        for (const plain of ['sub/b', 'Localdir', 'snapshot/']) assert.ok(!bytes.includes(plain), name);
      }
    }));

  it('must be the right one to read', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      await trial.full(...at(0));
      const wrong = { env: { PASSPHRASE: 'another' }, status: 31 };
      const other = ['--name', 'other'];
      for (const args of [
        ['restore', url, trial.newTarget()],
        ['restore', ...other, url, trial.newTarget()],
        ['verify', url, source],
        ['list-current-files', ...other, url],
        ['incremental', ...other, ...at(1), source, url],
      ]) {
        const { stderr } = await trial.run(args, wrong);
        assert.match(stderr, /passphrase/i, args.join(' '));
        assert.match(stderr, /PASSPHRASE/, args.join(' '));
      }
      assert.equal(namesIn(trial.store).length, 3);
      assert.deepEqual(
        namesIn(trial.folder).filter((name) => name.startsWith('target')),
        [],
      );
      // What those runs have left does not keep the right one from working.
      await trial.run(['list-current-files', ...other, url]);
      assert.deepEqual(await trial.restoredDifferences(describeTree(source), other), []);
    }));

  it('must be the right one to go on with a chain', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      const { stderr } = await trial.run([...at(1), trial.source, trial.url], {
        env: { PASSPHRASE: 'another' },
        status: 31,
      });
      assert.match(stderr, /passphrase/i);
      assert.equal(namesIn(trial.store).length, 3);
    }));

  it('must be there, and not empty, where nobody can be asked', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const { source, url } = trial;
      await trial.full(...at(0));
      for (const args of [
        [...at(1), 'full', source, url],
        ['restore', url, trial.newTarget()],
        ['verify', url, source],
      ]) {
        const { stderr } = await trial.run(args, { env: { PASSPHRASE: undefined }, status: 31 });
        assert.match(stderr, /no terminal to ask/);
      }
      for (const args of [
        [...at(1), 'full', source, url],
        ['restore', url, trial.newTarget()],
      ]) {
        const { stderr } = await trial.run(args, { env: { PASSPHRASE: '' }, status: 31 });
        assert.match(stderr, /passphrase/i);
      }
      assert.equal(namesIn(trial.store).length, 3);
      // With an archive that is up to date these need none.
      for (const command of ['collection-status', 'list-current-files']) {
        await trial.run([command, url], { env: { PASSPHRASE: undefined } });
      }
    }));

  it('may hold any characters', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const env = { PASSPHRASE: ' \u00fcmlaut "quote" $HOME \\ \ud83d\ude00\ttab ' };
      await trial.run([...at(0), 'full', trial.source, trial.url], { env });
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target], { env });
      await trial.run(['restore', trial.url, trial.newTarget()], {
        env: { PASSPHRASE: env.PASSPHRASE.trim() },
        status: 31,
      });
    }));
});
