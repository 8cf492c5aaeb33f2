/** Restored files take room for what is in them, not for zeros. */
import assert from 'node:assert/strict';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { mixedBytes } from '../trees/contents.js';
import { TreeWriter } from '../trees/writer.js';
import { smallTreeSeconds } from './small-tree.js';
import { withTrial } from './trial.js';

const sizeBytes = 6 << 20;
const island = (name: string) => mixedBytes(name, 100_000);

describe('restore of files with long runs of zeros', () => {
  it('leaves holes, of a full backup and over differences', async (t) => {
    await withTrial('gzip', async (trial) => {
      const tree = new TreeWriter(trial.source, smallTreeSeconds);
      tree.directory('.');
      tree.pieces('written', sizeBytes, [{ offset: 0, bytes: Buffer.alloc(sizeBytes) }]);
      tree.pieces('islands', sizeBytes, [
        { offset: 1 << 20, bytes: island('one') },
        { offset: 3 << 20, bytes: island('two') },
      ]);
      tree.file('dense', mixedBytes('dense', 300_000));
      tree.finish();
      await trial.full('--current-time', '1700000000');
      const later = new TreeWriter(trial.source, smallTreeSeconds + 100);
      later.pieces('islands', sizeBytes + 123_456, [{ offset: 3 << 20, bytes: island('three') }]);
      later.finish();
      await trial.incremental('--current-time', '1700000100');

      for (const time of ['1700000000', '1700000100']) {
        const target = trial.newTarget();
        await trial.run(['restore', '--time', time, trial.url, target]);
        const allocatedBytes = (name: string) => lstatSync(join(target, name)).blocks * 512;
        for (const name of ['written', 'dense', ...(time === '1700000100' ? ['islands'] : [])])
          assert.ok(
            readFileSync(join(target, name)).equals(readFileSync(join(trial.source, name))),
            `${name} ${time}`,
          );
        if (allocatedBytes('written') >= sizeBytes)
          return t.skip('the file system of temporary files has no holes');
        assert.ok(allocatedBytes('written') <= 65_536, `written: ${allocatedBytes('written')}`);
        assert.ok(allocatedBytes('islands') <= 300_000, `islands: ${allocatedBytes('islands')}`);
        assert.ok(allocatedBytes('dense') >= 300_000);
      }
    });
  });
});
