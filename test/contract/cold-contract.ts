import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { ColdObject, ColdStorage, StorageBackend } from '../../src/storage/backend.js';
import { contentOf, sourceOf, type Trial } from './backend-contract.js';

/** A cold storage to be tried, empty at first. */
export interface ColdTrial extends Trial {
  /** Lets time pass until all that was asked for is ready, and not so long that it is sealed again. */
  passTime(): Promise<void>;
  /** How many thaws were started, as the storage itself counts them. */
  countThaws(): Promise<number>;
}

/** The same storage, in which everything is thawed before it is read: what else a storage must do can then be tried. */
export function thawingFirst(backend: StorageBackend, passTime: () => Promise<void>): StorageBackend {
  return {
    description: backend.description,
    promises: backend.promises,
    put: backend.put.bind(backend),
    get: async (name) => {
      if ((await backend.stat(name)) !== undefined) await coldOf(backend).thaw([name]);
      await passTime();
      return backend.get(name);
    },
    list: backend.list.bind(backend),
    stat: backend.stat.bind(backend),
    remove: backend.remove.bind(backend),
    close: backend.close.bind(backend),
  };
}

function coldOf({ cold }: StorageBackend): ColdStorage {
  assert.ok(cold !== undefined, 'the storage is cold');
  return cold;
}

/** `name state` of objects, in order. */
function statesOf(objects: readonly ColdObject[]): string[] {
  return objects.map(({ name, state }) => `${name} ${state}`).sort();
}

/**
 * What every cold storage must do beside the contract of all storages. `make` gives a new, empty one for each test, in
 * which a thaw takes time; undefined where it has skipped the test.
 */
export function coldContract(kind: string, make: (t: TestContext) => Promise<ColdTrial | undefined>): void {
  describe(`cold storage contract: ${kind}`, () => {
    function check(title: string, run: (backend: StorageBackend, trial: ColdTrial) => Promise<void>): void {
      test(title, async (t) => {
        const trial = await make(t);
        if (trial === undefined) return;
        const backend = await trial.open();
        try {
          await run(backend, trial);
          await backend.close();
        } finally {
          await trial.dispose?.();
        }
      });
    }
    const sealed = { name: 'TundraError', code: 'backend-sealed' };

    check('what is stored is sealed, listed and not to be read', async (backend) => {
      assert.deepEqual(await coldOf(backend).survey(), []);
      await backend.put('one', sourceOf('first'));
      await backend.put('two', sourceOf('second one'));
      const survey = (await coldOf(backend).survey()).sort((a, b) => (a.name < b.name ? -1 : 1));
      assert.deepEqual(
        survey.map(({ name, sizeBytes, state }) => ({ name, sizeBytes, state })),
        [
          { name: 'one', sizeBytes: 5, state: 'sealed' },
          { name: 'two', sizeBytes: 10, state: 'sealed' },
        ],
      );
      for (const { storageClass, store } of survey) assert.ok(storageClass !== '' && store !== '');
      await assert.rejects(backend.get('one'), sealed);
      assert.deepEqual(await backend.stat('two'), { name: 'two', sizeBytes: 10 });
      assert.equal(backend.localPathOf, undefined, 'there is no way around the seal');
    });

    check('what was asked for thaws, and can then be read', async (backend, trial) => {
      for (const name of ['one', 'two', 'three']) await backend.put(name, sourceOf(name));
      const asked = await coldOf(backend).thaw(['one', 'two']);
      assert.deepEqual(statesOf(asked), ['one thawing', 'two thawing']);
      await assert.rejects(backend.get('one'), sealed);
      await trial.passTime();
      assert.deepEqual(statesOf(await coldOf(backend).survey()), ['one ready', 'three sealed', 'two ready']);
      assert.equal(await contentOf(backend, 'one'), 'one');
      assert.equal(await contentOf(backend, 'two'), 'two');
      assert.deepEqual(await coldOf(backend).thaw([]), []);
    });

    check('nothing is asked for twice', async (backend, trial) => {
      await backend.put('one', sourceOf('one'));
      await coldOf(backend).thaw(['one']);
      const again = await coldOf(backend).thaw(['one', 'one']);
      assert.deepEqual(statesOf(again), ['one thawing']);
      const second = await trial.open();
      assert.deepEqual(statesOf(await coldOf(second).thaw(['one'])), ['one thawing']);
      await trial.passTime();
      assert.deepEqual(statesOf(await coldOf(second).thaw(['one'])), ['one ready']);
      await second.close();
      assert.equal(await trial.countThaws(), 1);
    });

    check('looking does not ask for anything', async (backend, trial) => {
      await backend.put('one', sourceOf('one'));
      await backend.list();
      await backend.stat('one');
      await coldOf(backend).survey();
      await trial.passTime();
      assert.deepEqual(statesOf(await coldOf(backend).survey()), ['one sealed']);
      assert.equal(await trial.countThaws(), 0);
    });

    check('what is stored again is sealed again', async (backend, trial) => {
      await backend.put('one', sourceOf('old'));
      await coldOf(backend).thaw(['one']);
      await trial.passTime();
      await backend.put('one', sourceOf('newer'));
      assert.deepEqual(statesOf(await coldOf(backend).survey()), ['one sealed']);
      await assert.rejects(backend.get('one'), sealed);
    });

    check('what is removed is gone, and sealed when it comes back', async (backend, trial) => {
      await backend.put('one', sourceOf('one'));
      await coldOf(backend).thaw(['one']);
      await trial.passTime();
      await backend.remove(['one']);
      assert.deepEqual(await coldOf(backend).survey(), []);
      await assert.rejects(backend.get('one'), { code: 'backend-not-found' });
      await backend.put('one', sourceOf('one'));
      assert.deepEqual(statesOf(await coldOf(backend).survey()), ['one sealed']);
    });

    check('an absent object cannot be asked for', async (backend) => {
      await assert.rejects(coldOf(backend).thaw(['absent']), {
        code: 'backend-not-found',
        message: /absent/,
      });
    });
  });
}
