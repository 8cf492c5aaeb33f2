import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../../test/peers.js';
import { manPage } from './man-page.js';
import { commandSchemas, longNames, type OptionSchema, optionSchemas } from './options.js';

const file = fileURLToPath(new URL('../../../docs/tundra.1', import.meta.url));

test('docs/tundra.1 is what the tables say ("npm run docs" writes it)', () => {
  assert.equal(readFileSync(file, 'utf8'), manPage());
});

test('the manual page is laid out without a warning, and has every command and option', (t) => {
  if (!needs(t, 'man')) return;
  const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '200', MANPAGER: 'cat', PAGER: 'cat' },
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  // Written bold by striking twice.
  const [struck, colour] = [8, 27].map((code) => String.fromCharCode(code));
  const text = stdout.replace(new RegExp(`.${struck}|${colour}\\[[0-9;]*m`, 'g'), '');
  for (const { name } of commandSchemas) assert.match(text, new RegExp(`^ +${name}( |$)`, 'm'), name);
  for (const schema of optionSchemas as readonly OptionSchema[]) {
    for (const name of longNames(schema)) assert.ok(text.includes(`--${name}`), name);
  }
  for (const section of ['NAME', 'SYNOPSIS', 'EXIT STATUS', 'FILES', 'SEE ALSO']) {
    assert.match(text, new RegExp(`^${section}$`, 'm'));
  }
});
