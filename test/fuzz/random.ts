/** Numbers that follow from a seed alone, so that a case can be made again. Good enough to pick mutations with. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
    this.next();
  }

  /** 32 bits (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** From 0 to below `end`; 0 where that is none. */
  below(end: number): number {
    return end <= 1 ? 0 : Math.floor((this.next() / 2 ** 32) * end);
  }

  /** Whether one of `of` times. */
  oneIn(of: number): boolean {
    return this.below(of) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** Small sizes mostly, now and then a large one, up to `most`. */
  size(most: number): number {
    return 1 + this.below(Math.min(most, 2 ** (1 + this.below(1 + Math.ceil(Math.log2(most + 1))))));
  }
}

/** The seed of one case of a run. */
export function seedOf(runSeed: number, caseNumber: number): number {
  return (Math.imul(runSeed, 0x9e3779b1) ^ Math.imul(caseNumber + 1, 0x85ebca6b)) >>> 0;
}
