/** The commands around cold storage: what they ask for, how they end, and that nothing else asks or reads. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTime } from '../../src/format/times.js';
import { namesIn } from '../cli/trial.js';
import { mixedBytes, randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { atStep, type ColdTrial, namesOf, secondsOf, withColdTrial } from './cold-trial.js';

const volumeSizeBytes = 100_000;

/** Files of two volumes each, a few small ones, and no change but in some of them. */
function writeSource(trial: ColdTrial, step: number): void {
  const tree = new TreeWriter(trial.source, 1_600_000_000 + 10 * step);
  if (step === 0) {
    tree.directory('sub');
    for (const name of ['a', 'b', 'sub/c', 'sub/d']) tree.file(name, randomBytes(name, 120_000));
    tree.symlink('sub/link', 'c');
  }
  tree.file('b', Buffer.concat([randomBytes('b', 120_000), mixedBytes(`b ${step}`, step * 1000)]));
  tree.file('sub/small', Buffer.from(`step ${step}`));
  tree.finish();
}

async function twoSets(trial: ColdTrial): Promise<void> {
  for (const step of [0, 1]) {
    writeSource(trial, step);
    await trial.backUp(step === 0 ? 'full' : 'incremental', step, volumeSizeBytes);
  }
}

interface PlanJson {
  ready: boolean;
  readyAt: string | null;
  states: Record<string, { volumes: number; bytes: number }>;
  cost: { currency: string; total: number; unpriced: string[] } | null;
  volumes: { name: string; bytes: number; state: string; storageClass: string | null }[];
}

async function planOf(trial: ColdTrial, ...args: string[]): Promise<PlanJson> {
  const { stdout } = await trial.run(['plan', '--json', ...args, trial.url]);
  return JSON.parse(stdout) as PlanJson;
}

describe('cold storage is neither asked nor read', () => {
  it('by what removes, which tells what deleting early costs', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      for (const step of [0, 1]) {
        writeSource(trial, step);
        await trial.backUp('full', step, volumeSizeBytes);
      }
      const [old, kept] = [0, 1].map((step) =>
        trial.coldNames().filter((name) => name.includes(formatTime(secondsOf(step)))),
      ) as [string[], string[]];
      assert.ok(old.length > 1 && kept.length > 1);
      trial.requests();
      const now = ['--current-time', String(secondsOf(1) + 10 * 86_400)];
      const command = [...now, 'remove-all-but-n-full', '1', trial.url];
      const { told } = await trial.run(command);
      assert.match(
        told,
        new RegExp(`^In cold storage: ${old.length} files .* it is not known what deleting costs`, 'm'),
      );
      assert.deepEqual(trial.coldNames(), [...old, ...kept].sort());
      const prices = trial.path('prices.json');
      writeFileSync(
        prices,
        JSON.stringify({
          currency: 'EUR',
          classes: { 'cold+file': { minimumDays: 180, storagePerGbMonth: 1000 } },
        }),
      );
      const priced = await trial.run([...command, '--force', '--prices', prices]);
      const line =
        /^Deleted early: (\d+) files of class cold\+file .* 180 days at least. Still to be paid for: ([\d.]+) EUR$/m;
      const [, files, cost] = line.exec(priced.told) ?? [];
      assert.equal(Number(files), old.length);
      assert.ok(Number(cost) > 1 && Number(cost) < 6, cost);
      assert.deepEqual(trial.coldNames(), kept);
      assert.deepEqual(trial.requests(), []);
      const target = trial.newTarget();
      trial.configure({ thaw: '0' });
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }));

  it('by a backup, also after one that was broken off, nor by what only looks', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      const untouched = (what: string) => assert.deepEqual(trial.requests(), [], what);
      const large = (step: number) => {
        writeSource(trial, step);
        const tree = new TreeWriter(trial.source, 1_600_000_000 + 10 * step);
        for (const name of ['m', 'n', 'o']) tree.file(name, randomBytes(`${name} ${step}`, 1_100_000));
        tree.finish();
      };
      const at = (step: number) => ['--current-time', String(1_700_000_000 + step * 1000), '--volsize', '1'];
      large(0);
      await trial.run([...at(0), 'full', trial.source, trial.url]);
      untouched('full');
      large(1);
      await trial.run([...at(1), 'incremental', trial.source, trial.url]);
      untouched('incremental');

      large(2);
      const before = trial.coldNames().length;
      const running = trial.start([...at(2), 'incremental', trial.source, trial.url]);
      while (trial.coldNames().length === before && running.child.exitCode === null) await sleep(1);
      running.child.kill('SIGKILL');
      assert.equal((await running.ended).signal, 'SIGKILL');
      trial.acceptLeftovers();
      trial.temp = trial.path('home');
      large(3);
      const { stdout } = await trial.run([...at(3), 'incremental', trial.source, trial.url]);
      assert.match(stdout, /was interrupted/);
      untouched('incremental after one that was broken off');

      for (const command of ['collection-status', 'list-current-files', 'plan']) {
        await trial.run([command, trial.url]);
        untouched(command);
      }
      const verify = ['verify', trial.url, trial.source];
      const same = await trial.run(verify);
      assert.match(same.stdout, /are not read/);
      assert.match(same.stdout, /^Verify complete: 11 files compared, 0 differences found\.$/m);
      large(4);
      const other = await trial.run(verify, { status: 1 });
      assert.match(other.stdout, /^Difference found: File m has mtime .*, expected /m);
      assert.match(other.stdout, /^Verify complete: 11 files compared, 7 differences found\.$/m);
      untouched('verify');
      await trial.run([...at(4), 'full', '--dry-run', trial.source, trial.url]);
      await trial.run(['restore', '--dry-run', trial.url, trial.newTarget()]);
      untouched('dry runs');
    }));

  it('by what finds an empty local archive', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      await twoSets(trial);
      for (const [i, command] of [
        ['collection-status', trial.url],
        ['list-current-files', trial.url],
        ['plan', trial.url],
        ['verify', trial.url, trial.source],
        ['restore', '--dry-run', trial.url, trial.newTarget()],
        ['incremental', '--allow-source-mismatch', trial.source, trial.url],
      ].entries()) {
        await trial.run(['--name', `new-${i}`, ...command]);
        assert.deepEqual(trial.requests(), [], command[0]);
      }
    }));
});

