import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyOfSlashPath, slashPath } from '../base/path-key.js';
import { mayMeet, type Renames, renamedKey, reopenedDirectories } from './renames.js';

function renamesOf(...pairs: [from: string, to: string][]): Renames {
  return new Map(pairs.map(([from, to]) => [keyOfSlashPath(from), keyOfSlashPath(to)]));
}

function renamed(renames: Renames, path: string): string {
  return slashPath(renamedKey(renames, keyOfSlashPath(path)));
}

describe('renamedKey', () => {
  it('moves a path and all below it, and nothing else', () => {
    const renames = renamesOf(['a/b', 'x/y']);
    assert.equal(renamed(renames, 'a/b'), 'x/y');
    assert.equal(renamed(renames, 'a/b/c/d'), 'x/y/c/d');
    for (const path of ['a', 'a/bc', 'a/c', 'b', 'x/y', '.']) assert.equal(renamed(renames, path), path);
  });

  it('goes by the longest path, once', () => {
    const renames = renamesOf(['a', 'b'], ['b', 'c'], ['a/k', 'd'], ['a/k/l', 'a/k/l']);
    assert.equal(renamed(renames, 'a/x'), 'b/x');
    assert.equal(renamed(renames, 'b/x'), 'c/x');
    assert.equal(renamed(renames, 'a/k/x'), 'd/x');
    assert.equal(renamed(renames, 'a/k/l/x'), 'a/k/l/x');
  });

  it('moves to the root', () => {
    const renames = renamesOf(['a', '.']);
    assert.equal(renamed(renames, 'a'), '.');
    assert.equal(renamed(renames, 'a/b/c'), 'b/c');
  });
});

describe('reopenedDirectories', () => {
  it('are those above where renamed entries go and where they are missing', () => {
    const renames = renamesOf(['a/b/c', 'x/y'], ['a', 'z']);
    assert.deepEqual([...reopenedDirectories(renames)].map(slashPath).sort(), ['.', 'x', 'x/y', 'z', 'z/b']);
  });
});

describe('mayMeet', () => {
  it('is so above, at and below where renamed entries go', () => {
    const renames = renamesOf(['a', 'x/y']);
    for (const path of ['.', 'x', 'x/y', 'x/y/z']) assert.ok(mayMeet(renames, keyOfSlashPath(path)), path);
    for (const path of ['a', 'xx', 'x/z', 'x/yy']) assert.ok(!mayMeet(renames, keyOfSlashPath(path)), path);
  });
});
