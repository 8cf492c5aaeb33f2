/** What is told, where and how: by level, with times, as JSON, how far a run is. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describeTree } from '../trees/describe.js';
import { changeSmallTree, smallTree } from './small-tree.js';
import { namesIn, withTrial } from './trial.js';

describe('--log-file and --log-fd', () => {
  it('add to a file, and go where the descriptor does; what cannot be written is an error', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const log = trial.path('log');
      writeFileSync(log, 'before\n');
      await trial.full('--log-file', log, '-v5');
      const first = readFileSync(log, 'utf8');
      assert.match(first, /^before\n/);
      assert.match(first, /^INFO 4 'sub\/b'\n\. A sub\/b\n\n/m);
      await trial.run(['--log-file', log, 'collection-status', trial.url]);
      assert.ok(readFileSync(log, 'utf8').startsWith(first));
      const { stderr } = await trial.run(['--log-fd', '2', 'collection-status', trial.url]);
      assert.match(stderr, /^INFO 3 \nbackend BackendWrapper\n/m);
      for (const bad of [
        ['--log-fd', '0'],
        ['--log-fd', '99'],
        ['--log-file', trial.path('no/log')],
      ]) {
        const { stderr } = await trial.run([...bad, 'collection-status', trial.url], { status: 2 });
        assert.match(stderr, new RegExp(`Command line error: ${bad[0]}`));
      }
    }));

  it('tell of an error with its status, and end a run no sooner when they fail', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const log = trial.path('log');
      await trial.run(['--log-file', log, 'restore', trial.url, trial.newTarget()], { status: 'any' });
      assert.match(readFileSync(log, 'utf8'), /^ERROR \d+.*\n\. /m);
      const { stdout } = await trial.full('-v5', '--log-file', '/dev/full');
      assert.equal(stdout.match(/cannot be written any longer/g)?.length, 1);
      assert.match(stdout, /^A sub\/b$/m);
    }));
});

describe('--verbosity', () => {
  it('tells more with every level, and what is asked for at each', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const lines = async (level: string) => {
        const { stdout } = await trial.full('-v', level, '--dry-run');
        return stdout.split('\n').length;
      };
      const quiet = await lines('0');
      assert.equal(await lines('error'), quiet);
      assert.equal(await lines('warning'), quiet);
      const usual = await lines('notice');
      assert.ok(usual > quiet);
      const all = await lines('info');
      assert.ok(all > usual);
      assert.ok((await lines('9')) > all);
      const { stdout } = await trial.full('-v0', '--dry-run');
      assert.match(stdout, /^-+\[ Backup Statistics \]-+$/m);
    }));
});

describe('--log-timestamp', () => {
  it('puts time and level before each record', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const { stdout } = await trial.full('--log-timestamp', '-v5');
      assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} NOTICE Last full backup date: none$/m);
      assert.match(stdout, /^\d{4}-\S+ \S+ INFO A sub\/b$/m);
      // Only before the first line of several.
      assert.match(stdout, /^\d{4}-\S+ \S+ NOTICE -+\[ Backup Statistics \]-+\nStartTime /m);
      const { stderr } = await trial.run(['--log-timestamp', 'full', trial.path('nowhere'), trial.url], {
        status: 13,
      });
      assert.match(stderr, /^\d{4}-\S+ \S+ ERROR /);
      assert.doesNotMatch((await trial.full('-v5')).stdout, /^\d{4}-/m);
    }));
});

describe('--no-print-statistics', () => {
  it('leaves them out', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      assert.doesNotMatch((await trial.full('--no-print-statistics')).told, /Statistics/);
    }));
});

describe('--progress', () => {
  it('tells how far a backup is, and its end', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const log = trial.path('log');
      const { stdout } = await trial.full('--progress', '--progress-rate', '3600', '--log-file', log);
      assert.match(stdout, /^\S+KB \d\d:\d\d:\d\d \[.*\] \[=+>\] 100% ETA 0sec\n-+\[ Backup/m);
      const sent = Number(/^NOTICE 16 (\d+) \d+ 100 0 \d+ 0$/m.exec(readFileSync(log, 'utf8'))?.[1]);
      assert.equal(sent, Number(/TotalDestinationSizeChange (\d+)/.exec(stdout)?.[1]));
      assert.doesNotMatch((await trial.full()).stdout, /ETA/);
    }));

  it('does so every --progress-rate seconds', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      // Never done: the server does not answer.
      const server = createServer((request, response) => {
        request.resume();
        if (request.method !== 'PUT' || !request.url?.includes('vol1')) response.writeHead(204).end();
      });
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const env = { SWIFT_PREAUTHURL: `http://127.0.0.1:${port}/v1/a`, SWIFT_PREAUTHTOKEN: 'token' };
        const args = ['--progress', '--progress-rate', '1', 'full', trial.source, 'swift://c'];
        const { child, ended } = trial.start(args, { env });
        await new Promise<void>((resolve) => {
          let all = '';
          child.stdout?.on('data', (text: string) => {
            all += text;
            if ((all.match(/ETA/g)?.length ?? 0) >= 2) resolve();
          });
        });
        child.kill('SIGTERM');
        assert.equal((await ended).status, 143);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    }));
});

describe('--json', () => {
  it('reports to standard output, and tells all else on standard error', () =>
    withTrial('plain', async (trial) => {
      smallTree(trial.source);
      const report = async (...args: string[]) => {
        const { stdout, stderr } = await trial.run(['--json', ...args], { status: 'any' });
        return { report: JSON.parse(stdout), stderr };
      };
      const full = await report('-v5', 'full', '--current-time', '1700000000', trial.source, trial.url);
      assert.equal(full.report.sets[0].type, 'full');
      assert.equal(full.report.sets[0].statistics.newFiles, describeTree(trial.source).size);
      assert.match(full.stderr, /^A sub\/b$/m);
      changeSmallTree(trial.source);
      await report('incremental', '--current-time', '1700000100', trial.source, trial.url);

      const status = await report('collection-status', trial.url);
      assert.equal(status.report.lastFullTime, '2023-11-14T22:13:20Z');
      assert.deepEqual(
        status.report.chains[0].sets.map(({ type, volumes, since }: Record<string, unknown>) => [
          type,
          volumes,
          since,
        ]),
        [
          ['full', 1, undefined],
          ['incremental', 1, '2023-11-14T22:13:20Z'],
        ],
      );
      const replicate = ['replicate', trial.url, `file://${trial.path('second')}`];
      const copied = await report(...replicate);
      assert.deepEqual(
        copied.report.sets.map(({ type, time, files }: Record<string, unknown>) => [type, time, files]),
        [
          ['full', '2023-11-14T22:13:20Z', 3],
          ['incremental', '2023-11-14T22:15:00Z', 3],
        ],
      );
      assert.match(copied.stderr, /^Replicated 2 backup sets/m);
      assert.deepEqual((await report(...replicate)).report, { dryRun: false, sets: [], there: 2 });

      const file = await report('collection-status', '--file-changed', 'sub/c', trial.url);
      assert.deepEqual(
        file.report.sets.map(({ change }: Record<string, unknown>) => change),
        ['new', 'changed'],
      );
      const changes = await trial.run([
        '--json',
        'collection-status',
        '--show-changes-in-set',
        '0',
        trial.url,
      ]);
      assert.deepEqual(
        changes.stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
        [
          { path: 'a', change: 'changed' },
          { path: 'empty', change: 'changed' },
          { path: 'sub/b', change: 'deleted' },
          { path: 'sub/c', change: 'changed' },
          { path: 'sub/new', change: 'new' },
        ],
      );

      const { stdout } = await trial.run(['--json', 'list-current-files', trial.url]);
      const listed = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const bytes = listed.map(({ path, pathBase64 }) =>
        Buffer.from(pathBase64 ?? path, pathBase64 === undefined ? 'utf8' : 'base64').toString('latin1'),
      );
      assert.deepEqual(bytes.sort(), [...describeTree(trial.source).keys()].sort());
      const link = listed.find(({ path }) => path === 'link');
      assert.deepEqual([link.type, link.target], ['symlink', 'sub/b']);

      const same = await report('verify', '--compare-data', trial.url, trial.source);
      assert.deepEqual(same.report, { entries: listed.length, differences: 0 });
      writeFileSync(join(trial.source, 'a'), 'again\n');
      const other = await report('verify', '--compare-data', trial.url, trial.source);
      assert.equal(other.report.differences, 1);
      const target = trial.newTarget();
      const restored = await report('restore', trial.url, target);
      assert.deepEqual([restored.report.entries, restored.report.failures], [listed.length, 0]);

      await report('full', '--current-time', '1700000200', trial.source, trial.url);
      const old = await report('remove-all-but-n-full', '1', trial.url);
      assert.deepEqual(old.report, {
        deleted: false,
        files: [],
        chains: [{ startTime: '2023-11-14T22:13:20Z', endTime: '2023-11-14T22:15:00Z', sets: 2 }],
      });
      writeFileSync(join(trial.store, 'duplicity-full.20200101T000000Z.vol1.difftar'), '');
      const left = await report('cleanup', '--force', trial.url);
      assert.deepEqual(left.report, {
        deleted: true,
        files: ['duplicity-full.20200101T000000Z.vol1.difftar'],
        chains: [],
      });
    }));
});

describe('--jsonstat', () => {
  it('keeps the statistics of each set beside it, until the set goes', () =>
    withTrial('passphrase', async (trial) => {
      smallTree(trial.source);
      const prefix = ['--file-prefix-jsonstat', 's_'];
      const stored = () => namesIn(trial.store).filter((name) => name.includes('jsonstat'));
      const { stdout } = await trial.full('--jsonstat', ...prefix, '--current-time', '1700000000');
      assert.deepEqual(stored(), ['s_duplicity-full.20231114T221320Z.jsonstat.gpg']);
      await trial.full('--current-time', '1700000100');
      for (const from of ['archive', 'store']) {
        const status = await trial.run([...prefix, '--jsonstat', '-v0', 'collection-status', trial.url]);
        const { chains } = JSON.parse(status.stdout);
        const [first, second] = chains.map(({ sets }: { sets: unknown[] }) => sets[0]);
        assert.equal(first.statistics.NewFileSize, Number(/NewFileSize (\d+)/.exec(stdout)?.[1]), from);
        assert.equal(second.statistics, null);
        rmSync(join(trial.archive, 'trial'), { recursive: true });
        await trial.run(['collection-status', trial.url]);
      }
      await trial.run(['remove-all-but-n-full', '1', '--force', ...prefix, trial.url]);
      assert.deepEqual(stored(), []);
      const stray = 's_duplicity-full.20200101T000000Z.jsonstat';
      writeFileSync(join(trial.store, stray), '{}');
      const { told } = await trial.run(['cleanup', '--force', ...prefix, trial.url]);
      assert.match(told, new RegExp(stray));
      assert.deepEqual(stored(), []);
    }));
});