describe('plan', () => {
  it('tells what is needed, how it stands and what it costs', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      await twoSets(trial);
      const whole = await planOf(trial);
      assert.deepEqual(
        whole.volumes.map(({ name }) => name).sort(),
        trial.coldNames(),
        'all have something of the newest state',
      );
      assert.deepEqual([whole.ready, whole.readyAt, whole.cost], [false, null, null]);
      const totalBytes = whole.volumes.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.deepEqual(whole.states, { sealed: { volumes: whole.volumes.length, bytes: totalBytes } });

      const prices = trial.path('prices.json');
      const ofClass = { retrievalPerGb: 1000, requestsPer1000: 500 };
      writeFileSync(prices, JSON.stringify({ currency: 'EUR', classes: { 'cold+file': ofClass } }));
      const part = await planOf(trial, '--path-to-restore', 'sub/d', '--prices', prices);
      assert.ok(part.volumes.length > 0 && part.volumes.length < whole.volumes.length / 2);
      const partBytes = part.volumes.reduce((sum, { bytes }) => sum + bytes, 0);
      const total = partBytes / 1e6 + part.volumes.length / 2;
      assert.ok(Math.abs(part.cost!.total - total) < 1e-6, `${part.cost!.total} and not ${total}`);

      await trial.run(['thaw', '--path-to-restore', 'sub/d', trial.url], { status: 75 });
      const asked = namesOf(trial.requests(), 'thaw');
      assert.deepEqual(asked, part.volumes.map(({ name }) => name).sort());
      const after = await planOf(trial, '--path-to-restore', 'sub/d');
      assert.deepEqual(Object.keys(after.states), ['thawing']);
      assert.ok(Date.parse(after.readyAt!) > Date.now());
      assert.deepEqual(trial.requests(), []);
    }));

  it('is what a dry run of a restore tells, as text and as JSON', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      await twoSets(trial);
      const dryRun = ['restore', '--dry-run', ...atStep(0)];
      const text = await trial.run([...dryRun, trial.url, trial.newTarget()]);
      const full = trial.coldNames().filter((name) => name.includes('-full.'));
      const [, list] = /^Required volumes to restore:\n((?:\t.*\n)+)Volumes needed: /m.exec(text.stdout)!;
      assert.deepEqual(list!.match(/\S+/g)!.sort(), full);
      const json = await trial.run(['--json', ...dryRun, trial.url, trial.newTarget()]);
      const { volumes } = JSON.parse(json.stdout) as PlanJson;
      assert.deepEqual(volumes.map(({ name }) => name).sort(), full);
    }));

  it('refuses a price table before anything is asked for', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      await twoSets(trial);
      const prices = trial.path('prices.json');
      writeFileSync(prices, '{}');
      const { told } = await trial.run(['thaw', '--prices', prices, trial.url], { status: 23 });
      assert.match(told, /price table .*prices\.json/);
      assert.deepEqual(trial.requests(), []);
    }));
});

