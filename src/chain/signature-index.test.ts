import assert from 'node:assert/strict';
import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { Attributes, EntryType } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import { IndexUpdate } from './index-update.js';
import { digestOfSignatures, endIndex, type IndexEntry } from './signature-index.js';
import { SignatureIndexReader } from './signature-index-reader.js';
import { SignatureIndexWriter } from './signature-index-writer.js';
import { temporaryFolder } from './stores.fixture.js';

const latin1 = (options: fc.StringConstraints) =>
  fc.string({ ...options, unit: fc.integer({ min: 1, max: 255 }).map((byte) => String.fromCharCode(byte)) });
const name = latin1({ maxLength: 40 });
const number = fc.oneof(fc.nat(300), fc.nat({ max: 2 ** 31 }), fc.maxSafeNat());

const attributes: fc.Arbitrary<Attributes> = fc
  .record(
    {
      type: fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'fifo', 'char-device', 'block-device'),
      mode: fc.nat(0o7777),
      uid: number,
      gid: fc.nat(3),
      uname: fc.constantFrom('', 'root', 'm\xfcller'),
      gname: name,
      mtimeSeconds: number,
      linkTarget: latin1({ maxLength: 300 }),
      deviceMajor: number,
      deviceMinor: number,
      records: fc.option(latin1({ minLength: 1, maxLength: 300 }), { nil: undefined }),
    },
    { noNullPrototype: true },
  )
  .map(({ records, ...all }) => ({
    ...all,
    ...(records !== undefined && { records }),
    linkTarget: all.type === 'symlink' ? all.linkTarget : '',
    deviceMajor: all.type.endsWith('device') ? all.deviceMajor : 0,
    deviceMinor: all.type.endsWith('device') ? all.deviceMinor : 0,
  }));

const key = fc
  .array(latin1({ minLength: 1, maxLength: 12 }), { maxLength: 5 })
  .map((parts) => parts.join('\0'));

const entries: fc.Arbitrary<IndexEntry[]> = fc
  .uniqueArray(
    fc.record(
      {
        key,
        kind: fc.constantFrom('signature' as const, 'snapshot' as const),
        attributes,
        file: fc.nat(500),
        startBytes: fc.oneof(fc.nat(1000), fc.nat({ max: 2 ** 44 - 1 })).map((blocks) => 512 * blocks),
        changeTimeMs: fc
          .oneof(fc.constant(0), fc.double({ min: -1e12, max: 2e12, noNaN: true }))
          .map((ms) => ms + 0),
      },
      { noNullPrototype: true },
    ),
    { selector: (entry) => entry.key, maxLength: 60 },
  )
  .map((all) => all.sort((one, other) => (one.key < other.key ? -1 : 1)));

const ownedByFew = entries.map((all) =>
  all.map((entry, i): IndexEntry => {
    const owner = { uid: i % 2, gid: 5, uname: i % 2 === 0 ? 'root' : '', gname: 'gone' };
    return { ...entry, attributes: { ...entry.attributes, ...owner } };
  }),
);

const digest = Buffer.alloc(20, 7);
let count = 0;

function newPath(t: TestContext): string {
  return join(temporaryFolder(t), `index${count++}`);
}

/** More than a block of them. */
function manyEntries(longFolder: (i: number) => string = () => ''): IndexEntry[] {
  const some: Attributes = {
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    uname: 'user',
    gname: 'user',
    mtimeSeconds: 1_600_000_000,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
  };
  return Array.from({ length: 20_000 }, (_, i): IndexEntry => {
    const place = String(i).padStart(6, '0');
    return {
      key: `folder${longFolder(i)}\0${place}`,
      kind: 'signature',
      attributes: some,
      file: i % 3,
      startBytes: 1024 * i,
      changeTimeMs: 0,
    };
  }).sort((one, other) => (one.key < other.key ? -1 : 1));
}

function write(path: string, all: Iterable<IndexEntry>): void {
  const writer = new SignatureIndexWriter(path);
  for (const entry of all) writer.add(entry);
  endIndex(path, writer.finish(), digest);
}

function read(path: string, of = digest): IndexEntry[] | undefined {
  const reader = SignatureIndexReader.open(path, of);
  if (reader === undefined) return undefined;
  const found: IndexEntry[] = [];
  for (let entry = reader.next(); entry !== undefined; entry = reader.next()) found.push(entry);
  assert.equal(reader.next(), undefined);
  reader.close();
  return found;
}

/** The path of an entry as it would be found, after the one with the key before. */
function presentPath({ key, attributes, changeTimeMs }: IndexEntry, before: string, uid: number) {
  let keyShared = 0;
  while (keyShared < before.length && before[keyShared] === key[keyShared]) keyShared++;
  const { type, mode, gid, mtimeSeconds, linkTarget } = attributes;
  return {
    ...{ keyShared, keyRests: Buffer.from(key.slice(keyShared), 'latin1') },
    ...{ keyRestAt: 0, keyRestLength: key.length - keyShared },
    ...{ type, mode, uid, gid, mtimeSeconds, linkTarget, changeTimeMs },
  };
}

