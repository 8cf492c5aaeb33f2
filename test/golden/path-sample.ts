import fc from 'fast-check';
import type { PathKey } from '../../src/base/path-key.js';

const component = fc
  .oneof(
    fc.constantFrom(
      'a',
      'b',
      'a b',
      'ab',
      '\xff\xfe',
      'new\nline',
      'q"\'\\',
      '\x01',
      '\xa0',
      '\x85',
      '...',
      '.x',
      '\\x41',
    ),
    fc
      .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 8 })
      .map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('/', '_')),
  )
  .filter((text) => text !== '.' && text !== '..');

/** Paths in a backup, the root among them, with names of any bytes. */
export const pathKey: fc.Arbitrary<PathKey> = fc
  .array(component, { maxLength: 4 })
  .map((parts) => parts.join('\0'));
