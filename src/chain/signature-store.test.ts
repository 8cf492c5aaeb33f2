import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { PathKey } from '../base/path-key.js';
import type { SigtarKind } from '../format/sigtar.js';
import type { TarHeader } from '../format/tar/header.js';
import { SignatureFileWriter } from './signature-file.js';
import { SignatureStore } from './signature-store.js';
import { collect, temporaryFolder } from './stores.fixture.js';

interface Entry {
  key: PathKey;
  kind: SigtarKind;
  data: Buffer;
}

function headerFor(kind: SigtarKind, set: number): TarHeader {
  return {
    name: '',
    type: kind === 'snapshot' ? 'directory' : 'file',
    mode: kind === 'deleted' ? 0 : 0o755,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    // Tells the sets apart.
    mtimeSeconds: set,
    sizeBytes: 0,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
  };
}

function writeSet(path: string, set: number, entries: readonly Entry[]): void {
  const plain = path.replace(/\.gz$/, '');
  const writer = new SignatureFileWriter(plain);
  for (const { key, kind, data } of entries) {
    writer.add(kind, key, headerFor(kind, set), kind === 'signature' ? data : undefined);
  }
  writer.finish();
  if (plain !== path) writeFileSync(path, gzipSync(readFileSync(plain), { level: 1 }));
}

const noise = randomBytes(300_000);
const keys = ['', 'a', 'a\0b', 'a\0b\0c', 'a b', 'a-b', 'b', '\xff', 'n'.repeat(150)];

const set: fc.Arbitrary<Entry[]> = fc.subarray(keys).chain((some) =>
  fc.tuple(
    ...some.sort().map((key) =>
      fc
        .tuple(
          fc.constantFrom<SigtarKind>('signature', 'snapshot', 'deleted'),
          fc.oneof(fc.nat(100), fc.nat(200_000)),
        )
        .map(
          ([kind, size]): Entry => ({
            key,
            kind: key === '' ? 'snapshot' : kind,
            data: noise.subarray(0, size),
          }),
        ),
    ),
  ),
);

/** All that a store gives: `path kind set`, by path. */
async function listed(store: SignatureStore): Promise<string[]> {
  const lines: string[] = [];
  for (let entry = await store.next(); entry !== undefined; entry = await store.next()) {
    lines.push(`${entry.key} ${entry.kind} ${entry.attributes.mtimeSeconds}`);
  }
  return lines;
}

/** No more files are open than before, a little later: fewer, where one of an earlier test was still being closed. */
async function assertOpenFiles(before: number): Promise<void> {
  const open = () => readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 200 && open() > before; i++) await delay(5);
  assert.ok(open() <= before, `${open()} instead of ${before}`);
}

