/**
 * One step of a glob: a star, or what one character must be.
 *
 * | written | step |
 * |---|---|
 * | `*` | `name-star`: any characters but `/` |
 * | `**` | `path-star`: any characters |
 * | `?` | one character but `/` |
 * | `[ab-d]` | one of these; `[!…]` or `[^…]`: one that is not among these (it may be `/`) |
 * | other | itself |
 *
 * Nothing escapes a special character but brackets: `[*]`. A `[` without its `]` is itself.
 */
export type GlobStep = { index: number } & (
  | { kind: 'name-star' }
  | { kind: 'path-star' }
  | { kind: 'literal'; character: string; matches: CharacterTest }
  | { kind: 'any-of'; matches: CharacterTest }
);

/** Takes a code point. */
export type CharacterTest = (code: number) => boolean;

/** A glob's steps, each with the index in the text at which it is written. Throws RangeError for a backward range. */
export function parseGlob(glob: string, ignoreCase: boolean): GlobStep[] {
  const characters = Array.from(glob);
  const steps: GlobStep[] = [];
  let index = 0;
  for (let at = 0; at < characters.length; ) {
    const character = characters[at]!;
    let taken = 1;
    if (character === '*') {
      if (characters[at + 1] === '*') taken = 2;
      steps.push({ index, kind: taken === 2 ? 'path-star' : 'name-star' });
    } else if (character === '?') {
      steps.push({ index, kind: 'any-of', matches: (code) => code !== slash });
    } else {
      const close = character === '[' ? closingBracket(characters, at + 1) : -1;
      if (close < 0) {
        steps.push({ index, kind: 'literal', character, matches: literalTest(character, ignoreCase) });
      } else {
        taken = close + 1 - at;
        const matches = bracketTest(characters.slice(at + 1, close), ignoreCase);
        steps.push({ index, kind: 'any-of', matches });
      }
    }
    for (const end = at + taken; at < end; at += 1) index += characters[at]!.length;
  }
  return steps;
}

const slash = 0x2f;

/** The index of the `]` that ends a bracket whose content begins at `start`; one that stands first belongs to it. */
function closingBracket(characters: string[], start: number): number {
  const first = characters[start] === '!' || characters[start] === '^' ? start + 1 : start;
  return characters.indexOf(']', characters[first] === ']' ? first + 1 : first);
}

function literalTest(character: string, ignoreCase: boolean): CharacterTest {
  const wanted = character.codePointAt(0)!;
  if (!ignoreCase) return (code) => code === wanted;
  const folded = foldCase(character);
  return (code) => code === wanted || foldCase(String.fromCodePoint(code)) === folded;
}

/** The same string for all characters that are one letter. */
function foldCase(character: string): string {
  // The peer takes the Turkish letters with and without a dot for an i.
  return character === '\u0130' ? 'i' : character.toLowerCase().toUpperCase().toLowerCase();
}

function bracketTest(content: string[], ignoreCase: boolean): CharacterTest {
  const negated = content[0] === '!' || content[0] === '^';
  const codes = content.slice(negated ? 1 : 0).map((character) => character.codePointAt(0)!);
  const ranges: [number, number][] = [];
  for (let at = 0; at < codes.length; at += 1) {
    const low = codes[at]!;
    if (codes[at + 1] === 0x2d && at + 2 < codes.length) at += 2;
    const high = codes[at]!;
    if (high < low) throw new RangeError(`the range ${String.fromCodePoint(low, 0x2d, high)} runs backwards`);
    ranges.push([low, high]);
  }
  const holds = (code: number) => ranges.some(([low, high]) => low <= code && code <= high);
  if (!ignoreCase) return (code) => holds(code) !== negated;
  if (allI.some(holds)) for (const code of allI) ranges.push([code, code]);
  const source = ranges.map(([low, high]) => `\\u{${low.toString(16)}}-\\u{${high.toString(16)}}`).join('');
  const expression = new RegExp(`[${source}]`, 'iu');
  return (code) => expression.test(String.fromCodePoint(code)) !== negated;
}

/** I, i, and the Turkish ones, which the `i` flag of an expression keeps apart (see `foldCase`). */
const allI = [0x49, 0x69, 0x130, 0x131];
