import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { ManifestParser, type VolumeRecord } from '../format/manifest.js';
import { noPrefixes } from '../format/names.js';
import { LocalArchive } from './archive.js';
import { checkpointName, readCheckpoint } from './checkpoint.js';
import { type SetBeginning, SetWriter, setNames } from './set-writer.js';
import { temporaryFolder } from './stores.fixture.js';

const time = Date.UTC(2020, 0, 1) / 1000;
const full = { type: 'full', time } as const;
const sealing = { encrypted: true, compressed: false };

function volume(number: number, values: Partial<VolumeRecord> = {}): VolumeRecord {
  const hashes = [{ algorithm: 'SHA1', hex: 'ab'.repeat(20) }];
  return { number, startKey: 'a', startBlock: undefined, endKey: 'b', endBlock: 3, hashes, ...values };
}

/** A sealed volume with such a record. */
function sealed(record: VolumeRecord) {
  return { record, sizeBytes: 7, sha1Hex: 'ab'.repeat(20), accessPoints: [], file: undefined };
}

async function setWriter(t: TestContext, beginning: Partial<SetBeginning> = {}) {
  const archive = await LocalArchive.open(temporaryFolder(t));
  const names = setNames(full, sealing, noPrefixes);
  const writer = new SetWriter(archive, {
    times: full,
    names,
    hostname: 'host',
    localDir: '/home/\xff',
    volumes: [],
    ...beginning,
  });
  writer.note({ token: undefined, keys: undefined, volumes: new Map() });
  // What the other thread does.
  writeFileSync(writer.signaturePath, 'signatures');
  return { archive, names, writer };
}

const openFiles = () => readdirSync('/proc/self/fd').length;

describe('setNames', () => {
  it('follows the format: how a file is sealed shows in its name', () => {
    const incremental = { type: 'incremental', start: time, end: time + 60 } as const;
    const prefixes = { all: 'p-', manifest: 'm-', signature: 's-', archive: 'v-' };
    const set = '20200101T000000Z.to.20200101T000100Z';
    const plain = setNames(incremental, { encrypted: false, compressed: true }, prefixes);
    assert.deepEqual(
      { ...plain, volume: plain.volume(12) },
      {
        volume: `p-v-duplicity-inc.${set}.vol12.difftar.gz`,
        manifest: `p-m-duplicity-inc.${set}.manifest`,
        signatures: `p-s-duplicity-new-signatures.${set}.sigtar.gz`,
        localManifest: `p-m-duplicity-inc.${set}.manifest`,
        localSignatures: `p-s-duplicity-new-signatures.${set}.sigtar.gz`,
        partialManifest: `p-m-duplicity-inc.${set}.manifest.part`,
        partialSignatures: `p-s-duplicity-new-signatures.${set}.sigtar.part`,
      },
    );
    const encrypted = setNames(full, sealing, noPrefixes);
    assert.equal(encrypted.volume(1), 'duplicity-full.20200101T000000Z.vol1.difftar.gpg');
    assert.equal(encrypted.manifest, 'duplicity-full.20200101T000000Z.manifest.gpg');
    assert.equal(encrypted.signatures, 'duplicity-full-signatures.20200101T000000Z.sigtar.gpg');
    assert.equal(encrypted.localSignatures, 'duplicity-full-signatures.20200101T000000Z.sigtar.gz');
    assert.equal(
      setNames(full, { encrypted: false, compressed: false }, noPrefixes).signatures.slice(-7),
      '.sigtar',
    );
  });
});

