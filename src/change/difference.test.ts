import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Attributes, EntryType } from '../base/attributes.js';
import { attributesDifference, contentsDiffer, FileComparison, missingFile, newFile } from './difference.js';
import { attributes, owners } from './entries.fixture.js';

function differs(backup: Partial<Attributes>, disk: Partial<Attributes>): string | undefined {
  return attributesDifference('d\0f', attributes(backup), attributes(disk), owners);
}

describe('attributesDifference', () => {
  it('finds nothing where all that counts is the same', () => {
    const types: EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'char-device', 'block-device'];
    for (const type of types) assert.equal(differs({ type }, { type }), undefined);
    assert.equal(differs({ uname: 'moved' }, { uid: 2000 }), undefined);
    assert.equal(differs({ mtimeSeconds: 0 }, { mtimeSeconds: -3 }), undefined);
    assert.equal(
      differs({ type: 'symlink', linkTarget: 'x' }, { type: 'symlink', linkTarget: 'x/' }),
      undefined,
    );
  });

  it('says what differs in the words that scripts look for', () => {
    assert.equal(differs({}, { type: 'directory' }), 'Difference found: File d/f has type dir, expected reg');
    assert.equal(
      differs({ mode: 0o4755 }, {}),
      'Difference found: File d/f has permissions 1000:100 644, expected 1000:100 4755',
    );
    assert.equal(
      differs({ uid: 5, uname: 'moved' }, {}),
      'Difference found: File d/f has permissions 1000:100 644, expected 2000:100 644',
    );
    assert.match(
      differs({ mtimeSeconds: 86_400 }, { mtimeSeconds: 0 })!,
      /^Difference found: File d\/f has mtime .* 1970, expected .* 1970$/,
    );
    assert.equal(
      differs({ type: 'symlink', linkTarget: 'x/' }, { type: 'symlink', linkTarget: '\xc3\xa9' }),
      'Difference found: Symlink d/f points to é, expected x/',
    );
    assert.equal(
      differs({ type: 'char-device', deviceMajor: 1, deviceMinor: 3 }, { type: 'char-device' }),
      'Difference found: Device file d/f has numbers (0, 0), expected (1, 3)',
    );
    assert.equal(newFile(''), 'Difference found: New file .');
    assert.equal(missingFile('a\0b'), 'Difference found: File a/b is missing');
    assert.equal(contentsDiffer('a'), 'Difference found: Data for file a is different');
  });
});

function file(t: TestContext, bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-difference-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  writeFileSync(path, bytes);
  return path;
}

function isSame(path: string, pieces: readonly Uint8Array[]): boolean {
  const comparison = new FileComparison(path);
  try {
    for (const piece of pieces) comparison.write(piece);
    return comparison.finish();
  } finally {
    comparison.close();
  }
}

describe('FileComparison', () => {
  it('is true for the very bytes of the file only, in whatever pieces', (t) => {
    const bytes = Buffer.from('0123456789');
    const path = file(t, bytes);
    const changed = fc.record({ at: fc.nat(9), to: fc.constantFrom(...'0x') });
    fc.assert(
      fc.property(fc.array(fc.nat(10), { maxLength: 4 }), fc.option(changed), (cuts, change) => {
        const expected = Buffer.from(bytes);
        if (change !== null) expected.write(change.to, change.at);
        const bounds = [0, ...cuts, 10].sort((a, b) => a - b);
        const pieces = bounds.slice(1).map((end, i) => expected.subarray(bounds[i], end));
        assert.equal(isSame(path, pieces), expected.equals(bytes));
      }),
    );
  });

  it('sees that the file is longer or shorter', (t) => {
    const path = file(t, Buffer.from('abc'));
    for (const [text, same] of [
      ['abc', true],
      ['ab', false],
      ['abcd', false],
      ['', false],
    ] as const) {
      assert.equal(isSame(path, [Buffer.from(text)]), same);
    }
    assert.ok(isSame(file(t, Buffer.alloc(0)), []));
  });

  it('compares pieces larger than its buffer', (t) => {
    const bytes = Buffer.alloc(300_000, 'x');
    const path = file(t, bytes);
    assert.ok(isSame(path, [bytes]));
    bytes[299_999] = 0;
    assert.ok(!isSame(path, [bytes]));
  });

  it('follows a link, as a walk that follows links found a file there', (t) => {
    const path = file(t, Buffer.from('abc'));
    symlinkSync('file', `${path}.link`);
    assert.ok(isSame(`${path}.link`, [Buffer.from('abc')]));
  });

  it('closes its file, and throws where there is none', (t) => {
    const path = file(t, Buffer.from('abc'));
    const before = readdirSync('/proc/self/fd').length;
    isSame(path, []);
    assert.equal(readdirSync('/proc/self/fd').length, before);
    assert.throws(() => new FileComparison(`${path}.gone`), { code: 'ENOENT' });
  });
});
