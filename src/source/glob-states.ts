import type { CharacterTest, GlobStep } from './glob-pattern.js';

const slash = 0x2f;
const asciiCodes = 128;

/**
 * A glob being matched, as the set of all numbers n such that its first n characters fit what was read (a star is no
 * character: it lets a number stay in the set). One bit for each number, all moved on at once by each character
 * ("shift-and"), so that no path makes it go back and try again.
 */
export class GlobStates {
  readonly #characters: CharacterTest[] = [];
  /** Words of 32 bits in a set. */
  readonly #words: number;
  readonly #now: Uint32Array;
  /** What stays at any character but `/`, and at any. */
  readonly #nameStars: Uint32Array;
  readonly #pathStars: Uint32Array;
  /** Where a part of the glob ends: what was read may be a directory above a match. */
  readonly #parents: Uint32Array;
  /** For each ASCII character, what it can lead to; made when first needed, since most globs never are. */
  #ascii: Uint32Array | undefined;
  readonly #other: Uint32Array;

  /** Parts that end after the index `lastParent` do not count, nor does anything after a `**`. */
  constructor(steps: readonly GlobStep[], lastParent: number) {
    const nameStars: number[] = [];
    const pathStars: number[] = [];
    const parents: number[] = [];
    for (const step of steps) {
      const bit = this.#characters.length;
      if (step.kind === 'name-star') {
        nameStars.push(bit);
      } else if (step.kind === 'path-star') {
        pathStars.push(bit);
        if (step.index === lastParent) parents.push(bit);
      } else {
        const endsPart = step.kind === 'literal' && step.character === '/';
        if (endsPart && step.index < lastParent) parents.push(bit);
        this.#characters.push(step.matches);
      }
    }
    this.#words = (this.#characters.length >>> 5) + 1;
    this.#now = new Uint32Array(this.#words);
    this.#other = new Uint32Array(this.#words);
    this.#nameStars = this.#set([...nameStars, ...pathStars]);
    this.#pathStars = this.#set(pathStars);
    this.#parents = this.#set(parents);
  }

  #set(bits: number[]): Uint32Array {
    const set = new Uint32Array(this.#words);
    for (const bit of bits) set[bit >>> 5]! |= 1 << (bit & 31);
    return set;
  }

  /** Nothing is read yet. */
  start(): void {
    this.#now.fill(0);
    this.#now[0] = 1;
  }

  /** Reads one code point. False if nothing can fit any more. */
  read(code: number): boolean {
    const now = this.#now;
    const isAscii = code < asciiCodes;
    if (isAscii) this.#ascii ??= this.#asciiTable();
    else this.#fill(this.#other, 0, code);
    const fits = isAscii ? this.#ascii! : this.#other;
    const stars = code === slash ? this.#pathStars : this.#nameStars;
    let at = isAscii ? code * this.#words : 0;
    let carry = 0;
    let any = 0;
    for (let word = 0; word < this.#words; word += 1, at += 1) {
      const was = now[word]!;
      const next = (((was << 1) | carry) & fits[at]!) | (was & stars[word]!);
      carry = was >>> 31;
      now[word] = next;
      any |= next;
    }
    return any !== 0;
  }

  /** Whether all that was read fits the whole glob. */
  get isComplete(): boolean {
    const bit = this.#characters.length;
    return (this.#now[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }

  /** Whether all that was read fits a part of the glob that stands for a directory above a match. */
  get isParent(): boolean {
    return this.#now.some((word, index) => (word & this.#parents[index]!) !== 0);
  }

  #asciiTable(): Uint32Array {
    const table = new Uint32Array(asciiCodes * this.#words);
    for (let code = 0; code < asciiCodes; code += 1) this.#fill(table, code * this.#words, code);
    return table;
  }

  /** Writes the set of numbers that the character can lead to. */
  #fill(table: Uint32Array, at: number, code: number): void {
    table.fill(0, at, at + this.#words);
    for (const [index, matches] of this.#characters.entries()) {
      const bit = index + 1;
      if (matches(code)) table[at + (bit >>> 5)]! |= 1 << (bit & 31);
    }
  }
}
