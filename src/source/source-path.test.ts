import assert from 'node:assert/strict';
import { it } from 'node:test';
import { latin1OfNative } from '../base/path-key.js';
import { canonicalRoot, childPath, pathText, textPath } from './source-path.js';

it('reads paths as UTF-8', () => {
  for (const text of ['plain', 'é', 'ｗｉｄｅ', '😀/\n', '\ufffd', 'a\ufffdé']) {
    assert.equal(pathText(latin1OfNative(text)), text);
  }
});

it('gets the bytes back from what it read', () => {
  for (const path of ['plain', '\xc3\xa9\xe9', '\xf0\x9f\x98\x80\xff', '\xed\xb2\x80', '\xef\xbf\xbd\x80']) {
    assert.equal(textPath(pathText(path)), path);
  }
});

it('keeps bytes that are not UTF-8 apart', () => {
  assert.equal(pathText('a\xffb'), 'a\udcffb');
  assert.equal(pathText('\xc3\xa9\xe9'), 'é\udce9');
  // Cut short, too long a form, a surrogate, past U+10FFFF.
  for (const bytes of [
    '\xe2\x82',
    '\xc0\xaf',
    '\xe0\x80\xaf',
    '\xed\xa0\x80',
    '\xf4\x90\x80\x80',
    '\xf8\x88',
  ]) {
    const escaped = Array.from(bytes, (byte) => String.fromCharCode(0xdc00 + byte.charCodeAt(0))).join('');
    assert.equal(pathText(bytes), escaped);
  }
});

it('makes source folders canonical', () => {
  const cases = {
    '/': '/',
    '//a//b/': '/a/b',
    './a/.': 'a',
    '.': '.',
    './': '.',
    'a/../b': 'a/../b',
    '/.': '/',
    '': '.',
    'a\xff/': 'a\xff',
  };
  for (const [given, canonical] of Object.entries(cases))
    assert.equal(canonicalRoot(given), canonical, given);
});

it('joins names to folders', () => {
  assert.equal(childPath('/', 'a'), '/a');
  assert.equal(childPath('/a', 'b'), '/a/b');
  assert.equal(childPath('.', 'b'), './b');
});
