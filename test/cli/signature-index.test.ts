import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { IndexedSignatures } from '../../src/chain/indexed-signatures.js';
import { type KnownSignatures, SignatureStore } from '../../src/chain/signature-store.js';
import { evolve, lastStep } from '../trees/evolve.js';
import { oddTree } from '../trees/odd-tree.js';
import { changeSmallTree, smallTree } from './small-tree.js';
import { isRoot, Trial } from './trial.js';

const indexName = 'tundra-signatures.index';

/** The local signature files of a trial, oldest first. */
function signatureFiles(trial: Trial): string[] {
  const folder = join(trial.archive, 'trial');
  const names = readdirSync(folder).filter((name) => /^duplicity-.*\.sigtar\.gz$/.test(name));
  const full = names.filter((name) => name.includes('full')).at(-1) as string;
  const start = /full-signatures\.(\w+)/.exec(full)![1]!;
  const later = names.filter((name) => name.includes('new') && /signatures\.(\w+)/.exec(name)![1]! >= start);
  return [full, ...later.sort()].map((name) => join(folder, name));
}

/** All that they know, and the signatures themselves. */
async function known(signatures: KnownSignatures): Promise<unknown[]> {
  const found: unknown[] = [];
  try {
    for (let entry = await signatures.next(); entry !== undefined; entry = await signatures.next()) {
      if (entry.kind === 'deleted') continue;
      const { key, kind, file } = entry;
      const { type, mode, uid, gid, uname, gname, mtimeSeconds, linkTarget, deviceMajor, deviceMinor } =
        entry.attributes;
      const data: Uint8Array[] = [];
      if (kind === 'signature') for await (const piece of signatures.data()) data.push(Buffer.from(piece));
      const isDevice = type.endsWith('device');
      found.push({
        ...{ key, kind, file, type, mode, uid, gid, uname, gname, mtimeSeconds },
        linkTarget: type === 'symlink' ? linkTarget : '',
        numbers: isDevice ? [deviceMajor, deviceMinor] : [],
        data: Buffer.concat(data).toString('base64'),
      });
    }
  } finally {
    await signatures.close();
  }
  return found;
}

/** Asserts that the index fits, and says what the signatures say. */
async function assertIndexed(trial: Trial): Promise<void> {
  const files = signatureFiles(trial);
  const index = IndexedSignatures.open(join(trial.archive, 'trial', indexName), files);
  assert.ok(index !== undefined, 'the index fits');
  assert.deepEqual(await known(index), await known(new SignatureStore(files)));
}

describe('the index of the signatures', { timeout: 300_000 }, () => {
  it('says after every run what the signatures say', async (t) => {
    const trial = new Trial('gzip');
    t.after(() => trial.dispose());
    await oddTree(trial.source, { root: isRoot });
    await trial.full();
    await assertIndexed(trial);
    for (let step = 1; step <= lastStep; step++) {
      evolve(trial.source, step);
      await trial.incremental();
      await assertIndexed(trial);
      await trial.incremental();
      await assertIndexed(trial);
    }
  });

  it('is made anew where it is gone, damaged, or older than the signatures', async (t) => {
    const trial = new Trial('gzip');
    t.after(() => trial.dispose());
    const path = join(trial.archive, 'trial', indexName);
    await oddTree(trial.source, { root: isRoot });
    await trial.full();
    const first = readFileSync(path);
    rmSync(path);
    evolve(trial.source, 1);
    await trial.incremental();
    await assertIndexed(trial);

    const damaged = readFileSync(path);
    damaged[damaged.length >> 1]! ^= 1;
    writeFileSync(path, damaged);
    evolve(trial.source, 2);
    await trial.incremental();
    await assertIndexed(trial);

    writeFileSync(path, first);
    evolve(trial.source, 3);
    await trial.incremental();
    await assertIndexed(trial);
    await trial.run(['verify', '--compare-data', trial.url, trial.source]);
  });
});

describe('the signatures of a backup', { timeout: 120_000 }, () => {
  for (const [seal, isOne] of [
    ['gzip', true],
    ['passphrase', false],
  ] as const) {
    it(`are ${isOne ? 'the same file' : 'two files'} on the storage and in the local archive: ${seal}`, async (t) => {
      const trial = new Trial(seal);
      t.after(() => trial.dispose());
      smallTree(trial.source);
      await trial.full();
      changeSmallTree(trial.source);
      await trial.incremental();
      const local = signatureFiles(trial);
      assert.equal(local.length, 2);
      for (const path of local) {
        const stored = join(trial.store, basename(path));
        assert.equal(existsSync(stored), isOne);
        if (!isOne) continue;
        assert.ok(readFileSync(stored).equals(readFileSync(path)));
        // Damage of one must leave the other.
        assert.notEqual(statSync(stored).ino, statSync(path).ino);
      }
    });

    it(`leave no temporary file where the storage does not take them: ${seal}`, async (t) => {
      const trial = new Trial(seal);
      t.after(() => trial.dispose());
      smallTree(trial.source);
      const suffix = seal === 'gzip' ? 'gz' : 'gpg';
      // Nothing can be stored under the name of a folder with something in it.
      const inTheWay = join(trial.store, `duplicity-full-signatures.20240101T000000Z.sigtar.${suffix}`);
      mkdirSync(join(inTheWay, 'something'), { recursive: true });
      const now = ['--current-time', '1704067200', '--num-retries', '1'];
      const { told } = await trial.run(['full', ...now, trial.source, trial.url], { status: 50 });
      assert.match(told, /full-signatures/);
      assert.ok(!readdirSync(trial.store).some((name) => name.includes('manifest')));
      rmSync(inTheWay, { recursive: true });
      await trial.full('--current-time', '1704067201');
    });
  }
});

describe('a damaged local signature file', { timeout: 120_000 }, () => {
  it('is fetched again, and the incremental backup goes on', async (t) => {
    const trial = new Trial('gzip');
    t.after(() => trial.dispose());
    smallTree(trial.source);
    await trial.full();
    const [file] = signatureFiles(trial) as [string];
    const whole = readFileSync(file);
    const damaged = Buffer.from(whole);
    damaged[damaged.length >> 1]! ^= 1;
    writeFileSync(file, damaged);
    changeSmallTree(trial.source);
    const { told } = await trial.incremental();
    assert.match(told, /is damaged\nIt is fetched from the storage again/);
    assert.deepEqual(gunzipSync(readFileSync(file)), gunzipSync(whole));
    await assertIndexed(trial);
    await trial.run(['verify', '--compare-data', trial.url, trial.source]);
  });
});
