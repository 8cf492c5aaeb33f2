import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { goldenEntries } from '../../test/golden/golden.js';
import { pathKey } from '../../test/golden/path-sample.js';
import { askPeer } from '../../test/golden/peer.js';
import { headerOf, tarOf } from '../../test/golden/tar-sample.js';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { type DifftarKind, formatDifftarName, parseDifftarName } from './difftar.js';

const kind = fc.constantFrom<DifftarKind>('snapshot', 'diff', 'deleted');
const whole = fc.record({ kind, key: pathKey, piece: fc.constant(undefined), isDirectory: fc.boolean() });
const split = fc.record({
  kind: fc.constantFrom<DifftarKind>('snapshot', 'diff'),
  key: pathKey,
  piece: fc.integer({ min: 1, max: 1e9 }),
  isDirectory: fc.constant(false),
});

test('a name is read back', () => {
  fc.assert(
    fc.property(fc.oneof(whole, split), ({ kind, key, piece, isDirectory }) => {
      assert.deepEqual(parseDifftarName(formatDifftarName(kind, key, isDirectory, piece)), {
        kind,
        key,
        piece,
      });
    }),
  );
});

test('names are written as the format says', () => {
  assert.equal(formatDifftarName('snapshot', '', true), 'snapshot/./');
  assert.equal(formatDifftarName('snapshot', '', false), 'snapshot/');
  assert.equal(formatDifftarName('snapshot', '', false, 2), 'multivol_snapshot/./2');
  assert.equal(formatDifftarName('snapshot', 'a\0b', true), 'snapshot/a/b/');
  assert.equal(formatDifftarName('deleted', 'a\0b', false), 'deleted/a/b');
  assert.equal(formatDifftarName('diff', 'a', false, 12), 'multivol_diff/a/12');
});

test('the names that duplicity wrote are read, and written the same', () => {
  for (const golden of ['full.difftar.gz', 'inc.difftar.gz']) {
    for (const { name, type } of goldenEntries(golden)) {
      const { kind, key, piece } = parseDifftarName(name);
      assert.equal(formatDifftarName(kind, key, type === 'directory', piece), name);
    }
  }
});

test('names that lead out of the folder, and names of nothing, are refused', () => {
  const bad = [
    'snapshot/../etc/passwd',
    'snapshot/a/../../b',
    'snapshot/a/..',
    'snapshot/../',
    'snapshot//etc/passwd',
    'snapshot/a//b',
    'snapshot/a//',
    'snapshot/./a',
    'snapshot/a/.',
    'snapshot/a\0b',
    'snapshot/a\0../b',
    'multivol_diff/../1',
    'multivol_snapshot/a/../b/1',
    'multivol_snapshot/1',
    'multivol_snapshot/a/x',
    'multivol_deleted/a/1',
    'snapshot',
    'snapshots/a',
    '/snapshot/a',
    'signature/a',
    '',
  ];
  for (const name of bad) {
    assert.throws(
      () => parseDifftarName(name),
      (error) => error instanceof TundraError && error.code === 'format',
      name,
    );
  }
});

test('any name at all gives a safe key or a format error', () => {
  const part = fc.constantFrom('snapshot', 'multivol_diff', 'deleted', '/', '.', '..', 'a', '1', '\0', '\n');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      try {
        const { key } = parseDifftarName(parts.join(''));
        const components = key === '' ? [] : key.split('\0');
        assert.ok(
          components.every((name) => name !== '' && name !== '.' && name !== '..' && !name.includes('/')),
        );
      } catch (error) {
        assert.ok(error instanceof TundraError && error.code === 'format', String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

interface PeerEntry {
  path: string;
  difftype: DifftarKind;
  type: string | null;
  data: string | null;
}

interface Case {
  key: PathKey;
  kind: DifftarKind;
  /** The peer's word for it; null for what is gone. */
  type: 'dir' | 'reg' | null;
  pieces: string[];
}

function caseOf(key: PathKey, i: number): Case {
  if (key === '' || i % 4 === 3) return { key, kind: 'snapshot', type: 'dir', pieces: [''] };
  if (i % 4 === 0) return { key, kind: 'deleted', type: null, pieces: [''] };
  if (i % 4 === 1) return { key, kind: 'diff', type: 'reg', pieces: ['delta'] };
  return { key, kind: 'snapshot', type: 'reg', pieces: ['one', 'two', ''] };
}

test('duplicity reads a volume with our names', (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const keys = [...new Set(fc.sample(pathKey, { numRuns: 80, seed: 3 }))].sort();
  const cases = keys.map(caseOf);
  const tar = tarOf(
    cases.flatMap(({ key, kind, type, pieces }) =>
      pieces.map((piece, i) => {
        const body = Buffer.from(piece);
        const isDirectory = type === 'dir';
        const name = formatDifftarName(kind, key, isDirectory, pieces.length > 1 ? i + 1 : undefined);
        const header = headerOf({ name, type: isDirectory ? 'directory' : 'file', sizeBytes: body.length });
        return { header, body };
      }),
    ),
  );
  const read = askPeer<PeerEntry[]>(
    `
import base64, io
from duplicity import patchdir, util
tar = util.make_tarfile('r', io.BytesIO(base64.b64decode(given)))
answer = [{
    'path': b'\\0'.join(path.index).decode('latin1'), 'difftype': path.difftype, 'type': path.type,
    'data': path.get_data().decode('latin1') if path.fileobj else None
} for path in patchdir.difftar2path_iter(tar)]`,
    tar.toString('base64'),
    { LC_ALL: 'C.UTF-8' },
  );
  assert.deepEqual(
    read,
    cases.map(({ key, kind, type, pieces }) => ({
      path: key,
      difftype: kind,
      type,
      data: type === 'reg' ? pieces.join('') : null,
    })),
  );
});
