/** Options whose effect shows in what is stored or told. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeSwift } from '../../src/storage/swift/swift-server.fixture.js';
import { smallTree } from './small-tree.js';
import { namesIn, remarksIn, withTrial } from './trial.js';

const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];

describe('of a backup', () => {
  it('--max-blocksize bounds the blocks of signatures', () =>
    withTrial('plain', async (trial) => {
      writeFileSync(join(trial.source, 'large'), Buffer.alloc(4 << 20, 7));
      const signatureBytes = async (seconds: number, ...options: string[]) => {
        await trial.full(...at(seconds), ...options);
        const name = namesIn(trial.store)
          .filter((name) => name.endsWith('.sigtar'))
          .at(-1)!;
        return statSync(join(trial.store, name)).size;
      };
      const usual = await signatureBytes(0);
      assert.ok((await signatureBytes(10, '--max-blocksize', '512')) > 2 * usual);
    }));

  it('--compress-level trades size for time', async () => {
    for (const sealing of ['gzip', 'passphrase'] as const) {
      await withTrial(sealing, async (trial) => {
        // So much that threads compress some of it.
        let state = 1;
        const words = Array.from({ length: 400_000 }, () => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          return (((state >>> 16) % 50) * ((state >>> 8) % 60)).toString(36);
        });
        writeFileSync(join(trial.source, 'text'), words.join(' '));
        const sizeOf = async (seconds: number, ...options: string[]) => {
          const before = namesIn(trial.store);
          await trial.full(...at(seconds), ...options);
          const name = namesIn(trial.store).find((one) => one.includes('.vol1.') && !before.includes(one));
          return statSync(join(trial.store, name!)).size;
        };
        const fast = await sizeOf(0, '--compress-level', 'fast');
        const balanced = await sizeOf(10, '--compress-level', 'balanced');
        const small = await sizeOf(20, '--compress-level=small');
        assert.ok(small < 0.99 * balanced && balanced < 0.995 * fast, `${small} ${balanced} ${fast}`);
        assert.ok(Math.abs((await sizeOf(30)) / fast - 1) < 0.001);
      });
    }
  });

  it('--no-files-changed leaves the list of files out of the manifest', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      await trial.full(...at(10), '--no-files-changed');
      const lists = namesIn(trial.store)
        .filter((name) => name.endsWith('.manifest'))
        .map((name) => /^Filelist +[1-9]/m.test(readFileSync(join(trial.store, name), 'latin1')));
      assert.deepEqual(lists, [true, false]);
    }));
});

describe('of the storage', () => {
  it('--concurrency sends several volumes at once', (t) =>
    withTrial('plain', async (trial) => {
      const swift = await FakeSwift.start(t);
      let underWay = 0;
      let most = 0;
      swift.fault = ({ method, path }, response) => {
        if (method !== 'PUT' || !path.includes('.difftar')) return undefined;
        most = Math.max(most, ++underWay);
        // Answered late, so that what is sent at once can be seen.
        const end = response.end.bind(response) as (...args: unknown[]) => unknown;
        response.end = ((...args: unknown[]) => {
          setTimeout(() => {
            underWay--;
            end(...args);
          }, 200);
          return response;
        }) as typeof response.end;
        return undefined;
      };
      writeFileSync(join(trial.source, 'large'), randomBytes(6 << 20));
      const mostOf = async (seconds: number, ...options: string[]) => {
        most = 0;
        const args = ['full', '--volsize', '1', ...options, ...at(seconds), trial.source, 'swift://box'];
        await trial.run(args, { env: swift.environment() });
        return most;
      };
      assert.equal(await mostOf(0), 1);
      assert.ok((await mostOf(10, '--concurrency', '3')) > 1);
    }));
});

describe('of collection-status', () => {
  it('--file-changed and --show-changes-in-set tell what changed', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      writeFileSync(join(trial.source, 'a'), 'changed');
      await trial.incremental(...at(100));
      const status = async (...options: string[]) =>
        (await trial.run(['collection-status', ...options, trial.url])).stdout;
      const last = await status('--show-changes-in-set', '0');
      assert.match(last, /^a +changed$/m);
      assert.doesNotMatch(last, /sub\/c/);
      assert.match(await status('--show-changes-in-set', '1'), /^sub\/c +new$/m);
      const ofFile = await status('--file-changed', 'a');
      assert.match(ofFile, /Full .* new/i);
      assert.match(ofFile, /Incremental .* changed/i);
      assert.doesNotMatch(await status('--file-changed', 'sub/c'), /Incremental/);
    }));
});

describe('of every command', () => {
  it('--verbosity decides what is told', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const quiet = await trial.full('-v0', '--no-print-statistics', ...at(0));
      assert.equal(quiet.told, '');
      assert.match((await trial.full(...at(10))).stdout, /Last full backup date/);
      assert.match((await trial.full('--verbosity', 'info', ...at(20))).stdout, /A sub\/c/);
    }));

  it('--metadata-sync-mode full fetches the metadata of every chain', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      await trial.full(...at(0));
      await trial.full(...at(1000));
      const fetched = async (...options: string[]) => {
        trial.archive = trial.newTarget();
        const { stdout } = await trial.run(['list-current-files', ...options, ...at(2000), trial.url]);
        assert.notEqual(remarksIn(stdout), '');
        return namesIn(join(trial.archive, 'trial')).filter((name) => name.endsWith('.manifest')).length;
      };
      assert.equal(await fetched(), 1);
      assert.equal(await fetched('--metadata-sync-mode', 'full'), 2);
    }));
});
