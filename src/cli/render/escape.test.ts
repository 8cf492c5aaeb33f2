import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { quotedPath, terminalLine, terminalText } from './escape.js';

describe('quotedPath', () => {
  it('quotes as duplicity 0.8.22 does', () => {
    assert.equal(quotedPath('a b"/c'), `'a b"/c'`);
    // As its own function gives it for these bytes.
    assert.equal(
      quotedPath(
        '\xff\xc3\xa9\x1b[31m"q\'\\ \n\t\r\x7f \xf0\x9f\x98\x80 \xe2\x82\xac \xc2\x85 \xc3\xad\xed\xa0\x80',
      ),
      `'\\udcff\\xe9\\x1b[31m"q\\x27\\\\ \\n\\t\\r\\x7f \\U0001f600 \\u20ac \\x85 \\xed\\udced\\udca0\\udc80'`,
    );
  });
});

describe('terminal output', () => {
  it('has no control character but tabs and line ends', () => {
    assert.equal(
      terminalText('a\x1b[2J\x07\n\tb\x9b1m\x7f\u202e é 😀'),
      'a\\x1b[2J\\x07\n\tb\\x9b1m\\x7f\\u202e é 😀',
    );
  });

  it('shows one line as one line, and bytes that are no UTF-8 as what they are', () => {
    assert.equal(terminalLine('\xc3\xa9\xff\n\x1b\x9b\xc2\x9b'), 'é\\xff\\n\\x1b\\x9b\\x9b');
  });
});
