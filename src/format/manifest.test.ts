import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { goldenBytes } from '../../test/golden/golden.js';
import { pathKey } from '../../test/golden/path-sample.js';
import { askPeer } from '../../test/golden/peer.js';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import { displayKey, isWithin, type PathKey } from '../base/path-key.js';
import {
  bestHash,
  type FileChange,
  formatFileListEntry,
  formatFileListHeader,
  formatManifestHeader,
  formatVolumeRecord,
  type Manifest,
  ManifestParser,
  quotePath,
  unquotePath,
  type VolumeRecord,
  volumeMayHold,
} from './manifest.js';

type FileEntry = [FileChange, PathKey];

function format(manifest: Omit<Manifest, 'fileListComplete'>, files: FileEntry[]): string {
  return [
    formatManifestHeader(manifest),
    ...manifest.volumes.map(formatVolumeRecord),
    formatFileListHeader(files.length),
    ...files.map(([change, key]) => formatFileListEntry(change, key)),
  ].join('');
}

function parse(text: string | Buffer, pieceBytes = 1 << 16): { manifest: Manifest; files: FileEntry[] } {
  const bytes = Buffer.from(text as string, 'latin1');
  const files: FileEntry[] = [];
  const parser = new ManifestParser({ onFile: (change, key) => files.push([change, key]) });
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
    parser.update(piece);
    piece.fill(0xaa);
  }
  return { manifest: parser.finish(), files };
}

const volume = (number: number, values: Partial<VolumeRecord> = {}): VolumeRecord => ({
  number,
  startKey: 'a',
  startBlock: undefined,
  endKey: 'b',
  endBlock: undefined,
  hashes: [{ algorithm: 'SHA1', hex: 'ab12' }],
  ...values,
});

for (const name of ['full', 'inc', 'split']) {
  test(`the ${name} manifest that duplicity wrote is read, and written the same byte by byte`, () => {
    const text = goldenBytes(`${name}.manifest`).toString('latin1');
    for (const pieceBytes of [1 << 16, 100, 1]) {
      const { manifest, files } = parse(text, pieceBytes);
      assert.equal(manifest.hostname, 'golden.example');
      assert.equal(manifest.localDir, name === 'split' ? 'big' : 'odd tree');
      assert.equal(manifest.fileListComplete, true);
      assert.equal(format(manifest, files), text);
    }
  });
}

test('block numbers are those of the pieces at the borders', () => {
  const { manifest, files } = parse(goldenBytes('split.manifest'));
  assert.deepEqual(
    manifest.volumes.map(({ number, startKey, startBlock, endKey, endBlock }) => [
      number,
      displayKey(startKey),
      startBlock,
      displayKey(endKey),
      endBlock,
    ]),
    [
      [1, '.', undefined, 'one', 15],
      [2, 'one', 16, 'one', 30],
      [3, 'one', 31, 'zero', undefined],
    ],
  );
  assert.deepEqual(files[1], ['new', 'two and a half']);
});

const block = fc.option(fc.integer({ min: 1, max: 1e6 }), { nil: undefined });
const volumes = fc
  .array(
    fc.record({
      startKey: pathKey,
      startBlock: block,
      endKey: pathKey,
      endBlock: block,
      sha: fc.nat(2 ** 31),
    }),
    { maxLength: 5 },
  )
  .map((list) =>
    list.map(({ sha, ...bounds }, i) =>
      volume(i + 1, { ...bounds, hashes: [{ algorithm: 'SHA1', hex: sha.toString(16) }] }),
    ),
  );
const entry = fc.tuple(fc.constantFrom<FileChange>('new', 'changed', 'deleted'), pathKey);
const anyManifest = fc.record({
  manifest: fc.record({
    hostname: fc.constantFrom(undefined, 'host', 'hôte.example'),
    localDir: fc.constantFrom(undefined, '/home', 'with space', '\xff"'),
    volumes,
  }),
  files: fc.array(entry, { maxLength: 6 }),
});

test('a manifest is read back, however it is cut', () => {
  fc.assert(
    fc.property(anyManifest, fc.integer({ min: 1, max: 400 }), ({ manifest, files }, pieceBytes) => {
      assert.deepEqual(parse(format(manifest, files), pieceBytes), {
        manifest: { ...manifest, fileListComplete: true },
        files,
      });
    }),
    { numRuns: 200 },
  );
});