describe('SignatureStore', () => {
  it('gives the newest entry of each path of a chain, with its data, however much of it is read', async (t) => {
    const folder = temporaryFolder(t);
    const reading = fc.constantFrom('all', 'some', 'none');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(set, fc.boolean()), { maxLength: 4 }),
        fc.array(reading, { minLength: keys.length, maxLength: keys.length }),
        async (sets, readings) => {
          const expected = new Map<PathKey, [number, Entry]>();
          const files = sets.map(([entries, gzipped], i) => {
            const path = join(folder, `set${i}${gzipped ? '.gz' : ''}`);
            writeSet(path, i, entries);
            for (const entry of entries) expected.set(entry.key, [i, entry]);
            return path;
          });
          const store = new SignatureStore(files);
          for (const [i, key] of [...expected.keys()].sort().entries()) {
            const [from, { kind, data }] = expected.get(key)!;
            const entry = await store.next();
            assert.deepEqual([entry?.key, entry?.kind, entry?.attributes.mtimeSeconds], [key, kind, from]);
            if (readings[i] === 'some') for await (const _ of store.data()) break;
            if (readings[i] !== 'all') continue;
            const found = await collect(store.data());
            assert.ok(found.equals(kind === 'signature' ? data : Buffer.alloc(0)));
          }
          assert.equal(await store.next(), undefined);
          assert.equal(await store.next(), undefined);
          await store.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has nothing where there is no set', async () => {
    const store = new SignatureStore([]);
    assert.equal(store.next(), undefined);
    assert.deepEqual(await collect(store.data()), Buffer.alloc(0));
    await store.close();
  });

  it('answers without a promise what it has read already', async (t) => {
    const path = join(temporaryFolder(t), 'set');
    writeSet(
      path,
      0,
      ['a', 'b', 'c'].map((key) => ({ key, kind: 'snapshot', data: noise })),
    );
    const store = new SignatureStore([path]);
    assert.ok(store.next() instanceof Promise);
    await store.close();
    const other = new SignatureStore([path]);
    await other.next();
    assert.deepEqual(
      [other.next(), other.next()].map((entry) => (entry instanceof Promise ? '' : entry?.key)),
      ['b', 'c'],
    );
    await other.close();
  });

  it('merges more sets than it has large buffers for', async (t) => {
    const folder = temporaryFolder(t);
    const files = Array.from({ length: 20 }, (_, i) => {
      const path = join(folder, `set${i}.gz`);
      const own = { key: `only\0${String(i).padStart(2, '0')}`, kind: 'signature' as const, data: noise };
      writeSet(path, i, [{ key: 'all', kind: 'signature', data: noise }, own]);
      return path;
    });
    const store = new SignatureStore(files);
    const expected = files.map((_, i) => `only\0${String(i).padStart(2, '0')} signature ${i}`);
    assert.deepEqual(await listed(store), ['all signature 19', ...expected]);
    await store.close();
  });

  it('closes its files wherever it stands', async (t) => {
    const folder = temporaryFolder(t);
    const files = ['set0', 'set1.gz', 'set2.gz'].map((name) => join(folder, name));
    for (const [i, path] of files.entries()) {
      writeSet(path, i, keys.map((key) => ({ key, kind: 'signature' as const, data: noise })).slice(1));
    }
    const before = readdirSync('/proc/self/fd').length;
    for (let steps = 0; steps < 4; steps++) {
      const store = new SignatureStore(files);
      for (let i = 0; i < steps; i++) await store.next();
      if (steps === 3) for await (const _ of store.data()) break;
      await store.close();
      await store.close();
    }
    await assertOpenFiles(before);
  });

  it('refuses a file whose entries are not in path order, and names it', async (t) => {
    const folder = temporaryFolder(t);
    for (const order of [
      ['b', 'a'],
      ['a', 'a'],
      ['a b', 'a\0b'],
    ]) {
      const path = join(folder, 'unsorted');
      writeSet(
        path,
        0,
        order.map((key) => ({ key, kind: 'snapshot', data: noise })),
      );
      const store = new SignatureStore([path]);
      await assert.rejects(listed(store), { code: 'format', message: /unsorted/ });
      await store.close();
    }
  });

  it('says which file is damaged or gone', async (t) => {
    const folder = temporaryFolder(t);
    const whole = join(folder, 'whole.gz');
    writeSet(whole, 0, [{ key: 'a', kind: 'signature', data: noise }]);
    const bytes = readFileSync(whole);
    const cut = join(folder, 'cut.gz');
    writeFileSync(cut, bytes.subarray(0, bytes.length / 2));
    const altered = join(folder, 'altered.gz');
    bytes.fill(0, 1000, 1100);
    writeFileSync(altered, bytes);
    const before = readdirSync('/proc/self/fd').length;
    for (const name of ['cut.gz', 'altered.gz', 'gone.gz', 'gone']) {
      const store = new SignatureStore([whole, join(folder, name)]);
      await assert.rejects(listed(store), (error: Error & { code: string }) => {
        assert.equal(error.code, 'bad-archive-dir');
        assert.ok(error.message.includes(name));
        return true;
      });
      await store.close();
    }
    await assertOpenFiles(before);
  });

  it('refuses what is no signature file', async (t) => {
    const path = join(temporaryFolder(t), 'other');
    writeFileSync(path, Buffer.alloc(2000, 'x'));
    const store = new SignatureStore([path]);
    await assert.rejects(listed(store), { code: 'format', message: /other/ });
    await store.close();
  });
});
