/** JSON with places: each value knows its line, and a key that stands twice in an object is an error. */

/** A value of a JSON text. Lines count from 1. */
export type JsonNode = { line: number } & (
  | { kind: 'object'; members: JsonMember[] }
  | { kind: 'array'; items: JsonNode[] }
  | { kind: 'string'; value: string }
  | { kind: 'number'; value: number }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'null' }
);

export interface JsonMember {
  key: string;
  /** Line of the key. */
  line: number;
  value: JsonNode;
}

/** What a text has instead of JSON, and where. */
export class JsonError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Settings are flat: what is nested deeper than this is a mistake, or meant to overflow the stack. */
const deepest = 32;

const token = /[ \t\n\r]*(?:([{}[\]:,])|("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*)|([a-z]+))/suy;

/** Reads a JSON text (RFC 8259, keys unique). Error: JsonError. */
export function parseJson(text: string): JsonNode {
  let at = 0;
  let line = 1;

  /** The next token: a mark, a string with its quotes, a number, a word; '' at the end. */
  function next(): string {
    token.lastIndex = at;
    const found = token.exec(text);
    if (found === null) {
      const blank = /[ \t\n\r]*/y;
      blank.lastIndex = at;
      const skipped = blank.exec(text)?.[0] ?? '';
      line += countLines(skipped);
      at += skipped.length;
      if (at === text.length) return '';
      throw new JsonError(line, `${JSON.stringify(text.slice(at, at + 10))} is not JSON`);
    }
    at = token.lastIndex;
    line += countLines(found[0]);
    return found[0].trimStart();
  }

  function value(first: string, depth: number): JsonNode {
    const start = line;
    if (depth > deepest) throw new JsonError(line, `nested more than ${deepest} deep`);
    if (first === '{') return { kind: 'object', line: start, members: members(depth) };
    if (first === '[') {
      const items: JsonNode[] = [];
      list(']', (word) => items.push(value(word, depth + 1)));
      return { kind: 'array', line: start, items };
    }
    const plain = scalar(first);
    if (plain === null) return { kind: 'null', line: start };
    if (typeof plain === 'string') return { kind: 'string', line: start, value: plain };
    if (typeof plain === 'number') return { kind: 'number', line: start, value: plain };
    return { kind: 'boolean', line: start, value: plain };
  }

  function members(depth: number): JsonMember[] {
    const found = new Map<string, JsonMember>();
    list('}', (word) => {
      const start = line;
      const key = word.startsWith('"') ? scalar(word) : undefined;
      if (typeof key !== 'string') throw unexpected(word, 'a key in quotes');
      if (found.has(key)) throw new JsonError(start, `the key ${JSON.stringify(key)} stands twice`);
      const colon = next();
      if (colon !== ':') throw unexpected(colon, '":"');
      found.set(key, { key, line: start, value: value(next(), depth + 1) });
    });
    return [...found.values()];
  }

  /** Items up to the closing mark, with commas between them. */
  function list(end: string, item: (first: string) => void): void {
    let word = next();
    if (word === end) return;
    for (;;) {
      item(word);
      const mark = next();
      if (mark === end) return;
      if (mark !== ',') throw unexpected(mark, `"," or "${end}"`);
      word = next();
    }
  }

  function scalar(word: string): string | number | boolean | null {
    try {
      const plain: unknown = JSON.parse(word);
      if (plain === null || ['string', 'number', 'boolean'].includes(typeof plain)) return plain as string;
    } catch {}
    throw unexpected(word, 'a value');
  }

  function unexpected(word: string, wanted: string): JsonError {
    const found = word === '' ? 'the end of the text' : word.slice(0, 40);
    return new JsonError(line, `${found} where ${wanted} should be`);
  }

  const document = value(next(), 0);
  const more = next();
  if (more !== '') throw unexpected(more, 'the end');
  return document;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}