describe('thaw', () => {
  it('asks and ends with 75, asks for nothing twice, and ends with 0 when all is ready', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      await twoSets(trial);
      const startedMs = Date.now();
      const first = await trial.run(['thaw', trial.url], { status: 75 });
      assert.match(first.stdout, /thawing +\d+ +.*: asked for, on its way/);
      assert.ok(Date.now() - startedMs < 50_000, 'it waits');
      const asked = trial.requests();
      assert.deepEqual(namesOf(asked, 'thaw'), trial.coldNames());
      assert.equal(asked.length, trial.coldNames().length);
      const second = await trial.run(['thaw', '--json', trial.url], { status: 75 });
      assert.equal((JSON.parse(second.stdout) as PlanJson).ready, false);

      trial.sealAll();
      trial.configure({ thaw: '0.5' });
      const waited = await trial.run(['thaw', '--wait', trial.url]);
      assert.match(waited.stdout, /Expected wait: none/);
      assert.equal(trial.requests().length, asked.length);
      assert.equal((await planOf(trial)).ready, true);
      const third = await trial.run(['thaw', '--json', trial.url]);
      assert.equal((JSON.parse(third.stdout) as PlanJson).ready, true);
      await trial.run(['restore', '--no-wait', trial.url, trial.newTarget()]);
      const read = trial.requests();
      assert.deepEqual([namesOf(read, 'thaw'), namesOf(read, 'get')], [[], trial.coldNames()]);
    }));

  it('--wait tells that volumes were sealed again while others were waited for', () =>
    withColdTrial({ thaw: '0.1-2.5', keep: '1' }, async (trial) => {
      await twoSets(trial);
      const { stdout } = await trial.run(['thaw', '--wait', '--json', trial.url], { status: 75 });
      const { states } = JSON.parse(stdout) as PlanJson;
      assert.ok(states.sealed!.volumes > 0 && states.ready!.volumes > 0);
    }));

  it('notes how long it took, for the next plan', () =>
    withColdTrial({ thaw: '0.5' }, async (trial) => {
      await twoSets(trial);
      await trial.run(['thaw', '--wait', trial.url]);
      trial.sealAll();
      const { stdout } = await trial.run(['plan', trial.url]);
      assert.match(
        stdout,
        /Expected wait for cold\+file: [01]\.\d\d seconds to [01]\.\d\d seconds, as seen here before/,
      );
    }));
});

describe('verify', () => {
  it('thaws and reads volumes only to compare data', () =>
    withColdTrial({ thaw: '0.5' }, async (trial) => {
      await twoSets(trial);
      const command = ['verify', '--compare-data', trial.url, trial.source];
      await trial.run(['--no-wait', ...command], { status: 75 });
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), trial.coldNames());
      const { stdout } = await trial.run(command);
      assert.match(stdout, /^Verify complete: 8 files compared, 0 differences found\.$/m);
      const requests = trial.requests();
      assert.deepEqual([namesOf(requests, 'thaw'), namesOf(requests, 'get')], [[], trial.coldNames()]);
      assert.ok(!namesIn(join(trial.archive, 'trial')).includes('tundra-spool'));
    }));
});

