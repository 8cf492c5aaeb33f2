import { createHash } from 'node:crypto';
import { TundraError } from '../../base/errors.js';
import type { ParsedUrl } from '../url.js';

/** How long thaws take, and what comes of them lasts. */
export interface ThawTimes {
  shortestMs: number;
  longestMs: number;
  /** How long an object can be read once it is ready; then it is sealed again. */
  keepMs: number;
}

const defaultThaw = '60';
const defaultKeep = String(24 * 3600);

/** Whole or fractional seconds, up to some thirty years. */
const seconds = '\\d{1,9}(?:\\.\\d{1,3})?';
const thawPattern = new RegExp(`^(${seconds})(?:-(${seconds}))?$`);
const keepPattern = new RegExp(`^${seconds}$`);

/**
 * Reads `thaw=5`, `thaw=5-60` and `keep=3600` of an address. What is unknown, double or no such number is a `bad-url`
 * error.
 */
export function thawTimes(url: ParsedUrl): ThawTimes {
  const refuse = (reason: string) =>
    new TundraError('bad-url', `bad address ${url.display}: ${reason}`, {
      advice: 'Such an address looks like cold+file:///folder?thaw=5-60&keep=3600, in seconds.',
    });
  const given = new Map<string, string>();
  for (const field of url.query === '' ? [] : url.query.split('&')) {
    const [name, value] = [...new URLSearchParams(field)][0] ?? ['', ''];
    if (name !== 'thaw' && name !== 'keep') {
      throw refuse(`it has the option ${JSON.stringify(name)} where thaw and keep are known`);
    }
    if (given.has(name)) throw refuse(`the option ${name} is there twice`);
    given.set(name, value);
  }
  const [, shortest, longest = shortest] = thawPattern.exec(given.get('thaw') ?? defaultThaw) ?? [];
  if (shortest === undefined) throw refuse('thaw must be seconds, such as 5 or 0.5, or a range such as 5-60');
  const shortestMs = msOf(shortest);
  const longestMs = msOf(longest!);
  if (longestMs < shortestMs) throw refuse('the range of thaw must begin with the smaller number');
  const keep = given.get('keep') ?? defaultKeep;
  const keepMs = keepPattern.test(keep) ? msOf(keep) : 0;
  if (keepMs === 0) throw refuse('keep must be seconds, more than 0, such as 3600');
  return { shortestMs, longestMs, keepMs };
}

function msOf(secondsText: string): number {
  return Math.round(Number(secondsText) * 1000);
}

/** How long the thaw of an object takes: always the same for the same name. */
export function thawDurationMs({ shortestMs, longestMs }: ThawTimes, name: string): number {
  const hash = createHash('sha256').update(name, 'latin1').digest();
  return Math.round(shortestMs + (longestMs - shortestMs) * (hash.readUIntBE(0, 6) / 2 ** 48));
}
