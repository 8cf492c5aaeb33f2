import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  baseName,
  childKey,
  diskPath,
  displayKey,
  isWithin,
  keyOfSlashPath,
  latin1OfNative,
  parentKey,
  slashPath,
} from './path-key.js';

/** Any bytes that a name can hold, with many that stand on either side of `/` in order. */
const name = fc
  .array(fc.oneof(fc.constantFrom(1, 0x2d, 0x2e, 0x30, 0xff), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((bytes) => String.fromCharCode(...bytes).replaceAll('/', '0'))
  .filter((text) => text !== '.' && text !== '..');
const components = fc.array(name, { maxLength: 4 });

function keyOf(path: readonly string[]): string {
  return path.reduce((key, part) => childKey(key, part), '');
}

function compareTuples(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = Buffer.compare(Buffer.from(a[i]!, 'latin1'), Buffer.from(b[i]!, 'latin1'));
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

describe('PathKey', () => {
  it('orders as tuples of byte strings do', () => {
    fc.assert(
      fc.property(components, components, (a, b) => {
        const [left, right] = [keyOf(a), keyOf(b)];
        assert.equal(left < right ? -1 : left > right ? 1 : 0, compareTuples(a, b));
      }),
    );
  });

  it('puts what is in a directory before its neighbours, whatever their names', () => {
    const paths = ['a', 'a/b', 'a/z', 'a!', 'a-b', 'a.txt', 'ab'];
    const keys = paths.map(keyOfSlashPath);
    assert.deepEqual([...keys].sort(), keys);
    assert.ok('' < keys[0]!);
  });

  it('is read back from a slash path, also of a directory', () => {
    fc.assert(
      fc.property(components, (path) => {
        const key = keyOf(path);
        assert.equal(keyOfSlashPath(slashPath(key)), key);
        assert.equal(keyOfSlashPath(`${slashPath(key)}/`), key);
      }),
    );
    assert.equal(slashPath(''), '.');
    assert.equal(keyOfSlashPath(''), '');
    assert.equal(keyOfSlashPath('./'), '');
  });

  it('comes apart into parent and name', () => {
    fc.assert(
      fc.property(components, name, (path, last) => {
        const parent = keyOf(path);
        const key = childKey(parent, last);
        assert.equal(parentKey(key), parent);
        assert.equal(baseName(key), last);
      }),
    );
    assert.equal(parentKey(''), undefined);
    assert.equal(baseName(''), '');
  });

  it('is within its ancestors and itself, and in nothing else', () => {
    fc.assert(
      fc.property(components, components, fc.nat(4), (path, more, kept) => {
        const other = [...path.slice(0, kept), ...more];
        assert.equal(
          isWithin(keyOf(path), keyOf(other)),
          other.every((part, i) => path[i] === part),
        );
      }),
    );
    assert.ok(isWithin('a\0b', 'a'));
    assert.ok(!isWithin('ab', 'a'));
    assert.ok(!isWithin('a', 'a\0b'));
  });
});

describe('byte strings', () => {
  it('reach the disk byte by byte', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tundra-path-key-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const file of ['plain', '\xff\xfe', latin1OfNative('é€')]) {
      writeFileSync(diskPath(`${latin1OfNative(folder)}/${file}`), '');
    }
    const names = readdirSync(folder, { encoding: 'latin1' });
    assert.deepEqual(names.sort(), ['plain', '\xff\xfe', '\xc3\xa9\xe2\x82\xac'].sort());
  });

  it('are shown as UTF-8', () => {
    assert.equal(displayKey(''), '.');
    assert.equal(displayKey(`${latin1OfNative('ä')}\0\xff`), 'ä/\ufffd');
  });
});
