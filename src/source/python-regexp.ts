import { TundraError } from '../base/errors.js';
import { boundedTest, type RegExpCost, type TextTest } from './bounded-regexp.js';
import { isCategory, isDigit, PatternReader } from './python-regexp-reader.js';
import {
  categorySource,
  literalSource,
  type PatternFlags,
  type SetItem,
  setSource,
} from './python-regexp-set.js';

/** A path has at most 4096 bytes. */
const longestPattern = 32_768;
const deepestNesting = 100;
/** What is compiled takes memory: some hundred bytes for a character, some ten kilobytes for a category of Unicode. */
const longestSource = 512 * 1024;
const mostCategories = 4000;

/**
 * Compiles a regular expression that is written as for Python's `re`, over text (see `pathText`); it is searched for, so
 * that it need not begin where the text does. A text in which that takes too long is an error: see `boundedTest`.
 *
 * Throws `unexpected` (the status that the peer ends with) for what is no expression to Python, or is one that JavaScript
 * has no like of: conditions, characters by name, and a reference in a part that ignores case where others do not; and for
 * one that grows too large in JavaScript.
 */
export function compilePythonRegExp(pattern: string, ignoreCase = false, limitMs?: number): TextTest {
  try {
    if (pattern.length > longestPattern) throw new SyntaxError('it is too long');
    const translation = new Translation(pattern, ignoreCase);
    return boundedTest(translation.compile(), pattern, translation.cost, limitMs);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const shown = pattern.length > 200 ? `${pattern.slice(0, 200)}...` : pattern;
    throw new TundraError(
      'unexpected',
      `The regular expression "${shown}" cannot be used: ${error.message}.`,
    );
  }
}

/** A piece of a sequence. Only an atom and an assertion may be repeated, the latter not as it stands. */
interface Piece {
  source: string;
  kind: 'atom' | 'assertion' | 'position' | 'repeat';
  /** A group with repetitions or alternatives. */
  isVariable?: boolean;
}

/** A repetition that ends no later than this is a small one. */
const smallRepetition = 9;

const blanks = new Set(' \t\n\r\v\f');

/**
 * Reads a Python expression once, from left to right, and writes it as JavaScript does. All that the two read
 * differently is spelled out, and every group gets a name, `g` and its number, so that more groups can be added.
 */
class Translation {
  readonly #reader: PatternReader;
  readonly #flags: PatternFlags;
  readonly #groupOfName = new Map<string, number>();
  readonly #openGroups = new Set<number>();
  #groups = 0;
  #atomicGroups = 0;
  #depth = 0;
  #hasStrictPart = false;
  #hasFoldedReference = false;
  /** Repetitions and alternatives so far. */
  #choices = 0;
  readonly cost: RegExpCost = { isNested: false, openRepetitions: 0, choices: 1 };

  constructor(pattern: string, ignoreCase: boolean) {
    this.#reader = new PatternReader(pattern);
    this.#flags = { ignoreCase, multiline: false, dotAll: false, verbose: false, ascii: false };
  }

