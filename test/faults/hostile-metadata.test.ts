/** Manifests and signatures made to harm, or that make no sense: the run ends with a message that says which. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { namesIn, withTrial } from '../cli/trial.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import {
  craftedSeconds,
  entryBytes,
  fileEntry,
  folderEntry,
  tarOf,
  writeCraftedSet,
} from './crafted-backup.js';
import { withScene } from './scene.js';

const root = folderEntry('snapshot/./');
describe('hostile manifests and signatures', () => {
  const good = tarOf([root, fileEntry('snapshot/a', '1'), fileEntry('snapshot/z', '2')]);

  it('a volume that holds other paths than its manifest says is refused, or restored whole', () =>
    withScene(async ({ trial, target }) => {
      writeCraftedSet(trial.store, 0, [
        { bytes: tarOf([root, fileEntry('snapshot/m', '1')]), start: '.', end: 'm' },
        { bytes: tarOf([fileEntry('snapshot/a', '2'), fileEntry('snapshot/b', '3')]), start: 'x', end: 'z' },
      ]);
      const { told } = await trial.run(['restore', trial.url, target], { status: 1 });
      assert.match(told, /path order|manifest says/);
      assert.ok(!existsSync(join(target, 'a')));
    }));

  it('manifests that make no sense end the run', () =>
    withScene(async ({ trial, target }) => {
      const name = 'duplicity-full.20231114T221320Z.manifest';
      writeCraftedSet(trial.store, 0, [{ bytes: good }]);
      const text = readFileSync(join(trial.store, name), 'latin1');
      const cases: [manifest: string, status: number, message: RegExp][] = [
        ['', 6, /cut short/],
        ['rubbish\n', 6, /not a manifest/],
        [text.replace(/Hash SHA1 .*/, `Hash SHA1 ${'0'.repeat(40)}`), 21, /hash mismatch/],
        [text.replace('SHA1', 'SHAKE1024'), 6, /SHAKE1024/],
        [text.replace('Volume 1:', 'Volume 0:'), 6, /Volume NUMBER/],
        [text.replace('Volume 1:', 'Volume 99999999999999999999:'), 6, /Volume NUMBER/],
        [text.replace('Volume 1:', 'Volume 2:'), 6, /cut short: it does not name volume 1/],
        [text.replace(/ +StartingPath.*\n/, ''), 6, /no starting/],
        [text.replace(/StartingPath.*/, 'StartingPath "\\xZZ"'), 6, /quoting/],
        [`${'x'.repeat(2 << 20)}\n`, 6, /too long/],
        [text + text.replaceAll('1:', '2:'), 52, /volume 2/],
      ];
      for (const [index, [manifest, status, message]] of cases.entries()) {
        writeFileSync(join(trial.store, name), manifest, 'latin1');
        trial.archive = trial.path(`archive/${index}`);
        const { told } = await trial.run(['restore', trial.url, target], { status });
        assert.match(told, message, manifest.slice(0, 200));
        assert.ok(!existsSync(join(target, 'a')));
      }
    }));

  it('signatures that make no sense end a listing and an incremental backup', () =>
    withScene(async ({ trial }) => {
      const cases: [signatures: Uint8Array, text: RegExp][] = [
        [entryBytes(fileEntry('signature/../evil')), /refused/],
        [entryBytes(fileEntry('signature//etc/passwd')), /refused/],
        [tarOf([fileEntry('signature/b', ''), fileEntry('signature/a', '')]), /not in path order/],
        [entryBytes({ ...fileEntry('signature/a'), sizeBytes: 2 ** 40 }), /ends in the middle/],
        [entryBytes(fileEntry('etc/passwd')), /none of a signature file's/],
        [Buffer.from('not a tar '.repeat(100)), /not a tar/],
        [Buffer.alloc(100, 'short'), /ends in the middle|not a tar/],
      ];
      for (const [index, [signatures, text]] of cases.entries()) {
        writeCraftedSet(trial.store, 0, [{ bytes: good }], signatures);
        trial.archive = trial.path(`archive/${index}`);
        for (const args of [
          ['list-current-files', trial.url],
          ['incremental', '--current-time', String(craftedSeconds + 9), trial.source, trial.url],
        ]) {
          const { status, told } = await trial.run(args, { status: 'any' });
          assert.notEqual(status, 0, args.join(' '));
          assert.match(told, text, `${index} ${args[0]}`);
        }
      }
      assert.equal(namesIn(trial.store).filter((name) => name.includes('-inc')).length, 0);
    }));

  it('a signature that is none has the file sent whole', () =>
    withTrial('plain', async (trial) => {
      writeCraftedSet(
        trial.store,
        0,
        [{ bytes: good }],
        tarOf([
          folderEntry('snapshot/'),
          fileEntry('signature/a', 'no signature'),
          fileEntry('signature/z', ''),
        ]),
      );
      writeFileSync(join(trial.source, 'a'), 'a of now');
      writeFileSync(join(trial.source, 'z'), 'z of now');
      const { told } = await trial.run([
        'incremental',
        '--allow-source-mismatch',
        '--current-time',
        String(craftedSeconds + 9),
        trial.source,
        trial.url,
      ]);
      assert.match(told, /a: signature is unusable/);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));
});
