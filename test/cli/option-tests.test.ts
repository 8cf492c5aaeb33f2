import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type OptionSchema, optionSchemas } from '../../src/config/options.js';
import { optionTests } from './option-tests.js';

const root = new URL('../../../', import.meta.url);
const schemas: readonly OptionSchema[] = optionSchemas;

describe('the list of tests of options', () => {
  it('names one for each option that is neither refused nor without effect', () => {
    const tested = Object.keys(optionTests);
    const expected = schemas
      .filter(({ missing, ignored }) => missing === undefined && ignored === undefined)
      .map(({ name }) => name);
    assert.deepEqual(tested.sort(), expected.sort());
  });

  it('names tests that are there, in files that give the option', () => {
    for (const [name, [file, title]] of Object.entries(optionTests)) {
      const text = readFileSync(new URL(file, root), 'utf8');
      assert.ok(text.includes(title), `${name}: no test "${title}" in ${file}`);
      const short = schemas.find((schema) => schema.name === name)?.short;
      const isGiven = text.includes(`--${name}`) || (short !== undefined && text.includes(`'-${short}`));
      assert.ok(isGiven, `${file} does not give --${name}`);
    }
  });
});
