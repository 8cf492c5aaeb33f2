import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EntryType } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import type { SourceEntry } from './entry.js';
import { createSelection, type SelectionRule, type Verdict } from './selection.js';

const root = { path: '/src', isDirectory: true };

function entry(path: string, type: EntryType): SourceEntry {
  const attributes = { type, mode: 0, uid: 0, gid: 0, uname: '', gname: '', mtimeSeconds: 0, linkTarget: '' };
  return {
    key: path.slice('/src/'.length).replaceAll('/', '\0'),
    path,
    attributes: { ...attributes, deviceMajor: 0, deviceMinor: 0 },
    sizeBytes: 0,
    device: 1,
    inode: 1,
  };
}

/** `+glob` includes, `-glob` excludes. */
function rules(...written: string[]): SelectionRule[] {
  return written.map((text) => ({ kind: text.startsWith('+') ? 'include' : 'exclude', glob: text.slice(1) }));
}

function verdict(written: string[], path: string, type: EntryType = 'file'): Verdict {
  return createSelection(rules(...written), root)(entry(path, type));
}

function statusOf(written: string[], at = root): number {
  try {
    createSelection(rules(...written), at);
  } catch (error) {
    assert.ok(error instanceof TundraError);
    return error.exitStatus;
  }
  return 0;
}

describe('createSelection', () => {
  it('includes by default', () => {
    assert.equal(verdict([], '/src/a'), 'include');
    assert.equal(verdict(['-/src/b'], '/src/a'), 'include');
  });

  it('lets the first rule that speaks decide', () => {
    const written = ['+/src/a/keep', '-/src/a', '+/src/a/no', '-**'];
    assert.equal(verdict(written, '/src/a/keep/x'), 'include');
    assert.equal(verdict(written, '/src/a/no'), 'exclude');
    assert.equal(verdict(written, '/src/b'), 'exclude');
  });

  it('scans the parents of what is included, even where they are excluded later', () => {
    assert.equal(verdict(['+/src/a/b/c', '-**'], '/src/a', 'directory'), 'scan');
    assert.equal(verdict(['+/src/a/b/c', '-**'], '/src/a/b', 'directory'), 'scan');
    assert.equal(verdict(['+/src/a/b/c', '+/src/a', '-**'], '/src/a', 'directory'), 'include');
    assert.equal(verdict(['-/src/a', '+/src/a/b/c', '-**'], '/src/a', 'directory'), 'exclude');
    // Nothing decides: an include elsewhere still makes a mere scan of it.
    assert.equal(verdict(['+/src/a/b/c', '-/src/z'], '/src/a', 'directory'), 'scan');
  });

  it('asks the type for a glob with a slash at its end', () => {
    assert.equal(verdict(['-**/cache/'], '/src/cache', 'directory'), 'exclude');
    assert.equal(verdict(['-**/cache/'], '/src/cache', 'file'), 'include');
    assert.equal(verdict(['-**/cache/'], '/src/cache', 'symlink'), 'include');
  });

  it('refuses a glob that cannot match below the root', () => {
    assert.equal(statusOf(['-/other']), 14);
    assert.equal(statusOf(['-src/a']), 14);
    assert.equal(statusOf(['-/srcs/a']), 14);
    assert.equal(statusOf(['-/src/a', '+ignorecase:/other', '-**']), 14);
    assert.equal(statusOf(['-/src/'], { path: '/src', isDirectory: false }), 14);
    for (const glob of ['/src/a', '/', '**', '**/x', '/s*/a', '/???', 'ignorecase:/SRC/a', '/src/', '/src']) {
      assert.equal(statusOf([`-${glob}`]), 0, glob);
    }
    assert.equal(statusOf(['-./a'], { path: '.', isDirectory: true }), 0);
    assert.equal(statusOf(['-a'], { path: '.', isDirectory: true }), 14);
    assert.equal(statusOf(['-/a'], { path: '/', isDirectory: true }), 0);
  });

  it('refuses what is no glob', () => {
    for (const glob of ['', '/src//a', '/src/[z-a]']) assert.equal(statusOf([`-${glob}`]), 15, glob);
  });

  it('refuses a last rule that includes', () => {
    assert.equal(statusOf(['-/src/a', '+/src/b']), 16);
    assert.equal(statusOf(['+**']), 16);
    assert.throws(() => createSelection(rules('+/src/b'), root), /include \/src\/b isn't an exclude/);
    assert.equal(statusOf(['+/other']), 14);
  });

  it('is made of data that a worker can be sent', () => {
    const sent = structuredClone(rules('-/src/a\xff'));
    assert.equal(createSelection(sent, root)(entry('/src/a\xff', 'file')), 'exclude');
  });
});