test('quoting is undone, and what is quoted is one word', () => {
  fc.assert(
    fc.property(pathKey, (key) => {
      const path = key.replaceAll('\0', '/');
      assert.match(quotePath(path), /^[^\t-\r ]*$/);
      assert.equal(unquotePath(quotePath(path)), path);
    }),
  );
  for (const broken of ['"', '"a', '"\\"', '"\\n"', '"\\x4"', '"\\x4g"'])
    assert.equal(unquotePath(broken), undefined, broken);
  assert.equal(unquotePath("'a"), "'a");
});

test('where volume numbers go back, the later records stand', () => {
  const records = [volume(1), volume(2), volume(3), volume(2, { endKey: 'z' })];
  const { manifest } = parse(records.map(formatVolumeRecord).join(''));
  assert.deepEqual(manifest.volumes, [volume(1), volume(2, { endKey: 'z' })]);
});

test('the file list may stand first or be missing; field names are of any case', () => {
  const first = `HOSTNAME h\nlocaldir /d\nFileList 1\n    new      a\nVOLUME 1:\n  startingpath . \n\tENDINGPATH b 3\n    hash MD5 AB\n`;
  const { manifest, files } = parse(first);
  assert.deepEqual(files, [['new', 'a']]);
  assert.deepEqual(manifest, {
    hostname: 'h',
    localDir: '/d',
    volumes: [volume(1, { startKey: '', endBlock: 3, hashes: [{ algorithm: 'MD5', hex: 'ab' }] })],
    fileListComplete: true,
  });
  assert.equal(parse(formatVolumeRecord(volume(1))).manifest.fileListComplete, true);
  assert.deepEqual(parse('').manifest.volumes, []);
});

test('unknown fields are passed over, an unended last line is taken', () => {
  const text = `Format 9\n${formatVolumeRecord(volume(1))}    Colour blue\n\nFilelist 1\n    new      a`;
  assert.deepEqual(parse(text).manifest.volumes, [volume(1)]);
  assert.deepEqual(parse(text).files, [['new', 'a']]);
});

test('a file list that nobody asked for is counted', () => {
  const text = goldenBytes('full.manifest');
  for (const [pieceBytes, cut] of [
    [1 << 16, 0],
    [90, 0],
    [1 << 16, 60],
  ] as const) {
    const parser = new ManifestParser();
    const bytes = text.subarray(0, text.length - cut);
    for (let at = 0; at < bytes.length; at += pieceBytes)
      parser.update(bytes.subarray(at, Math.min(at + pieceBytes, bytes.length)));
    assert.equal(parser.finish().fileListComplete, cut === 0);
  }
});

test('a damaged file list is told, and does not keep the volumes from being read', () => {
  const record = formatVolumeRecord(volume(1));
  for (const list of [
    'Filelist 2\n    new      a\n',
    'Filelist 1\n    what     a\n',
    'Filelist 1\n    new      "a\n',
  ]) {
    const { manifest } = parse(record + list);
    assert.equal(manifest.fileListComplete, false, list);
    assert.equal(manifest.volumes.length, 1);
  }
});

test('what is no manifest is refused with the line', () => {
  const bad: [string, RegExp][] = [
    ['Volume 1:\n    EndingPath a  \n', /line 1: volume 1/],
    ['Hostname h\nVolume x:\n', /line 2/],
    ['Volume 0:\n', /line 1/],
    [`Volume ${'9'.repeat(30)}:\n`, /line 1/],
    ['Volume 1:\n    StartingPath a x\n', /line 2/],
    ['Volume 1:\n    StartingPath\n', /line 2/],
    ['Volume 1:\n    StartingPath "a\n', /line 2/],
    ['Volume 1:\n    Hash SHA1\n', /line 2/],
    ['Filelist many\n', /line 1/],
    ['Localdir "\n', /line 1/],
    ['\x85\x01PGP\n\x00\n', /not a manifest/],
    [`Hostname ${'h'.repeat(2 << 20)}`, /line 1: a line is too long/],
  ];
  for (const [text, message] of bad) {
    assert.throws(
      () => parse(text),
      (error) =>
        error instanceof TundraError && error.code === 'unreadable-manifests' && message.test(error.message),
      text.slice(0, 60),
    );
  }
});

