import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { changeSmallTree, smallTree } from '../cli/small-tree.js';
import { isRoot } from '../cli/trial.js';
import type { Tool } from '../interop/programs.js';
import { needs } from '../peers.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { runDetached, type WrapperScene, withScene, wrapperPassphrase } from './wrapper-scene.js';

const tools: readonly Tool[] = ['tundra', 'duplicity'];

/** An action of backupninja's `dup` handler, and the configuration that has backupninja look for it here. */
function configure(scene: WrapperScene, tool: Tool): void {
  const folder = scene.path(tool, 'backup.d');
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(
    scene.path(tool, 'backupninja.conf'),
    `loglevel = 5
reportemail =
reportsuccess = no
logfile = ${scene.path(tool, 'log')}
configdirectory = ${folder}
scriptdirectory = /usr/share/backupninja
libdirectory = /usr/lib/backupninja
usecolors = no
when = everyday at 01:00
`,
  );
  writeFileSync(
    `${folder}/10-trial.dup`,
    `options = --archive-dir ${scene.path(tool, 'archive')} --volsize 1
testconnect = no
tmpdir = ${scene.path(tool, 'temp')}
[gpg]
password = ${wrapperPassphrase.replace(/['&]/g, '')}
[source]
include = ${scene.source}
exclude = ${scene.source}/sub/deep
[dest]
incremental = yes
increments = 30
keep = 60
keepincroffulls = 1
desturl = file://${scene.path(tool, 'store')}
`,
    { mode: 0o600 },
  );
}

/** What the log of backupninja says, without times and the folder of the tool. */
function logOf(scene: WrapperScene, tool: Tool): string[] {
  const text = readFileSync(scene.path(tool, 'log'), 'utf8').replaceAll(scene.path(tool), 'HOME');
  return text
    .replace(/^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d /gm, '')
    .replace(/^(Info: (?:StartTime|EndTime|ElapsedTime|RawDeltaSize|TotalDestinationSizeChange)) .*$/gm, '$1')
    .replace(/\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}/g, 'TIME')
    .split('\n')
    .filter((line) => /^(?:Info|Warning|Error|Fatal): /.test(line));
}

describe('backupninja with tundra in the place of duplicity', () => {
  it('makes the backups that it makes with duplicity, and logs the same', async (t) => {
    if (!isRoot) return t.skip('backupninja runs for root only');
    if (!needs(t, 'duplicity', 'backupninja', 'gpg')) return;
    await withScene(async (scene) => {
      smallTree(scene.source);
      for (const tool of tools) configure(scene, tool);
      const run = (tool: Tool) =>
        runDetached(
          'backupninja',
          ['--now', '-f', scene.path(tool, 'backupninja.conf')],
          scene.environment(tool),
        );
      for (const change of [undefined, changeSmallTree]) {
        change?.(scene.source);
        for (const tool of tools) {
          const { status, stdout, stderr } = await run(tool);
          assert.deepEqual(
            [status, stdout, stderr],
            [0, '', ''],
            readFileSync(scene.path(tool, 'log'), 'utf8'),
          );
        }
      }
      const log = logOf(scene, 'tundra');
      assert.deepEqual(log, logOf(scene, 'duplicity'));
      assert.equal(
        log.filter((line) => line === 'Info: Duplicity finished successfully.').length,
        2,
        log.join('\n'),
      );
      assert.equal(log.filter((line) => /^(?:Warning|Error|Fatal)|failed/.test(line)).join(''), '');
      const kinds = (tool: Tool) => scene.stored(tool).map((name) => name.replace(/\d{8}T\d{6}Z/g, 'TIME'));
      assert.equal(kinds('tundra').length, 6);
      assert.deepEqual(kinds('tundra'), kinds('duplicity'));

      // What one has made the other restores.
      const target = scene.path('restored');
      const store = `file://${scene.path('tundra', 'store')}`;
      const passphrase = wrapperPassphrase.replace(/['&]/g, '');
      const restored = await runDetached(
        'duplicity',
        ['restore', '--file-to-restore', scene.source.slice(1), store, target],
        { ...scene.environment('duplicity'), PASSPHRASE: passphrase },
      );
      assert.equal(restored.status, 0, restored.stderr);
      const expected = describeTree(scene.source);
      for (const path of [...expected.keys()]) if (path.startsWith('sub/deep')) expected.delete(path);
      assert.deepEqual(compareTrees(expected, describeTree(target)), []);
    });
  });
});
