import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { JsonError, type JsonNode, parseJson } from './json-text.js';

/** The plain value of a node. */
function plain(node: JsonNode): unknown {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries(node.members.map(({ key, value }) => [key, plain(value)]));
    case 'array':
      return node.items.map(plain);
    case 'null':
      return null;
    default:
      return node.value;
  }
}

function refusal(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    assert.ok(error instanceof JsonError, String(error));
    return `${error.line}: ${error.message}`;
  }
  return assert.fail(`${text} was taken`);
}

describe('parseJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        assert.deepEqual(plain(parseJson(text)), JSON.parse(text));
      }),
    );
  });

  it('refuses what JSON.parse refuses, and nothing else but keys that stand twice and what is very deep', () => {
    const words = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b\\n"',
      '1',
      '-0.5e3',
      'true',
      'null',
      ' ',
      '\n',
      '"',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          refusal(text);
          return;
        }
        try {
          assert.deepEqual(plain(parseJson(text)), expected);
        } catch (error) {
          assert.match(String(error), /stands twice/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('tells the line', () => {
    assert.equal(refusal('{\n "a": 1,\n "a": 2 }'), '3: the key "a" stands twice');
    assert.equal(refusal('{\n "a": 1\n "b": 2 }'), '3: "b" where "," or "}" should be');
    assert.equal(refusal('[1,\n\n?]'), '3: "?]" is not JSON');
    assert.equal(refusal('{"a":\n'), '2: the end of the text where a value should be');
    assert.equal(refusal('01'), '1: 01 where a value should be');
    assert.equal(refusal('{} {}'), '1: { where the end should be');
    const node = parseJson('{\n\n"a":\n[true]}');
    assert.ok(node.kind === 'object');
    assert.deepEqual([node.members[0]?.line, node.members[0]?.value.line], [3, 4]);
  });

  it('does not overflow', () => {
    assert.match(refusal('['.repeat(100_000)), /nested more than/);
    assert.match(refusal('{"a":'.repeat(100_000)), /nested more than/);
    for (const text of [`"${'a'.repeat(1 << 20)}"`, `"${'\\\\'.repeat(1 << 19)}"`]) {
      assert.equal(plain(parseJson(text)), JSON.parse(text));
    }
    refusal(`"${'a'.repeat(1 << 20)}`);
  });
});