test('more text than allowed is refused, but for the file list', () => {
  const record = formatVolumeRecord(volume(1));
  const parser = new ManifestParser({ limitBytes: 800 });
  parser.update(Buffer.from(`${record}Filelist 2000\n${'    new      file\n'.repeat(2000)}`));
  parser.update(Buffer.from(record));
  assert.throws(() => parser.update(Buffer.from(record.repeat(5))), /too large/);
});

test('damaged text gives a manifest or a typed error, nothing else', () => {
  const original = Buffer.concat([goldenBytes('split.manifest'), goldenBytes('full.manifest')]);
  const change = fc.record({ at: fc.nat(original.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const spoilt = Buffer.from(original);
      for (const { at, byte } of changes) spoilt[at] = byte;
      try {
        parse(spoilt);
      } catch (error) {
        assert.ok(error instanceof TundraError && error.code === 'unreadable-manifests', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('a volume may hold a path, or what is below it', () => {
  const bounds = volume(1, { startKey: 'b\0c', endKey: 'd' });
  const answers: [PathKey, boolean][] = [
    ['', true],
    ['a', false],
    ['b', true],
    ['b\0b', false],
    ['b\0c', true],
    ['b-', true],
    ['d', true],
    ['d\0a', false],
    ['e', false],
  ];
  for (const [key, held] of answers) assert.equal(volumeMayHold(bounds, key), held, displayKey(key));
  fc.assert(
    fc.property(pathKey, pathKey, pathKey, pathKey, (one, two, path, folder) => {
      const [startKey, endKey] = one < two ? [one, two] : [two, one];
      const bounds = volume(1, { startKey, endKey });
      if (startKey <= path && path <= endKey && isWithin(path, folder))
        assert.ok(volumeMayHold(bounds, folder));
    }),
    { numRuns: 500 },
  );
});

test('the best hash is SHA1, then MD5', () => {
  const hashes = ['X', 'MD5', 'SHA1'].map((algorithm) => ({ algorithm, hex: '0' }));
  assert.equal(bestHash(volume(1, { hashes }))?.algorithm, 'SHA1');
  assert.equal(bestHash(volume(1, { hashes: hashes.slice(0, 2) }))?.algorithm, 'MD5');
  assert.equal(bestHash(volume(1, { hashes: hashes.slice(0, 1) }))?.algorithm, 'X');
  assert.equal(bestHash(volume(1, { hashes: [] })), undefined);
});

interface PeerManifest {
  text: string;
  hostname: string | null;
  localDir: string | null;
  held: number[][];
  files: [string, string][];
}

test('duplicity reads our manifests and writes the same, and looks for paths in the same volumes', (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const samples = fc.sample(anyManifest, { numRuns: 60, seed: 8 });
  const keys = fc.sample(pathKey, { numRuns: 60, seed: 9 });
  const texts = samples.map(({ manifest, files }) => format(manifest, files));
  const answers = askPeer<PeerManifest[]>(
    `
from duplicity import config, manifest
config.show_changes_in_set = 0
def index(key):
    return tuple(key.encode('latin1').split(b'\\0')) if key else ()
answer = []
for text in given[0]:
    m = manifest.Manifest().from_string(text.encode('latin1'))
    answer.append({
        'text': b''.join(m.volume_info_dict[n].to_string() + b'\\n' for n in sorted(m.volume_info_dict)).decode('latin1'),
        'hostname': m.hostname,
        'localDir': m.local_dirname and m.local_dirname.decode('latin1'),
        'held': [sorted(m.get_containing_volumes(index(key))) for key in given[1]],
        'files': [[change.decode(), manifest.Unquote(path).decode('latin1')] for change, path in m.files_changed],
    })`,
    [texts, keys],
  );
  samples.forEach(({ manifest, files }, i) => {
    const peer = answers[i]!;
    assert.equal(peer.text, manifest.volumes.map(formatVolumeRecord).join(''));
    assert.equal(peer.hostname, manifest.hostname ?? null);
    assert.equal(peer.localDir, manifest.localDir ?? null);
    assert.deepEqual(
      peer.files,
      files.map(([change, key]) => [change, key === '' ? '.' : key.replaceAll('\0', '/')]),
    );
    keys.forEach((key, j) => {
      const held = manifest.volumes
        .filter((volume) => volumeMayHold(volume, key))
        .map(({ number }) => number);
      assert.deepEqual(held, peer.held[j], displayKey(key));
    });
  });
});