describe('restore', () => {
  it('--no-wait ends with 75 and works later', () =>
    withColdTrial({ thaw: '1' }, async (trial) => {
      await twoSets(trial);
      const target = trial.newTarget();
      const command = ['restore', '--no-wait', trial.url, target];
      const { told } = await trial.run(command, { status: 75 });
      assert.match(
        told,
        /^\d+ volumes were asked for and are not ready yet; the last one .*Z, as the storage says\.$/m,
      );
      assert.ok(!existsSync(target));
      assert.equal(trial.requests().length, trial.coldNames().length);
      await sleep(1100);
      await trial.run(command);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      const requests = trial.requests();
      assert.deepEqual([namesOf(requests, 'thaw'), namesOf(requests, 'refused')], [[], []]);
    }));

  it('needs what is thawed already, and asks for the rest alone', () =>
    withColdTrial({ thaw: '0.3' }, async (trial) => {
      await twoSets(trial);
      await trial.run(['thaw', '--path-to-restore', 'a', '--wait', trial.url]);
      const asked = namesOf(trial.requests(), 'thaw');
      assert.ok(asked.length > 0);
      const target = trial.newTarget();
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
      const rest = trial.coldNames().filter((name) => !asked.includes(name));
      assert.deepEqual(namesOf(trial.requests(), 'thaw'), rest);
    }));

  for (const [what, options] of [
    ['in a small spool', ['--spool-size', '1']],
    ['in a spool for all', []],
  ] as const) {
    it(`asks again for what was sealed before it could be fetched, ${what}`, () =>
      withColdTrial({ thaw: '0.2-2', keep: '1' }, async (trial) => {
        const tree = new TreeWriter(trial.source, 1_600_000_000);
        for (let i = 0; i < 5; i++) tree.file(`file ${i}`, randomBytes(`${i}`, 700_000));
        tree.finish();
        await trial.backUp('full', 0, 600_000);
        const target = trial.newTarget();
        await trial.run(['restore', ...options, trial.url, target]);
        assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
        const requests = trial.requests();
        assert.deepEqual(namesOf(requests, 'get'), trial.coldNames(), 'each is read once');
        const thaws = namesOf(requests, 'thaw');
        assert.deepEqual([...new Set(thaws)], trial.coldNames());
        if (options.length > 0) assert.ok(thaws.length > trial.coldNames().length, 'none was sealed again');
        assert.ok(!namesIn(join(trial.archive, 'trial')).includes('tundra-spool'));
      }));
  }

  it('that fails ends at once, whatever is still on its way', () =>
    withColdTrial({ thaw: '0' }, async (trial) => {
      await twoSets(trial);
      await trial.run(['thaw', '--path-to-restore', 'a', trial.url]);
      const [damaged] = namesOf(trial.requests(), 'thaw');
      const path = join(trial.cold, damaged!);
      writeFileSync(path, readFileSync(path).fill(0xff, 1000, 1100));
      trial.configure({ thaw: '60' });
      const startedMs = Date.now();
      const { told } = await trial.run(['restore', trial.url, trial.newTarget()], { status: 21 });
      assert.match(told, /hash mismatch/);
      assert.ok(Date.now() - startedMs < 50_000, 'it waits');
    }));

  it('does without damaged signatures here, which are fetched again', () =>
    withColdTrial({ thaw: '0' }, async (trial) => {
      await twoSets(trial);
      const archive = join(trial.archive, 'trial');
      const damaged = namesIn(archive).find((name) => name.includes('new-signatures'))!;
      writeFileSync(join(archive, damaged), 'damaged');
      const target = trial.newTarget();
      const { told } = await trial.run(['restore', '--path-to-restore', 'a', trial.url, target]);
      assert.match(told, /new-signatures.* is damaged\nIt is fetched from the storage again/);
      assert.ok(namesOf(trial.requests(), 'thaw').length < trial.coldNames().length / 2);
    }));

  it('thaws more than it needs where there are no signatures at all, and says so', () =>
    withColdTrial({ thaw: '0' }, async (trial) => {
      await twoSets(trial);
      for (const name of namesIn(trial.hot).filter((name) => name.includes('signatures'))) {
        rmSync(join(trial.hot, name));
      }
      const target = trial.newTarget();
      const { told } = await trial.run([
        '--name',
        'new',
        'restore',
        '--path-to-restore',
        'b',
        trial.url,
        target,
      ]);
      assert.match(
        told,
        /^The signatures of the backup of .* are not here\.\nMore volumes may be asked for/m,
      );
      assert.deepEqual(compareTrees(describeTree(join(trial.source, 'b')), describeTree(target)), []);
    }));
});

describe('drill', () => {
  it('tries as many files as --files says, of what --max-thaw allows, and waits no longer than --max-wait', () =>
    withColdTrial({ thaw: '60' }, async (trial) => {
      writeSource(trial, 0);
      await trial.backUp('full', 0, volumeSizeBytes);
      const none = await trial.run(['drill', '--max-thaw', '0', trial.url], { status: 'any' });
      assert.notEqual(none.status, 0);
      assert.deepEqual(trial.requests(), []);
      const late = await trial.run(['drill', '--max-wait', '1s', trial.url], { status: 'any' });
      assert.notEqual(late.status, 0);
      trial.configure({ thaw: '0' });
      for (const count of [1, 3]) {
        const { stdout } = await trial.run(['drill', '--files', String(count), trial.url]);
        assert.match(stdout, new RegExp(`^Files restored and compared: ${count} `, 'm'));
      }
    }));
});
