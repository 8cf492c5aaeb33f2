import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calledDuplicity, versionLine } from './version.js';

describe('the version', () => {
  it('is told as a duplicity only where the process has that name', () => {
    const named = (argv0: string, script: string) =>
      calledDuplicity({ argv: ['/usr/bin/node', script], argv0 });
    assert.equal(named('node', '/opt/bin/duplicity'), true);
    assert.equal(named('duplicity', '/opt/tundra/bin/tundra'), true);
    assert.equal(named('node', '/opt/tundra/bin/tundra'), false);
    assert.equal(named('node', '/home/duplicity/tundra'), false);
  });

  it('is the last word of a line of two, as all wrappers read it', () => {
    assert.match(versionLine(true), /^duplicity \d+\.\d+\.\d+$/);
    assert.match(versionLine(false), /^tundra \d+\.\d+\.\d+$/);
  });
});