describe('SetWriter', () => {
  it('has no name of a set before a volume is sealed, and that of a partial one then', async (t) => {
    const { archive, names, writer } = await setWriter(t);
    assert.ok((await archive.list()).every((name) => name.startsWith('.tundra-')));
    await writer.addVolume(sealed(volume(1)));
    await writer.addVolume(sealed(volume(2)));
    const named = (await archive.list()).filter((name) => !name.startsWith('.tundra-'));
    assert.deepEqual(named.sort(), [names.partialManifest, names.partialSignatures, checkpointName].sort());
    assert.equal(writer.signaturePath, archive.pathOf(names.partialSignatures));
    const text = readFileSync(archive.pathOf(names.partialManifest), 'latin1');
    assert.match(text, /^Hostname host\nLocaldir .*\nVolume 1:\n(.*\n){3}Volume 2:\n(.*\n){3}$/);
    assert.equal(statSync(archive.pathOf(names.partialManifest)).mode & 0o777, 0o600);
    await writer.abandon();
  });

  it('makes a manifest that reads back, with the file list, and then the final names alone', async (t) => {
    const before = openFiles();
    const { archive, names, writer } = await setWriter(t);
    const volumes = [volume(1), volume(2, { startBlock: 4, endKey: 'c\0\xff', endBlock: undefined })];
    for (const one of volumes) await writer.addVolume(sealed(one));
    writeFileSync(writer.fileListPath, '    new      a\n    deleted  b\n');
    const path = await writer.endManifest(2);
    const files: string[] = [];
    const parser = new ManifestParser({ onFile: (change, key) => files.push(`${change} ${key}`) });
    parser.update(readFileSync(path));
    const manifest = parser.finish();
    assert.deepEqual(manifest, { hostname: 'host', localDir: '/home/\xff', volumes, fileListComplete: true });
    assert.deepEqual(files, ['new a', 'deleted b']);
    const signatures = archive.newTemporaryPath();
    writeFileSync(signatures, 'gzipped');
    await writer.finish(signatures);
    assert.deepEqual((await archive.list()).sort(), [names.localManifest, names.localSignatures].sort());
    assert.equal(readFileSync(archive.pathOf(names.localSignatures), 'latin1'), 'gzipped');
    assert.equal(openFiles(), before);
  });

  it('needs no list of files', async (t) => {
    const { writer } = await setWriter(t);
    await writer.addVolume(sealed(volume(1)));
    const text = readFileSync(await writer.endManifest(0), 'latin1');
    assert.ok(text.endsWith('Filelist 0\n'));
    await writer.abandon();
  });

  it('leaves nothing when it is abandoned before the first volume', async (t) => {
    const before = openFiles();
    const { archive, writer } = await setWriter(t);
    writeFileSync(writer.fileListPath, 'list');
    await writer.abandon();
    await writer.abandon();
    assert.deepEqual(await archive.list(), []);
    assert.equal(openFiles(), before);
  });

  it('leaves the partial set when it is abandoned later, also after the end of the manifest', async (t) => {
    const before = openFiles();
    for (const ended of [false, true]) {
      const { archive, names, writer } = await setWriter(t);
      await writer.addVolume(sealed(volume(1)));
      writeFileSync(writer.fileListPath, '    new      a\n');
      if (ended) await writer.endManifest(1);
      await writer.abandon();
      assert.deepEqual(
        (await archive.list()).sort(),
        [names.partialManifest, names.partialSignatures, checkpointName].sort(),
      );
    }
    assert.equal(openFiles(), before);
  });

  it('leaves nothing where only one of the two partial files got its name', async (t) => {
    const before = openFiles();
    const { archive, names, writer } = await setWriter(t);
    // A folder in the way keeps the manifest from being renamed.
    mkdirSync(archive.pathOf(names.partialManifest));
    await assert.rejects(writer.addVolume(sealed(volume(1))), { code: 'bad-archive-dir' });
    await writer.abandon();
    assert.deepEqual(await archive.list(), [names.partialManifest]);
    assert.equal(openFiles(), before);
  });

  it('goes on with an interrupted set: its files stay until the next volume, and then have all of it', async (t) => {
    const before = openFiles();
    const first = await setWriter(t);
    await first.writer.addVolume(sealed(volume(1)));
    await first.writer.addVolume(sealed(volume(2)));
    await first.writer.abandon();
    const { archive, names } = first;
    const beginning = {
      times: full,
      names,
      hostname: 'host',
      localDir: '/home',
      volumes: [volume(1)],
    };
    const checkpoint = readCheckpoint(archive, full)!;
    const contents = async () =>
      new Map((await archive.list()).map((name) => [name, readFileSync(archive.pathOf(name), 'latin1')]));
    const partial = await contents();
    const unused = new SetWriter(archive, beginning);
    unused.note(checkpoint);
    writeFileSync(unused.signaturePath, 'more signatures');
    await unused.abandon();
    assert.deepEqual(await contents(), partial);

    checkpoint.volumes.delete(2);
    const second = new SetWriter(archive, beginning);
    second.note(checkpoint);
    writeFileSync(second.signaturePath, 'more signatures');
    await second.addVolume({ ...sealed(volume(2, { endKey: 'z' })), sizeBytes: 9 });
    await second.abandon();
    assert.equal(readFileSync(archive.pathOf(names.partialSignatures), 'latin1'), 'more signatures');
    assert.match(
      readFileSync(archive.pathOf(names.partialManifest), 'latin1'),
      /^Hostname host\nLocaldir \/home\nVolume 1:\n(.*\n){3}Volume 2:\n.*\n {4}EndingPath {5}z 3\n.*\n$/,
    );
    const sizes = [...readCheckpoint(archive, full)!.volumes].map(([number, { sizeBytes }]) => [
      number,
      sizeBytes,
    ]);
    assert.deepEqual(sizes, [
      [1, 7],
      [2, 9],
    ]);
    assert.equal(openFiles(), before);
  });

  it('keeps what an interrupted run left where only one of the new files got its name', async (t) => {
    const { archive, names, writer } = await setWriter(t, { volumes: [volume(1)] });
    mkdirSync(archive.pathOf(names.partialManifest));
    await assert.rejects(writer.addVolume(sealed(volume(2))), { code: 'bad-archive-dir' });
    await writer.abandon();
    const left = [names.partialManifest, names.partialSignatures, checkpointName];
    assert.deepEqual((await archive.list()).sort(), left.sort());
  });

  it('hands on that the list of files is gone, and can still be abandoned', async (t) => {
    const before = openFiles();
    const { archive, names, writer } = await setWriter(t);
    await writer.addVolume(sealed(volume(1)));
    await assert.rejects(writer.endManifest(1), { code: 'ENOENT' });
    await writer.abandon();
    assert.ok(existsSync(archive.pathOf(names.partialManifest)));
    assert.equal(openFiles(), before);
  });
});
