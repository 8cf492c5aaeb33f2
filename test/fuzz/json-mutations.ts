import { type Mutation, replaced } from './mutate.js';
import type { Random } from './random.js';

const odd: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  8.64e15,
  1e16,
  '',
  'a',
  '\0',
  '\ud800',
  '..',
  '../../x',
  'x'.repeat(3000),
  '__proto__',
  'constructor',
  [],
  [[]],
  [null],
  {},
  { toString: 1, valueOf: 2 },
  { length: 1e9 },
];
const oddKeys = ['__proto__', 'constructor', 'toString', 'length', 'name', 'url', 'x', ''];

/** JSON with another value somewhere, a member more or less; the parts of the input that are JSON, as `find` says. */
export function jsonMutation(find: (bytes: Buffer, random: Random) => [from: number, to: number]): Mutation {
  return (bytes, random) => {
    const [from, to] = find(bytes, random);
    let document: unknown;
    try {
      document = JSON.parse(bytes.toString('utf8', from, to));
    } catch {
      return bytes;
    }
    return replaced(bytes, from, to, Buffer.from(JSON.stringify(changed(document, random)) ?? 'null'));
  };
}

function changed(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.oneIn(6)) return random.pick(odd);
  const entries = Object.entries(value);
  if (random.oneIn(4)) entries.push([random.pick(oddKeys), random.pick(odd)]);
  else if (entries.length > 0) {
    const at = random.below(entries.length);
    const [key, old] = entries[at]!;
    const way = random.below(6);
    if (way === 0) entries.splice(at, 1);
    else if (way === 1) entries.splice(at, 0, [key, old]);
    else entries[at] = [key, changed(old, random)];
  }
  if (Array.isArray(value)) return entries.map(([, item]) => item);
  // Assigning would set the prototype for a key of that name.
  return Object.fromEntries(entries);
}
