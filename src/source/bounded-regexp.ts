import { createContext, Script } from 'node:vm';
import { TundraError } from '../base/errors.js';

/** What in an expression may make it go back and try again, and so decides how long it may take. */
export interface RegExpCost {
  /** A repetition of something that has repetitions or alternatives in itself: each character may double the time. */
  isNested: boolean;
  /** How many repetitions have no small end. */
  openRepetitions: number;
  /** In how many ways together all others, and alternatives, can be taken. */
  choices: number;
}

/** Tells whether an expression is found in a text. */
export type TextTest = (text: string) => boolean;

/** As many steps take some seconds. */
const manySteps = 1e9;
const longestMs = 10_000;

/**
 * Tests texts with an expression, and gives up where one takes more than ten seconds: names of files may be made to keep
 * an expression busy for ever. What cannot take long is tested directly; watching costs a tenth of a millisecond a text.
 * The test throws `generic`.
 */
export function boundedTest(
  expression: RegExp,
  pattern: string,
  cost: RegExpCost,
  limitMs = longestMs,
): TextTest {
  let watched: TextTest | undefined;
  return (text) => {
    if (mostSteps(cost, text.length) <= manySteps) return expression.test(text);
    watched ??= watchedTest(expression, limitMs);
    try {
      return watched(text);
    } catch (cause) {
      throw new TundraError(
        'generic',
        `The regular expression "${shown(pattern)}" takes too long to be looked for in ${shown(text)}`,
        {
          cause,
          advice: 'Write it without repetitions of repetitions, or exclude that path before by its name.',
        },
      );
    }
  };
}

/** No text of the length takes more steps. */
function mostSteps({ isNested, openRepetitions, choices }: RegExpCost, length: number): number {
  // At each character it may go on in any of the ways there are.
  if (isNested) return (choices + openRepetitions + 1) ** length;
  // It may begin at any character, and each repetition end at any one behind it.
  return choices * length ** (openRepetitions + 1);
}

/** Throws where the time is up. */
function watchedTest(expression: RegExp, limitMs: number): TextTest {
  const context = createContext({ expression, text: '' });
  const script = new Script('expression.test(text)');
  return (text) => {
    context.text = text;
    return script.runInContext(context, { timeout: limitMs }) as boolean;
  };
}

function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
