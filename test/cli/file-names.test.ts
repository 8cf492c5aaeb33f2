/** Short and old file names: either program goes on with what the other wrote. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { needs } from '../peers.js';
import { smallTree } from './small-tree.js';
import { namesIn, withTrial } from './trial.js';

const forms: [options: string[], full: RegExp][] = [
  [['--short-filenames'], /^df\.[0-9a-z]+\.1\.dt\.z$/],
  [['--old-filenames'], /^duplicity-full\.\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-04:30\.vol1\.difftar\.gz$/],
  [
    ['--old-filenames', '--time-separator', '_'],
    /^duplicity-full\.\d{4}-\d\d-\d\dT\d\d_\d\d_\d\d-04_30\.vol1/,
  ],
];

describe('names of another form', () => {
  for (const [options, full] of forms) {
    it(`with ${options.join(' ')} are written, read without it, and gone on with by duplicity`, (t) =>
      withTrial('gzip', async (trial) => {
        if (!needs(t, 'duplicity')) return;
        // Three and a half hours west: the zone that old names write in their own way.
        const env = { TZ: 'America/St_Johns' };
        const at = (seconds: number) => ['--current-time', String(1_700_000_000 + seconds)];
        const peer = (...args: string[]) => {
          const own = ['--no-encryption', '--archive-dir', trial.archive, '--name', 'trial'];
          const outcome = spawnSync('duplicity', [...own, ...args], {
            encoding: 'utf8',
            env: { ...process.env, ...env, HOME: trial.home },
          });
          assert.equal(outcome.status, 0, outcome.stdout + outcome.stderr);
          return outcome.stdout;
        };
        // Each in a second of its own, as changes are told apart by the second.
        let seconds = 1_650_000_000;
        const change = (text: string) => {
          writeFileSync(join(trial.source, 'a'), text);
          utimesSync(join(trial.source, 'a'), seconds, seconds++);
        };
        smallTree(trial.source);
        await trial.run(['full', ...options, ...at(0), trial.source, trial.url], { env });
        assert.equal(
          namesIn(trial.store).filter((name) => full.test(name)).length,
          1,
          namesIn(trial.store).join(),
        );
        change('by duplicity');
        peer('incremental', ...options, ...at(10), trial.source, trial.url);
        change('by tundra');
        await trial.run(['incremental', ...options, ...at(20), trial.source, trial.url], { env });
        assert.equal(namesIn(trial.store).length, 9, namesIn(trial.store).join());
        const separator = options.includes('--time-separator') ? options.slice(1) : [];
        assert.match(peer('verify', '--compare-data', ...separator, trial.url, trial.source), / 0 diff/);
        // Read without the option, and with a local archive that is made anew.
        rmSync(join(trial.archive, 'trial'), { recursive: true });
        const told = await trial.run(['verify', '--compare-data', trial.url, trial.source], { env });
        assert.match(told.stdout, / 0 diff/);
      }));
  }

  it('have one character for a separator, and not one that a name or a time has', () =>
    withTrial('gzip', async (trial) => {
      for (const separator of ['-', '/', '5', '', 'ab']) {
        const { stderr } = await trial.run(
          ['full', '--old-filenames', '--time-separator', separator, trial.source, trial.url],
          { status: 2 },
        );
        assert.match(stderr, /--time-separator/);
      }
    }));
});
