import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runMark } from '../base/run-mark.js';
import { makeTempFolder, removeDeadTempFolders } from './temp-folder.js';

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-temp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The mark of a run of this host that has ended. */
function deadMark(): string {
  const [host, , start] = runMark().split('.');
  return `${host}.${spawnSync('true').pid}.${start}`;
}

/** A folder as a run makes it, with a file in it. */
function leave(base: string, name: string): string {
  const folder = join(base, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'volume'), 'sealed');
  return folder;
}

test('folders of dead runs go, with what is in them', (t) => {
  const base = newFolder(t);
  leave(base, `tundra-${deadMark()}-AbC123`);
  const own = makeTempFolder(base);
  removeDeadTempFolders(base);
  assert.deepEqual(
    readdirSync(base).map((name) => join(base, name)),
    [own],
  );
});

test('all else stays', (t) => {
  const base = newFolder(t);
  const mark = deadMark();
  const [, pid, start] = mark.split('.');
  const outside = leave(newFolder(t), 'outside');
  leave(base, `tundra-${runMark()}-AbC123`);
  leave(base, `tundra-00000000.${pid}.${start}-AbC123`);
  leave(base, `tundra-${mark}-AbC123.kept`);
  leave(base, 'tundra-AbC123');
  writeFileSync(join(base, `tundra-${mark}-file00`), '');
  symlinkSync(outside, join(base, `tundra-${mark}-link00`));
  const before = readdirSync(base);
  removeDeadTempFolders(base);
  removeDeadTempFolders(join(base, 'not there'));
  assert.deepEqual(readdirSync(base), before);
  assert.deepEqual(readdirSync(outside), ['volume']);
});

test("another user's folder stays", (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root can give folders away');
  const base = newFolder(t);
  const name = `tundra-${deadMark()}-AbC123`;
  chownSync(leave(base, name), 12_345, 12_345);
  removeDeadTempFolders(base);
  assert.deepEqual(readdirSync(base), [name]);
});