  compile(): RegExp {
    const source = this.#alternatives(this.#flags);
    if (this.#reader.next !== undefined) throw new SyntaxError('it has a ")" too many');
    const { ignoreCase, ascii } = this.#flags;
    const isFolded = ignoreCase && !ascii && !this.#hasStrictPart;
    if (this.#hasFoldedReference && !isFolded) {
      throw new SyntaxError('it refers back in a part that ignores case');
    }
    const categories = source.split('\\p{').length - 1;
    if (source.length > longestSource || categories > mostCategories) throw new SyntaxError('it is too long');
    const expression = new RegExp(source, isFolded ? 'iu' : 'u');
    // Only the first use tells whether it is too large; it is compiled once for texts of Latin letters, once for others.
    for (const text of ['', '\u0100']) expression.test(text);
    return expression;
  }

  #alternatives(flags: PatternFlags): string {
    if (++this.#depth > deepestNesting) throw new SyntaxError('its groups are nested too deeply');
    const all: string[] = [];
    do all.push(this.#sequence(flags, this.#depth === 1 && all.length === 0));
    while (this.#reader.take('|'));
    if (all.length > 1) this.#choices += 1;
    this.cost.choices *= all.length;
    this.#depth -= 1;
    return all.join('|');
  }

  #sequence(flags: PatternFlags, isFirst: boolean): string {
    const pieces: Piece[] = [];
    for (;;) {
      const character = this.#reader.next;
      if (character === undefined || character === '|' || character === ')') break;
      this.#reader.any();
      if (flags.verbose && blanks.has(character)) continue;
      if (flags.verbose && character === '#') {
        while (this.#reader.next !== undefined && !this.#reader.take('\n')) this.#reader.any();
        continue;
      }
      const range = this.#repetition(character);
      if (range !== undefined) {
        pieces.push(this.#repeat(pieces.pop(), range));
      } else if (character === '(') {
        const choices = this.#choices;
        const group = this.#group(flags, isFirst && pieces.length === 0);
        if (group !== undefined) pieces.push({ ...group, isVariable: this.#choices > choices });
      } else {
        pieces.push(this.#single(character, flags));
      }
    }
    return pieces.map(({ source }) => source).join('');
  }

  #single(character: string, flags: PatternFlags): Piece {
    switch (character) {
      case '.':
        return atom(flags.dotAll ? '[\\s\\S]' : '[^\\n]');
      case '^':
        return position(flags.multiline ? '(?<![^\\n])' : '^');
      case '$':
        return position(flags.multiline ? '(?![^\\n])' : '(?=\\n?$)');
      case '[':
        return atom(this.#set(flags));
      case '\\':
        return this.#escape(flags);
      default:
        return atom(literalSource(character.codePointAt(0)!, flags));
    }
  }

  /** How often the piece before is to be there, if that is what the character begins; JavaScript writes it the same. */
  #repetition(character: string): string | undefined {
    if (character === '*' || character === '+' || character === '?') return character;
    if (character !== '{' || this.#reader.next === '}') return undefined;
    const start = this.#reader.place;
    const low = this.#reader.digits();
    const hasComma = this.#reader.take(',');
    const high = hasComma ? this.#reader.digits() : low;
    if (!this.#reader.take('}') || (!hasComma && low === '')) {
      this.#reader.goBack(start);
      return undefined;
    }
    if (high !== '' && Number(high) < Number(low))
      throw new SyntaxError('it repeats at most less than at least');
    return `{${low || '0'},${high}}`;
  }

  #repeat(piece: Piece | undefined, range: string): Piece {
    if (piece === undefined || piece.kind === 'position') throw new SyntaxError('it repeats nothing');
    if (piece.kind === 'repeat') throw new SyntaxError('it repeats a repetition');
    this.#countChoice(range, piece.isVariable === true);
    const source = (piece.kind === 'assertion' ? `(?:${piece.source})` : piece.source) + range;
    if (this.#reader.take('?')) return { source: `${source}?`, kind: 'repeat' };
    return { source: this.#reader.take('+') ? this.#atomic(source) : source, kind: 'repeat' };
  }

  #countChoice(range: string, isOfVariable: boolean): void {
    const [low, high] = bounds(range);
    this.#choices += 1;
    if (high > smallRepetition) this.cost.openRepetitions += 1;
    else this.cost.choices *= high - low + 1;
    if (high > 1 && isOfVariable) this.cost.isNested = true;
  }

  /** What has matched once is not tried otherwise: JavaScript knows that of assertions only. */
  #atomic(source: string): string {
    const name = `x${++this.#atomicGroups}`;
    return `(?:(?=(?<${name}>${source}))\\k<${name}>)`;
  }

  /** Behind a `(`; undefined for what is not matched, a comment or flags. */
  #group(flags: PatternFlags, isStart: boolean): Piece | undefined {
    if (!this.#reader.take('?')) return this.#capture(flags);
    const character = this.#reader.any();
    switch (character) {
      case 'P':
        if (this.#reader.take('<'))
          return this.#capture(flags, this.#reader.until('>', 'the name of a group'));
        if (this.#reader.take('=')) return this.#reference(this.#reader.until(')', 'a reference'), flags);
        break;
      case '#':
        this.#reader.until(')', 'a comment');
        return undefined;
      case ':':
        return atom(`(?:${this.#inner(flags)})`);
      case '>':
        return atom(this.#atomic(`(?:${this.#inner(flags)})`));
      case '=':
      case '!':
        return { source: `(?${character}${this.#inner(flags)})`, kind: 'assertion' };
      case '<': {
        const sign = this.#reader.any();
        if (sign !== '=' && sign !== '!') break;
        return { source: `(?<${sign}${this.#inner(flags)})`, kind: 'assertion' };
      }
      case '(':
        throw new SyntaxError('conditions are not supported');
      default:
        if (character !== undefined && /^[-a-zA-Z]$/.test(character)) {
          this.#reader.goBack(this.#reader.place - 1);
          return this.#flagged(flags, isStart);
        }
    }
    throw new SyntaxError(`it has the unknown "(?${character ?? ''}"`);
  }

  #inner(flags: PatternFlags): string {
    const source = this.#alternatives(flags);
    if (!this.#reader.take(')')) throw new SyntaxError('a group has no ")" at its end');
    return source;
  }

  #capture(flags: PatternFlags, name?: string): Piece {
    const number = ++this.#groups;
    if (name !== undefined) {
      if (!/^[\p{L}\p{Nl}_][\p{L}\p{N}\p{M}_]*$/u.test(name)) throw new SyntaxError(`"${name}" is no name`);
      if (this.#groupOfName.has(name)) throw new SyntaxError(`two groups have the name "${name}"`);
      this.#groupOfName.set(name, number);
    }
    this.#openGroups.add(number);
    const source = this.#inner(flags);
    this.#openGroups.delete(number);
    return atom(`(?<g${number}>${source})`);
  }

  #reference(group: string | number, flags: PatternFlags): Piece {
    const number = typeof group === 'number' ? group : this.#groupOfName.get(group);
    if (number === undefined || number > this.#groups)
      throw new SyntaxError(`there is no group "${group}" yet`);
    if (this.#openGroups.has(number)) throw new SyntaxError(`it refers to the group "${group}" within it`);
    if (flags.ignoreCase) this.#hasFoldedReference = true;
    // It is compared as a repetition is.
    this.cost.openRepetitions += 1;
    return atom(`\\k<g${number}>`);
  }

  /** Flags, for all of the expression or for a group. */
  #flagged(flags: PatternFlags, isStart: boolean): Piece | undefined {
    const on = this.#reader.letters();
    const off = this.#reader.take('-') ? this.#reader.letters() : undefined;
    if (off === '' || /[^imsx]/.test(off ?? '') || /[^imsxau]/.test(on)) {
      throw new SyntaxError('it has unknown flags');
    }
    if (this.#reader.take(')')) {
      if (off !== undefined || !isStart) throw new SyntaxError('it has flags that are not at its start');
      setFlags(flags, on, true);
      return undefined;
    }
    if (!this.#reader.take(':')) throw new SyntaxError('flags have no ":" behind them');
    const inner = { ...flags };
    setFlags(inner, on, true);
    if (off !== undefined) setFlags(inner, off, false);
    if (flags.ignoreCase && (!inner.ignoreCase || inner.ascii !== flags.ascii)) this.#hasStrictPart = true;
    return atom(`(?:${this.#inner(inner)})`);
  }

  #set(flags: PatternFlags): string {
    const isNegated = this.#reader.take('^');
    const items: SetItem[] = [];
    for (;;) {
      if (items.length > 0 && this.#reader.take(']')) return setSource(items, isNegated, flags);
      const low = this.#reader.setItem();
      if (this.#reader.next !== '-' || this.#reader.ahead(2) === '-]') {
        items.push(typeof low === 'string' ? low : [low, low]);
        continue;
      }
      this.#reader.any();
      const high = this.#reader.setItem();
      if (typeof low === 'string' || typeof high === 'string' || high < low) {
        throw new SyntaxError('it has a range that is none');
      }
      items.push([low, high]);
    }
  }

  #escape(flags: PatternFlags): Piece {
    const sign = this.#reader.any();
    if (sign === 'A') return position('^');
    if (sign === 'Z') return position('$');
    if (sign === 'b' || sign === 'B') return position(wordEdge(sign === 'b', flags.ascii));
    if (sign === '0') return atom(literalSource(this.#reader.octal(sign), flags));
    if (isCategory(sign)) return atom(categorySource(sign, flags.ascii));
    if (isDigit(sign)) {
      if (/^[0-7]{3}$/.test(sign + this.#reader.ahead(2))) {
        return atom(literalSource(this.#reader.octal(sign), flags));
      }
      const second = isDigit(this.#reader.next) ? this.#reader.any()! : '';
      return this.#reference(Number(sign + second), flags);
    }
    return atom(literalSource(this.#reader.escapedCode(sign), flags));
  }
}

/** How often a repetition, as it is written, can be there at least and at most. */
function bounds(range: string): [low: number, high: number] {
  if (range === '?') return [0, 1];
  const [, low, comma, high] = /^{([0-9]+)(,?)([0-9]*)}$/.exec(range) ?? [];
  if (low === undefined) return [0, Number.POSITIVE_INFINITY];
  if (comma === '') return [Number(low), Number(low)];
  return [Number(low), high === '' ? Number.POSITIVE_INFINITY : Number(high)];
}

function atom(source: string): Piece {
  return { source, kind: 'atom' };
}

function position(source: string): Piece {
  return { source, kind: 'position' };
}

function setFlags(flags: PatternFlags, letters: string, value: boolean): void {
  for (const one of letters) {
    if (one === 'i') flags.ignoreCase = value;
    else if (one === 'm') flags.multiline = value;
    else if (one === 's') flags.dotAll = value;
    else if (one === 'x') flags.verbose = value;
    else flags.ascii = one === 'a';
  }
}

function wordEdge(isEdge: boolean, ascii: boolean): string {
  const word = categorySource('w', ascii);
  const [one, other] = isEdge ? ['!', '='] : ['=', '!'];
  return `(?:(?<=${word})(?${one}${word})|(?<!${word})(?${other}${word}))`;
}
