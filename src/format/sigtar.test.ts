import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { goldenEntries } from '../../test/golden/golden.js';
import { pathKey } from '../../test/golden/path-sample.js';
import { askPeer } from '../../test/golden/peer.js';
import { headerOf, tarOf } from '../../test/golden/tar-sample.js';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import { formatSigtarName, parseSigtarName, type SigtarKind } from './sigtar.js';

test('a name is read back', () => {
  const kind = fc.constantFrom<SigtarKind>('signature', 'snapshot', 'deleted');
  fc.assert(
    fc.property(kind, pathKey, fc.boolean(), (kind, key, isDirectory) => {
      assert.deepEqual(parseSigtarName(formatSigtarName(kind, key, isDirectory)), { kind, key });
    }),
  );
});

test('the root has no dot, but one is understood', () => {
  assert.equal(formatSigtarName('snapshot', '', true), 'snapshot/');
  assert.equal(formatSigtarName('signature', '', false), 'signature/');
  for (const name of ['snapshot/', 'snapshot/./', 'snapshot/.']) {
    assert.deepEqual(parseSigtarName(name), { kind: 'snapshot', key: '' });
  }
});

test('the names that duplicity wrote are read, and written the same', () => {
  for (const golden of ['full.sigtar.gz', 'inc.sigtar.gz']) {
    for (const { name, type } of goldenEntries(golden)) {
      const { kind, key } = parseSigtarName(name);
      assert.equal(formatSigtarName(kind, key, type === 'directory'), name);
    }
  }
});

test('names that lead out of the folder, and names of nothing, are refused', () => {
  for (const name of [
    'signature/../a',
    'snapshot//a',
    'deleted/a/./b',
    'diff/a',
    'signature',
    '',
    'deleted/a\0b',
  ]) {
    assert.throws(
      () => parseSigtarName(name),
      (error) => error instanceof TundraError && error.code === 'format',
      name,
    );
  }
});

test('duplicity reads a signature file with our names', (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const keys = [...new Set(fc.sample(pathKey, { numRuns: 60, seed: 4 }))].sort();
  const cases = keys.map((key, i) => {
    const isDirectory = key === '' || i % 3 === 0;
    return {
      key,
      kind: (isDirectory ? 'snapshot' : i % 3 === 1 ? 'signature' : 'deleted') as SigtarKind,
      isDirectory,
    };
  });
  const body = Buffer.from('sums');
  const tar = tarOf(
    cases.map(({ key, kind, isDirectory }) => {
      const data = kind === 'signature' ? body : Buffer.alloc(0);
      const name = formatSigtarName(kind, key, isDirectory);
      const type = isDirectory ? 'directory' : 'file';
      return { header: headerOf({ name, type, sizeBytes: data.length }), body: data };
    }),
  );
  const read = askPeer<{ path: string; kind: SigtarKind; data: string | null }[]>(
    `
import base64, io
from duplicity import diffdir
answer = [{
    'path': b'\\0'.join(path.index).decode('latin1'), 'kind': path.difftype,
    'data': path.get_data().decode('latin1') if path.fileobj else None
} for path in diffdir.sigtar2path_iter(io.BytesIO(base64.b64decode(given)))]`,
    tar.toString('base64'),
    { LC_ALL: 'C.UTF-8' },
  );
  assert.deepEqual(
    read,
    cases.map(({ key, kind }) => ({ path: key, kind, data: kind === 'signature' ? 'sums' : null })),
  );
});