describe('a signature index', () => {
  it('gives back what was written', (t) => {
    const folder = temporaryFolder(t);
    fc.assert(
      fc.property(entries, (all) => {
        const path = join(folder, `index${count++}`);
        write(path, all);
        assert.deepEqual(read(path), all);
      }),
    );
  });

  it('holds more than a block, and paths longer than one', (t) => {
    const path = newPath(t);
    const all = manyEntries((i) => (i % 7000 === 6999 ? 'x'.repeat(400_000) : ''));
    write(path, all);
    assert.deepEqual(read(path), all);
  });

  it('passes by what is the same, and by nothing else', (t) => {
    const folder = temporaryFolder(t);
    const ids = { userId: (name: string) => (name === 'root' ? 7 : undefined), groupId: () => undefined };
    const change = fc.constantFrom(
      ...(['none', 'none', 'key', 'type', 'mode', 'uid', 'gid', 'mtime', 'target', 'change time'] as const),
    );
    let passed = 0;
    const property = fc.property(
      ownedByFew,
      fc.array(change, { minLength: 60, maxLength: 60 }),
      (all, changes) => {
        const path = join(folder, `index${count++}`);
        write(path, all);
        const reader = SignatureIndexReader.open(path, digest)!;
        const owners = new Set<string>();
        for (const [i, entry] of all.entries()) {
          const { attributes, changeTimeMs } = entry;
          const { type, uid, gid, uname, gname } = attributes;
          const different = changes[i]!;
          const present = presentPath(entry, all[i - 1]?.key ?? '', ids.userId(uname) ?? uid);
          if (different === 'key')
            present.keyRests = Buffer.from(`${present.keyRests.toString()}!`, 'latin1');
          if (different === 'key') present.keyRestLength++;
          if (different === 'type') present.type = type === 'file' ? 'directory' : 'file';
          if (different === 'mode') present.mode ^= 0o100;
          if (different === 'uid') present.uid++;
          if (different === 'gid') present.gid++;
          if (different === 'mtime') present.mtimeSeconds++;
          if (different === 'target') present.linkTarget += 'x';
          if (different === 'change time') present.changeTimeMs += 0.5;
          const ofLink = ['none', 'mode', 'uid', 'gid', 'mtime'];
          const isSame = (type === 'symlink' ? ofLink : ['none', 'target']).includes(different);
          const owner = JSON.stringify([uid, gid, uname, gname]);
          const mayPass = owners.has(owner) && changeTimeMs !== 0 && !type.endsWith('device');
          owners.add(owner);
          const hasPassed = reader.pass(present, ids);
          assert.equal(hasPassed, isSame && mayPass);
          if (!hasPassed) assert.deepEqual(reader.next(), entry);
          else if (passed++ % 2 === 0) assert.deepEqual(reader.passed(), entry);
        }
        assert.equal(reader.next(), undefined);
        reader.close();
      },
    );
    fc.assert(property);
    assert.ok(passed > 0);
  });

  it('passes by nothing at its end', (t) => {
    const path = newPath(t);
    write(path, []);
    const reader = SignatureIndexReader.open(path, digest)!;
    const ids = { userId: () => undefined, groupId: () => undefined };
    const entry = fc.sample(
      entries.filter((list) => list.length > 0),
      { numRuns: 1, seed: 1 },
    )[0]![0]!;
    assert.equal(reader.pass(presentPath(entry, '', 0), ids), false);
    reader.close();
  });

  it('counts only for its signature files, and whole', (t) => {
    const path = newPath(t);
    const all = fc.sample(
      entries.filter((list) => list.length > 3),
      { numRuns: 1, seed: 5 },
    )[0]!;
    write(path, all);
    assert.equal(read(path, Buffer.alloc(20, 8)), undefined);
    assert.equal(read(join(path, 'nothing')), undefined);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      writeFileSync(path, damaged);
      assert.equal(read(path), undefined, `byte ${at} of ${whole.length}`);
    }
    for (const size of [0, 10, whole.length - 1]) {
      writeFileSync(path, whole);
      truncateSync(path, size);
      assert.equal(read(path), undefined);
    }
    writeFileSync(path, whole);
    assert.deepEqual(read(path), all);
  });

  it('is an error where its checksum holds and its entries are none', (t) => {
    const path = newPath(t);
    const all = fc.sample(
      entries.filter((list) => list.length > 3),
      { numRuns: 1, seed: 5 },
    )[0]!;
    write(path, all);
    const whole = readFileSync(path).subarray(0, -40);
    let refused = 0;
    for (let at = 0; at < whole.length; at++) {
      for (const byte of [0, 0x7f, 0x80, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        writeFileSync(path, damaged);
        endIndex(path, { sizeBytes: damaged.length, crc: crc32(damaged) }, digest);
        try {
          const keys = read(path)!.map(({ key }) => key);
          assert.deepEqual(keys, [...new Set(keys)].sort());
        } catch (error) {
          if (!(error instanceof TundraError) || error.code !== 'bad-archive-dir') throw error;
          refused++;
        }
      }
    }
    assert.ok(refused > whole.length / 2, `${refused} refused`);
  });

  it('does not fit signature files of another name, size or time', (t) => {
    const folder = temporaryFolder(t);
    const [one, other] = [join(folder, 'one'), join(folder, 'other')];
    writeFileSync(one, 'signatures');
    writeFileSync(other, 'signatures');
    utimesSync(one, 1000, 1000);
    utimesSync(other, 1000, 1000);
    const before = digestOfSignatures([one]);
    assert.deepEqual(digestOfSignatures([one]), before);
    assert.notDeepEqual(digestOfSignatures([other]), before);
    assert.notDeepEqual(digestOfSignatures([one, other]), before);
    utimesSync(one, 1000, 1000.5);
    assert.notDeepEqual(digestOfSignatures([one]), before);
    utimesSync(one, 1000, 1000);
    assert.deepEqual(digestOfSignatures([one]), before);
    writeFileSync(one, 'signatures.');
    utimesSync(one, 1000, 1000);
    assert.notDeepEqual(digestOfSignatures([one]), before);
  });
});

