import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TundraError } from '../base/errors.js';
import { isFlag, longNames, type OptionSchema, optionSchemas } from '../config/options.js';
import { readInvocation } from './invocation.js';

const environment = { HOME: '/nowhere' };

describe('readInvocation', () => {
  it('refuses every option for what this build does not have, by name', async () => {
    const absent = (optionSchemas as readonly OptionSchema[]).filter(({ missing }) => missing !== undefined);
    assert.ok(absent.length > 40);
    for (const schema of absent) {
      const { kind, values } = schema;
      const value = values?.[0] ?? (kind === 'count' || kind === 'positive' ? '1' : 'x');
      for (const name of longNames(schema)) {
        await assert.rejects(
          readInvocation(
            ['full', `--${name}`, ...(isFlag(schema) ? [] : [value]), 'a', 'file:///b'],
            environment,
          ),
          (error) =>
            error instanceof TundraError &&
            error.code === 'not-implemented' &&
            error.message === `--${schema.name} is for what this build does not have: ${schema.missing}.`,
          name,
        );
      }
    }
  });

  it('reads no configuration for help, the version and what opens no backup', async () => {
    const broken = ['--config', '/nowhere/at/all'];
    for (const argv of [
      ['--help'],
      ['full', '--help-all'],
      ['--version'],
      ['demo', 'x'],
      ['completion', 'zsh'],
    ]) {
      await readInvocation([...argv, ...broken], environment);
    }
    await assert.rejects(readInvocation(['st', 'file:///b', ...broken], environment), { code: 'user-error' });
  });
});
