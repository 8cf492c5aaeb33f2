import type { Category } from './python-regexp-set.js';

const letter = /^[a-zA-Z]$/;
const digit = /^[0-9]$/;
const octalDigit = /^[0-7]$/;
const categories = new Set('dDsSwW');
const controls: Record<string, number> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 0x5c };
const hexDigits: Record<string, number> = { x: 2, u: 4, U: 8 };
const lastCodePoint = 0x10ffff;

/** Reads the characters of a Python expression from left to right. Throws SyntaxError where they are none. */
export class PatternReader {
  readonly #characters: string[];
  #at = 0;

  constructor(pattern: string) {
    this.#characters = Array.from(pattern);
  }

  /** Takes the next character; undefined at the end. */
  any(): string | undefined {
    return this.#characters[this.#at++];
  }

  /** The characters that follow, at most so many; takes none. */
  ahead(count: number): string {
    return this.#characters.slice(this.#at, this.#at + count).join('');
  }

  /** Where it stands, and back to there. */
  get place(): number {
    return this.#at;
  }

  goBack(place: number): void {
    this.#at = place;
  }

  /** Undefined at the end. */
  get next(): string | undefined {
    return this.#characters[this.#at];
  }

  /** Takes the next character if it is this one. */
  take(character: string): boolean {
    if (this.next !== character) return false;
    this.#at += 1;
    return true;
  }

  /** All up to a character, which is taken too. */
  until(end: string, what: string): string {
    const start = this.#at;
    const found = this.#characters.indexOf(end, start);
    if (found < 0) throw new SyntaxError(`${what} has no "${end}" at its end`);
    this.#at = found + 1;
    return this.#characters.slice(start, found).join('');
  }

  /** All digits that follow. */
  digits(): string {
    const start = this.#at;
    while (isDigit(this.next)) this.#at += 1;
    return this.#characters.slice(start, this.#at).join('');
  }

  /** All letters that follow. */
  letters(): string {
    const start = this.#at;
    while (this.next !== undefined && letter.test(this.next)) this.#at += 1;
    return this.#characters.slice(start, this.#at).join('');
  }

  /** A member of a set. */
  setItem(): number | Category {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw new SyntaxError('a set has no "]" at its end');
    if (character !== '\\') return character.codePointAt(0)!;
    const sign = this.#characters[this.#at++];
    if (isCategory(sign)) return sign;
    if (sign !== undefined && octalDigit.test(sign)) return this.octal(sign);
    return this.escapedCode(sign);
  }

  /** Three digits at most, of which one is taken. */
  octal(first: string): number {
    let digits = first;
    while (digits.length < 3 && this.next !== undefined && octalDigit.test(this.next)) {
      digits += this.next;
      this.#at += 1;
    }
    const code = Number.parseInt(digits, 8);
    if (code > 0xff) throw new SyntaxError(`\\${digits} is no character`);
    return code;
  }

  /** The character that a letter or sign behind a backslash stands for. */
  escapedCode(sign: string | undefined): number {
    if (sign === undefined) throw new SyntaxError('it ends with a backslash');
    const control = controls[sign];
    if (control !== undefined) return control;
    const length = hexDigits[sign];
    if (length !== undefined) {
      const digits = this.#characters.slice(this.#at, this.#at + length).join('');
      const code = Number.parseInt(digits, 16);
      if (digits.length < length || /[^0-9a-fA-F]/.test(digits) || code > lastCodePoint) {
        throw new SyntaxError(`\\${sign} needs ${length} digits of a character`);
      }
      this.#at += length;
      return code;
    }
    if (/^[a-zA-Z0-9]$/.test(sign)) throw new SyntaxError(`it has the unknown \\${sign}`);
    return sign.codePointAt(0)!;
  }
}

/** Whether a character behind a backslash stands for a category. */
export function isCategory(sign: string | undefined): sign is Category {
  return sign !== undefined && categories.has(sign);
}

/** Whether it is a digit. */
export function isDigit(character: string | undefined): character is string {
  return character !== undefined && digit.test(character);
}