describe('IndexUpdate', () => {
  const action = fc.constantFrom(...(['keep', 'pass', 'pass', 'pass', 'replace', 'drop'] as const));

  it('is the old index with the changes', (t) => {
    const folder = temporaryFolder(t);
    const files = [join(folder, 'signatures')];
    writeFileSync(files[0]!, 'x');
    fc.assert(
      fc.property(
        fc.oneof(entries, ownedByFew),
        fc.array(action, { minLength: 60, maxLength: 60 }),
        fc.boolean(),
        (all, actions, has) => {
          const [oldPath, newPath] = [join(folder, `old${count++}`), join(folder, `new${count++}`)];
          const writer = new SignatureIndexWriter(oldPath);
          for (const entry of all) writer.add(entry);
          const oldBody = writer.finish();
          endIndex(oldPath, oldBody, digestOfSignatures(files));
          const update = new IndexUpdate({ files, oldPath: has ? oldPath : undefined, newPath });
          const old = SignatureIndexReader.open(oldPath, digestOfSignatures(files))!;
          const expected: IndexEntry[] = [];
          for (const [i, entry] of all.entries()) {
            const replaced = { ...entry, file: 501, startBytes: 512 * i };
            const isPassed = has && actions[i] === 'pass';
            if (isPassed) assert.ok(old.skip());
            else assert.deepEqual(old.next(), entry);
            if (isPassed) {
              update.keepPassed(old);
              expected.push(entry);
            } else if (actions[i] === 'keep' || actions[i] === 'pass') {
              update.keep(entry);
              expected.push(entry);
            } else if (actions[i] === 'replace') {
              update.replace(replaced);
              expected.push(replaced);
            } else {
              update.drop();
            }
          }
          old.close();
          const result = update.finish(has ? oldBody : undefined);
          const isKept = has && all.every((_, i) => actions[i] === 'keep' || actions[i] === 'pass');
          assert.equal(result?.kind, isKept ? 'kept' : 'new');
          const path = result?.kind === 'new' ? result.path : oldPath;
          endIndex(path, result!.body, digest);
          assert.deepEqual(read(path), expected);
        },
      ),
    );
  });

  it('copies what was passed by as it would be written', (t) => {
    const folder = temporaryFolder(t);
    const [oldPath, newPath, expectedPath] = ['old', 'new', 'expected'].map((name) => join(folder, name));
    const all = manyEntries();
    write(oldPath!, all);
    const old = SignatureIndexReader.open(oldPath!, digest)!;
    const update = new IndexUpdate({ files: [], oldPath: undefined, newPath: newPath! });
    const expected: IndexEntry[] = [];
    for (const [i, entry] of all.entries()) {
      if (i % 1000 === 5) {
        old.next();
        update.drop();
        continue;
      }
      old.skip();
      update.keepPassed(old);
      expected.push(entry);
    }
    old.close();
    endIndex(newPath!, update.finish(undefined)!.body, digest);
    write(expectedPath!, expected);
    assert.ok(readFileSync(newPath!).equals(readFileSync(expectedPath!)));
  });

  it('is none where it cannot be written', (t) => {
    const newPath = join(temporaryFolder(t), 'missing', 'index');
    const update = new IndexUpdate({ files: [], oldPath: undefined, newPath });
    update.replace(
      fc.sample(
        entries.filter((list) => list.length > 0),
        1,
      )[0]![0]!,
    );
    assert.equal(update.finish(undefined), undefined);
  });
});
