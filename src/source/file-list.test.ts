import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TundraError } from '../base/errors.js';
import { parsePathList, parsePatternList } from './file-list.js';

const include = (pattern: string) => ({ kind: 'include', pattern });
const exclude = (pattern: string) => ({ kind: 'exclude', pattern });

describe('parsePatternList', () => {
  it('reads signs, quotes and comments, and trims blanks', () => {
    const content = [
      ...[
        '/a',
        '- /b c ',
        '\t+ /d',
        '',
        '  # - /e',
        "'/f '",
        '- "/g"',
        '+ \'/h"',
        '#',
        '"',
        '-/i',
        '\xc2\xa0/j\xe3\x80\x80',
      ],
      ...['\x1c/k', '/l\xff\xa0', '+ ', '- "'],
    ].join('\n');
    assert.deepEqual(parsePatternList(content, '\n', 'exclude'), [
      ...[exclude('/a'), exclude('/b c'), include('/d'), exclude('/f '), exclude('/g'), include('\'/h"')],
      ...[exclude('-/i'), exclude('/j'), exclude('/k'), exclude('/l\xff\xa0'), exclude('+')],
    ]);
  });

  it('does what the list does where a line has no sign', () => {
    assert.deepEqual(parsePatternList('/a', '\n', 'include'), [include('/a')]);
    assert.deepEqual(parsePatternList('', '\n', 'include'), []);
  });

  it('takes line ends of any kind, and with NUL between lines none', () => {
    assert.deepEqual(parsePatternList('/a\r\n/b\r/c', '\n', 'include'), ['/a', '/b', '/c'].map(include));
    assert.deepEqual(parsePatternList('/a\r/b\n/c\0- /d', '\0', 'include'), [
      include('/a\r/b\n/c'),
      exclude('/d'),
    ]);
  });
});

describe('parsePathList', () => {
  it('reads paths as they are, with the folders they lie in', () => {
    assert.deepEqual(parsePathList('a/b/c\n a\n\n#b\n./a//d/\na/b\xff\n', '\n').sort(), [
      ...[' a', '#b', 'a', 'a\0b', 'a\0b\0c', 'a\0b\xff', 'a\0d'],
    ]);
    assert.deepEqual(parsePathList('a\nb\0c', '\0'), ['a\nb', 'c']);
  });

  it('refuses a path longer than any, as a list has that is cut at the wrong ends', () => {
    assert.equal(parsePathList('a'.repeat(4096), '\n').length, 1);
    const list = 'some/path\0'.repeat(1000);
    assert.throws(() => parsePathList(list, '\n'), { code: 'bad-file-list', advice: /--null-separator/ });
  });

  it('refuses paths that are not below the source folder, and a list without paths', () => {
    for (const content of ['/a', 'b\n/a', '..', 'a/../b', '', '\n\n', '.']) {
      assert.throws(
        () => parsePathList(content, '\n'),
        (error) => error instanceof TundraError && error.exitStatus === 7,
        content,
      );
    }
  });
});
