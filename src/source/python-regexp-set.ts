/** What a part of a Python expression is written in, as its inline flags say. */
export interface PatternFlags {
  ignoreCase: boolean;
  multiline: boolean;
  dotAll: boolean;
  verbose: boolean;
  /** Letters and digits are those of ASCII only. */
  ascii: boolean;
}

/** `d`, `D`, `s`, `S`, `w` or `W`, as behind a backslash. */
export type Category = 'd' | 'D' | 's' | 'S' | 'w' | 'W';

/** A member of a character set: a range of code points (both ends are in it), or a category. */
export type SetItem = [low: number, high: number] | Category;

/** Lower-case category -> content of a JavaScript set; Python's blanks and letters are not JavaScript's. */
const unicodeContent = {
  d: '\\p{Nd}',
  s: '\\t-\\r\\u{1c}-\\u{20}\\u{85}\\u{a0}\\u{1680}\\u{2000}-\\u{200a}\\u{2028}\\u{2029}\\u{202f}\\u{205f}\\u{3000}',
  w: '\\p{L}\\p{N}_',
};
const asciiContent = { d: '0-9', s: '\\t-\\r\\u{20}', w: 'a-zA-Z0-9_' };

/** A category as JavaScript writes it with the flag `u`. */
export function categorySource(category: Category, ascii: boolean): string {
  const lower = category.toLowerCase() as 'd' | 's' | 'w';
  return `[${category === lower ? '' : '^'}${contentOf(lower, ascii)}]`;
}

function contentOf(category: 'd' | 's' | 'w', ascii: boolean): string {
  return (ascii ? asciiContent : unicodeContent)[category];
}

/** A character set as JavaScript writes it with the flag `u`. */
export function setSource(items: readonly SetItem[], isNegated: boolean, flags: PatternFlags): string {
  const outer: string[] = [];
  let content = '';
  for (const item of items) {
    if (typeof item !== 'string') {
      content += rangeSource(item) + (flags.ignoreCase ? otherCases(item, flags.ascii) : '');
    } else if (item === 'd' || item === 's' || item === 'w') {
      content += contentOf(item, flags.ascii);
    } else {
      outer.push(categorySource(item, flags.ascii));
    }
  }
  if (outer.length === 0) return `[${isNegated ? '^' : ''}${content}]`;
  // Sets within sets need the flag `v`, with which V8 misses bytes that are not UTF-8.
  if (content !== '') outer.push(`[${content}]`);
  const any = outer.join('|');
  return isNegated ? `(?:(?!${any})[\\s\\S])` : `(?:${any})`;
}

/** One character as JavaScript writes it. */
export function literalSource(code: number, flags: PatternFlags): string {
  if (flags.ignoreCase && caseVariants(code, flags.ascii).length > 0) {
    return setSource([[code, code]], false, flags);
  }
  const character = String.fromCodePoint(code);
  return /^[\w/]$/.test(character) ? character : escaped(code);
}

function escaped(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

function rangeSource([low, high]: [number, number]): string {
  return low === high ? escaped(low) : `${escaped(low)}-${escaped(high)}`;
}

/** No letter has two cases behind it. */
const lastCased = 0x1ffff;

/** Ranges up to this size are looked through code by code. */
const smallRange = 128;

function otherCases([low, high]: [number, number], ascii: boolean): string {
  const found = new Set<number>();
  const last = Math.min(high, ascii ? 0x7f : lastCased);
  const add = (code: number) => {
    for (const other of caseVariants(code, ascii)) if (other < low || other > high) found.add(other);
  };
  if (last - low < smallRange) for (let code = low; code <= last; code += 1) add(code);
  else for (const code of casedCodes()) if (code >= low && code <= last) add(code);
  return [...found].map(escaped).join('');
}

let foundCased: number[] | undefined;

/** All code points with another case: an expression may have thousands of large ranges. */
function casedCodes(): readonly number[] {
  if (foundCased === undefined) {
    foundCased = [];
    for (let code = 0; code <= lastCased; code += 1) {
      if (caseVariants(code, false).length > 0) foundCased.push(code);
    }
  }
  return foundCased;
}

/** I, i, and the Turkish ones, which are one letter to the peer. */
const allI = [0x49, 0x69, 0x130, 0x131];

/** The same letter in the other case, or in other forms. */
function caseVariants(code: number, ascii: boolean): number[] {
  if (ascii && code > 0x7f) return [];
  if (!ascii && allI.includes(code)) return allI.filter((other) => other !== code);
  const character = String.fromCodePoint(code);
  const upper = character.toUpperCase();
  const lower = character.toLowerCase();
  const variants = [upper, lower, upper.toLowerCase(), lower.toUpperCase()].map((text) =>
    Array.from(text).length === 1 ? text.codePointAt(0)! : code,
  );
  return [...new Set(variants)].filter((other) => other !== code && (!ascii || other <= 0x7f));
}
