import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { smallTree } from '../cli/small-tree.js';
import { needs } from '../peers.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { type Link, runDetached, withScene, wrapperPassphrase } from './wrapper-scene.js';

describe('tundra as `duplicity` in a crontab', () => {
  for (const link of ['duplicity', 'tundra'] as const satisfies readonly Link[]) {
    it(`prints nothing where all is well, and errors apart, through bin/${link}`, async (t) => {
      if (link === 'duplicity' && !needs(t, 'python3')) return;
      await withScene(async (scene) => {
        smallTree(scene.source);
        const env = { ...scene.environment('tundra', 'tundra', link), PASSPHRASE: wrapperPassphrase };
        const run = (...args: string[]) => runDetached('duplicity', args, env);
        const store = `file://${scene.path('tundra', 'store')}`;
        const quiet = ['--verbosity', 'error', '--no-print-statistics'];
        assert.deepEqual(await run('--version'), { status: 0, stdout: 'duplicity 0.8.22\n', stderr: '' });
        assert.deepEqual(await run(...quiet, scene.source, store), { status: 0, stdout: '', stderr: '' });
        const failed = await run(...quiet, `${scene.source}/nowhere`, `${store}/other`);
        assert.deepEqual([failed.status, failed.stdout], [13, '']);
        assert.match(failed.stderr, /nowhere/);
        const told = await run('collection-status', store);
        assert.deepEqual([told.status, told.stderr], [0, '']);
      });
    });
  }

  it('ends with an error where it would have to ask for a passphrase', async () => {
    await withScene(async (scene) => {
      smallTree(scene.source);
      const store = `file://${scene.path('tundra', 'store')}`;
      const { status, stderr } = await runDetached(
        'duplicity',
        [scene.source, store],
        scene.environment('tundra', 'tundra', 'tundra'),
        'typed\n',
      );
      assert.notEqual(status, 0);
      assert.match(stderr, /PASSPHRASE/);
      assert.deepEqual(scene.stored('tundra'), []);
    });
  });

  it('takes the passphrase of the signing key for the key that is encrypted to, if they are one', async (t) => {
    if (!needs(t, 'gpg')) return;
    await withScene(async (scene) => {
      smallTree(scene.source);
      const key = scene.makeKey('both', wrapperPassphrase);
      const env = { ...scene.environment('tundra'), SIGN_PASSPHRASE: wrapperPassphrase };
      const store = `file://${scene.path('tundra', 'store')}`;
      const run = async (...args: string[]) => {
        const outcome = await runDetached('duplicity', ['--encrypt-sign-key', key, ...args], env);
        assert.equal(outcome.status, 0, outcome.stderr);
      };
      await run(scene.source, store);
      rmSync(scene.path('tundra', 'home', '.cache'), { recursive: true });
      await run('restore', store, scene.path('restored'));
      assert.deepEqual(compareTrees(describeTree(scene.source), describeTree(scene.path('restored'))), []);
    });
  });
});
