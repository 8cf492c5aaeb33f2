import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { EntryType } from '../base/attributes.js';
import { TundraError } from '../base/errors.js';
import type { SourceEntry } from './entry.js';
import { createSelection, type SelectionRule, type Verdict } from './selection.js';
import { testTree } from './tree.fixture.js';

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
    linkCount: 1,
    changeTimeMs: 0,
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

  describe('by other things than globs', () => {
    const decide = (given: SelectionRule[], path: string, type: EntryType = 'file', change = {}) =>
      createSelection(given, root)({ ...entry(path, type), ...change });
    const all: SelectionRule = { kind: 'exclude', glob: '**' };
    const literal = (kind: 'include' | 'exclude', path: string, ignoreCase = false): SelectionRule => ({
      kind,
      literal: path,
      ignoreCase,
    });

    it('takes a literal path as it is, with what is in it', () => {
      const rules = [literal('include', '/src/[a]*/'), all];
      assert.equal(decide(rules, '/src/[a]*', 'directory'), 'include');
      assert.equal(decide(rules, '/src/[a]*/b'), 'include');
      assert.equal(decide(rules, '/src/[a]*b'), 'exclude');
      assert.equal(decide(rules, '/src/ab'), 'exclude');
      assert.equal(decide([literal('include', '/src/a/b'), all], '/src/a', 'directory'), 'scan');
      assert.equal(decide([literal('exclude', '/src/a/b')], '/src/a', 'directory'), 'include');
      assert.equal(decide([literal('exclude', '/src/A')], '/src/a'), 'include');
      assert.equal(decide([literal('exclude', '/src/A', true)], '/src/a'), 'exclude');
      assert.equal(decide([literal('exclude', '/')], '/src/a'), 'exclude');
    });

    it('refuses a literal path that is not below the root', () => {
      for (const [path, status] of [
        ['/srcs/a', 14],
        ['src', 14],
        ['**', 14],
        ['', 15],
      ] as const) {
        assert.throws(
          () => createSelection([literal('exclude', path)], root),
          (error) => error instanceof TundraError && error.exitStatus === status,
          path,
        );
      }
    });

    it('searches whole paths for regular expressions', () => {
      const rules: SelectionRule[] = [
        { kind: 'include', regexp: '^/src/\xc3\xa9.$', ignoreCase: false },
        { kind: 'exclude', regexp: 'B', ignoreCase: true },
      ];
      assert.equal(decide(rules, '/src/\xc3\xa9b'), 'include');
      assert.equal(decide(rules, '/src/\xc3\xa9bc'), 'exclude');
      assert.equal(decide(rules, '/src/c'), 'include');
      assert.throws(() => createSelection([{ kind: 'exclude', regexp: '(', ignoreCase: false }], root), {
        exitStatus: 30,
      });
    });

    it('leaves out device files before anything is included', () => {
      const rules: SelectionRule[] = [{ kind: 'include', glob: '**' }, { kind: 'exclude-device-files' }, all];
      assert.equal(decide(rules, '/src/a', 'char-device'), 'exclude');
      assert.equal(decide(rules, '/src/a', 'block-device'), 'exclude');
      assert.equal(decide(rules, '/src/a', 'fifo'), 'include');
    });

    it('leaves out what is on another file system than the root', () => {
      const rules: SelectionRule[] = [{ kind: 'exclude-other-filesystems' }];
      const { dev } = statSync('/');
      const selection = createSelection(rules, { path: '/', isDirectory: true });
      assert.equal(selection({ ...entry('/a', 'file'), device: dev }), 'include');
      assert.equal(selection({ ...entry('/a', 'file'), device: dev + 1 }), 'exclude');
    });

    it('leaves out files that were changed before a time, and only files', () => {
      const rules: SelectionRule[] = [{ kind: 'exclude-older-than', seconds: 1000 }];
      const at = (type: EntryType, mtimeSeconds: number) => {
        const { attributes } = entry('/src/a', type);
        return decide(rules, '/src/a', type, { attributes: { ...attributes, mtimeSeconds } });
      };
      assert.equal(at('file', 999), 'exclude');
      assert.equal(at('file', 1000), 'include');
      assert.equal(at('directory', 999), 'include');
      assert.equal(at('symlink', 999), 'include');
    });

    it('leaves out folders that hold a name, before anything is included', (t) => {
      const folder = testTree(t, {
        'a/skip': 'file',
        'b/skip': { link: 'nowhere' },
        'c/skipped': 'file',
        skip: 'file',
      });
      const selection = createSelection(
        [{ kind: 'include', glob: '**' }, { kind: 'exclude-if-present', name: 'skip' }, all],
        { path: folder, isDirectory: true },
      );
      const found = ['a', 'b', 'c', 'skip'].map((name) =>
        selection({ ...entry(`${folder}/${name}`, name === 'skip' ? 'file' : 'directory') }),
      );
      assert.deepEqual(found, ['exclude', 'exclude', 'include', 'include']);
    });

    it('takes only what is listed, and of that what other rules take', () => {
      const rules: SelectionRule[] = [
        { kind: 'exclude', glob: '**.log' },
        { kind: 'only-listed', keys: ['a', 'a\0b', 'a\0c.log'] },
      ];
      const verdicts = ['a', 'a/b', 'a/b/x', 'a/c.log', 'd'].map((path) => decide(rules, `/src/${path}`));
      assert.deepEqual(verdicts, ['include', 'include', 'exclude', 'exclude', 'exclude']);
    });
  });

  it('is made of data that a worker can be sent', () => {
    const sent = structuredClone(rules('-/src/a\xff'));
    assert.equal(createSelection(sent, root)(entry('/src/a\xff', 'file')), 'exclude');
  });
});
