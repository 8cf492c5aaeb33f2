/**
 * A Swift that fails: between tundra and a real Swift stands a proxy that answers nonsense, breaks connections and alters
 * bytes, as a seed says. A backup that says it is done restores; one that is not done says so, and the next one is.
 *
 * TUNDRA_SEED runs one seed alone; TUNDRA_SEED_BASE has others than those from 1 on.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SessionSettings, withSession } from '../../src/app/session.js';
import { TundraError } from '../../src/base/errors.js';
import { latin1OfNative } from '../../src/base/path-key.js';
import { Secret } from '../../src/base/secret.js';
import { noPrefixes } from '../../src/format/names.js';
import { allKinds } from '../../src/format/tar/records.js';
import { backup } from '../../src/operations/backup.js';
import { restore } from '../../src/operations/restore.js';
import { startSourceSides } from '../../src/operations/source-side.js';
import type { BackendOptions } from '../../src/storage/registry.js';
import { opener } from '../../src/storage/swift/swift-server.fixture.js';
import { namesIn, passphrase, type Seal, type Trial, withTrial } from '../cli/trial.js';
import { contentOf, sourceOf } from '../contract/backend-contract.js';
import { type Fault, FaultyProxy, faultsOfSeed } from '../services/faulty-proxy.js';
import { type OpenStack, openStack } from '../services/openstack.js';
import { mixedBytes, randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';

const runs = 100;
/** Every so many seeds the program itself runs; else its operations do, in this process. */
const programEvery = 10;
/** Of a hundred requests; for every fourth seed more, so that runs fail too. */
const [usualPercent, highPercent] = [20, 55];
/** They mostly wait. */
const seedsAtOnce = 8;
/** How long the storage may be silent before the client gives up, in the runs that meet faults. */
const patienceSeconds = 2;
/** No run takes nearly as long, unless it hangs. */
const boundMs = 60_000;
/** The volumes of runs in this process: far smaller than the command line allows. */
const volumeSizeBytes = 64 * 1024;
const startSeconds = 1_700_000_000;

function timeOf(step: number): number {
  return startSeconds + step * 1000;
}

type Mode = 'full' | 'incremental' | 'auto';

/** How a run ended. */
interface Ending {
  status: number;
  text: string;
}

/** What a run of tundra takes. */
interface Step {
  env: Record<string, string>;
  archive: string;
  /** What the clock says. */
  atSeconds: number;
}

/** Runs tundra: as a program, or its operations in this process. */
interface Runner {
  backup(mode: Mode, step: Step): Promise<Ending>;
  restore(target: string, step: Step): Promise<Ending>;
}

/** Is told what happens, where a seed runs alone. */
type Tell = (text: string) => void;

/** Everything a seed stands for. */
interface Scenario {
  seed: number;
  seal: Seal;
  isProgram: boolean;
  percent: number;
  authVersion: 1 | 3;
  /** From which size on objects are stored in segments. */
  segmentSizeBytes: number | undefined;
}

function scenarioOf(seed: number): Scenario {
  const isProgram = seed % programEvery === 0;
  return {
    seed,
    isProgram,
    seal: (['plain', 'gzip', 'plain', 'gzip', 'passphrase'] as const)[(seed + Math.floor(seed / 10)) % 5]!,
    percent: Math.floor(seed / 2) % 4 === 0 ? highPercent : usualPercent,
    authVersion: isProgram || seed % 6 === 0 ? 3 : 1,
    segmentSizeBytes: seed % 10 === 3 ? 25_000 : undefined,
  };
}

/** What came of the runs, for people. */
class Summary {
  readonly backups = new Map<number, number>();
  readonly restores = new Map<number, number>();
  readonly faults = new Map<Fault['kind'], number>();

  count(which: 'backups' | 'restores', { status }: Ending): void {
    this[which].set(status, (this[which].get(status) ?? 0) + 1);
  }

  add(happened: ReadonlyMap<Fault['kind'], number>): void {
    for (const [kind, count] of happened) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
  }

  lines(): string[] {
    const list = (counts: ReadonlyMap<string | number, number>) =>
      [...counts]
        .sort(([, a], [, b]) => b - a)
        .map(([key, count]) => `${key}: ${count}`)
        .join(', ');
    return [
      `backups among faults, by status: ${list(this.backups)}`,
      `restores among faults, by status: ${list(this.restores)}`,
      `faults: ${list(this.faults)}`,
    ];
  }
}

/** A run that must end, and well or with a clear error. */
async function bounded(what: string, run: Promise<Ending>): Promise<Ending> {
  const bound = new AbortController();
  const hung = sleep(boundMs, undefined, { signal: bound.signal, ref: false }).then(
    () => assert.fail(`${what} hangs`),
    () => assert.fail('not bounded'),
  );
  hung.catch(() => {});
  try {
    return await Promise.race([run, hung]);
  } finally {
    bound.abort();
  }
}

async function endingOf(run: Promise<unknown>): Promise<Ending> {
  try {
    await run;
    return { status: 0, text: '' };
  } catch (error) {
    if (!(error instanceof TundraError)) throw error;
    return { status: error.exitStatus, text: error.message };
  }
}

/** Runs the operations in this process, as the command line would. */
function operationsOf(
  trial: Trial,
  url: string,
  { segmentSizeBytes, tell }: { segmentSizeBytes?: number | undefined; tell: Tell },
): Runner {
  const seals = { plain: 'none', gzip: 'gzip', passphrase: 'passphrase' } as const;
  const settings = ({ env, archive, atSeconds }: Step): SessionSettings => ({
    url,
    archiveDir: trial.archive,
    name: archive,
    tempDir: trial.temp,
    prefixes: noPrefixes,
    seal: {
      kind: seals[trial.seal],
      ...(trial.seal === 'passphrase' && { passphrase: new Secret(passphrase) }),
    },
    canOpen: true,
    syncMode: 'partial',
    backend: { numRetries: 5, retryDelayMs: 0, timeoutMs: patienceSeconds * 1000, segmentSizeBytes },
    environment: { HOME: trial.home, ...env },
    now: () => atSeconds,
    events: (event) => event.kind === 'message' && event.level !== 'debug' && tell(event.text),
    tellFiles: false,
    processors: 2,
  });
  return {
    backup: async (mode, step) => {
      const sources = startSourceSides({
        root: latin1OfNative(trial.source),
        rules: [],
        followLinks: false,
        recordKinds: allKinds,
      });
      const running = withSession(settings(step), (session) =>
        backup(session, {
          mode,
          sources,
          volumeSizeBytes,
          maxBlockSizeBytes: 2048,
          fullIfBefore: undefined,
          allowSourceMismatch: false,
          hostname: 'here',
          listFiles: true,
          uploads: 1,
          dryRun: false,
        }),
      );
      return endingOf(running.finally(() => sources.stop()));
    },
    restore: (target, step) =>
      endingOf(
        withSession(settings(step), (session) =>
          restore(session, {
            target: latin1OfNative(target),
            path: '',
            time: undefined,
            timeText: undefined,
            mayOverwrite: true,
            cold: { spoolBytes: 1 << 30, noWait: false },
            restoreOwnership: true,
            renames: new Map(),
            numericOwner: false,
            recordKinds: allKinds,
            requiredSigner: undefined,
            ignoreErrors: false,
          }),
        ),
      ),
  };
}

/** Runs the program. */
function programOf(trial: Trial, url: string): Runner {
  const run = async (args: string[], { env, archive, atSeconds }: Step): Promise<Ending> => {
    const options = ['--timeout', String(patienceSeconds), '--backend-retry-delay', '0', '--volsize', '1'];
    const time = ['--current-time', String(atSeconds), '--name', archive];
    const { child, ended } = trial.start([...options, ...time, ...args], { env });
    const killer = setTimeout(() => child.kill('SIGKILL'), boundMs);
    const outcome = await ended;
    clearTimeout(killer);
    trial.check(args, outcome, 'any');
    return { status: outcome.status ?? -1, text: outcome.told };
  };
  return {
    backup: (mode, step) => run([...(mode === 'auto' ? [] : [mode]), trial.source, url], step),
    restore: (target, step) => run(['restore', url, target], step),
  };
}

/** A small tree, another one at every step; as a program cuts volumes of a mebibyte it gets more of it. */
function writeSource(trial: Trial, { seed, isProgram }: Scenario, step: number): void {
  const tree = new TreeWriter(trial.source, startSeconds - 1000 + step);
  const text = (name: string) => `${seed} ${name} ${step}`;
  if (step === 0) tree.directory('.');
  tree.directory('sub');
  tree.file('sub/mixed', mixedBytes(`${seed}`, 120_000 + step * 1000));
  tree.file('noise', randomBytes(text('noise'), isProgram ? 1_400_000 : 80_000));
  tree.file(`only at ${step}`, randomBytes(text('only'), 700));
  tree.file('grows', Buffer.alloc(step * 5000, text('grows')));
  if (step > 0) tree.remove(`only at ${step - 1}`);
  tree.finish();
}

/** The classes of errors that a storage in trouble may end a run with. */
const troubleStatuses = new Set([21, 38, 44, 50, 51, 52, 55]);

function requireClear(what: string, { status, text }: Ending): void {
  if (status === 0) return;
  assert.ok(troubleStatuses.has(status), `${what} ended with ${status}: ${text}`);
  assert.match(text, /\w/, `${what} ended with ${status} and no word`);
}

/** The story of a seed: a full backup, a change, another backup, all through faults; then restores, and a repair. */
async function play(scenario: Scenario, services: OpenStack, summary: Summary, tell: Tell): Promise<void> {
  const { seed, seal, percent, authVersion, isProgram, segmentSizeBytes } = scenario;
  const proxy = await FaultyProxy.start(services);
  const url = `swift://${newContainer()}/some/folder`;
  try {
    await withTrial(seal, async (trial) => {
      const runner = isProgram ? programOf(trial, url) : operationsOf(trial, url, { segmentSizeBytes, tell });
      const faulty = proxy.environment(authVersion);
      const whole = services.environment('SWIFT', authVersion);
      proxy.plan = faultsOfSeed(`${seed}`, percent);
      let archives = 0;
      const newArchive = () => `new-${archives++}`;

      const done: { step: number; state: TreeDescription }[] = [];
      let isStored = true;
      const attempt = async (mode: Mode, step: number, env: Record<string, string>): Promise<Ending> => {
        // A set that failed is gone on with: it is of one state only while the source stays as it was.
        if (isStored) writeSource(trial, scenario, step);
        const what = `${mode} backup ${step}`;
        const run = runner.backup(mode, { env, archive: 'trial', atSeconds: timeOf(step) });
        const ending = await bounded(what, run);
        tell(`${what} ended with ${ending.status} ${ending.text}`);
        requireClear(what, ending);
        isStored = ending.status === 0;
        if (isStored) done.push({ step, state: describeTree(trial.source) });
        return ending;
      };
      /** Restores what a backup has stored; the differences, if it says it has. */
      const restored = async (
        backup: (typeof done)[number],
        archive: string,
        env: Record<string, string>,
      ) => {
        const target = trial.newTarget();
        const what = `restore of backup ${backup.step}`;
        const step = { env, archive, atSeconds: timeOf(backup.step) + 1 };
        const ending = await bounded(what, runner.restore(target, step));
        tell(`${what} ended with ${ending.status} ${ending.text}`);
        requireClear(what, ending);
        if (ending.status === 0) {
          const differences = compareTrees(backup.state, describeTree(target));
          assert.deepEqual(differences, [], `${what} is another tree`);
        }
        return ending;
      };
      const requireRestores = async (backup: (typeof done)[number]) => {
        const { status, text } = await restored(backup, newArchive(), whole);
        assert.equal(status, 0, `backup ${backup.step} does not restore: ${text}`);
      };

      const full = await attempt('full', 0, faulty);
      summary.count('backups', full);
      const second = await attempt(full.status === 0 ? 'incremental' : 'auto', 1, faulty);
      summary.count('backups', second);
      for (const backup of done) await requireRestores(backup);
      assert.deepEqual(trial.leftovers(), []);
      const last = done.at(-1);
      // An empty local archive cannot know of what a stale listing does not show.
      if (last !== undefined) summary.count('restores', await restored(last, 'trial', faulty));

      if (done.length === 2) return;
      const repair = await attempt('auto', 2, whole);
      assert.equal(repair.status, 0, `the backup after that fails: ${repair.text}`);
      for (const backup of done) await requireRestores(backup);
    });
    assert.deepEqual(proxy.troubles, []);
  } finally {
    summary.add(proxy.happened);
    proxy.stop();
  }
}

function seedsToRun(): number[] {
  const { TUNDRA_SEED, TUNDRA_SEED_BASE } = process.env;
  if (TUNDRA_SEED) return [Number(TUNDRA_SEED)];
  const base = Number(TUNDRA_SEED_BASE || 1);
  return Array.from({ length: runs }, (_, index) => base + index);
}

async function withServices(t: TestContext, act: (services: OpenStack) => Promise<void>): Promise<void> {
  const services = await openStack(t);
  if (services !== undefined) await act(services);
}

test('a hundred times through faults', (t) =>
  withServices(t, async (services) => {
    const seeds = seedsToRun();
    const summary = new Summary();
    const failures: string[] = [];
    const tell = seeds.length === 1 ? (text: string) => t.diagnostic(text) : () => {};
    // Programs take longest: at the end they would run alone.
    const queue = seeds
      .map(scenarioOf)
      .sort((a, b) => Number(b.isProgram) - Number(a.isProgram))
      .values();
    const work = async () => {
      for (const scenario of queue) {
        await play(scenario, services, summary, tell).catch((error: Error) => {
          const text = error instanceof assert.AssertionError ? error.message : error.stack;
          failures.push(`TUNDRA_SEED=${scenario.seed}: ${text}`);
        });
      }
    };
    await Promise.all(Array.from({ length: seedsAtOnce }, work));
    for (const line of summary.lines()) t.diagnostic(line);
    assert.equal(failures.length, 0, failures.join('\n\n'));
    if (seeds.length === 1) return;
    for (const kind of [0, 38, 50]) assert.ok(summary.backups.has(kind), `no backup ended with ${kind}`);
    assert.equal(summary.faults.size, 11, 'every kind of fault has happened');
  }));

/** A storage behind a proxy, in a container of its own; all is closed after the test. */
async function storeBehind(t: TestContext, services: OpenStack, options: Partial<BackendOptions> = {}) {
  const proxy = await FaultyProxy.start(services);
  t.after(() => proxy.stop());
  const { open, warnings } = opener(t, proxy.environment(1), options);
  const store = await open(`swift://${newContainer()}`);
  await store.put('before', sourceOf('makes the container'));
  return { proxy, store, warnings };
}

let containers = 0;

function newContainer(): string {
  return `faulty-${process.pid}-${Date.now()}-${containers++}`;
}

test('an upload counts whose answer is lost', (t) =>
  withServices(t, async (services) => {
    const bytes = randomBytes('lost', 70_000);
    for (const segmentSizeBytes of [0, 30_000]) {
      const { proxy, store, warnings } = await storeBehind(t, services, { segmentSizeBytes });
      proxy.plan = ({ method, target }) =>
        method === 'PUT' && target === 'object' ? { kind: 'lost answer' } : undefined;
      // The second time the same lies there already.
      for (let time = 1; time <= 2; time++) {
        const from = proxy.passed.length;
        await store.put('vol1', sourceOf(bytes));
        const uploads = proxy.passed.slice(from).filter((line) => line.startsWith('PUT '));
        assert.equal(uploads.length, segmentSizeBytes === 0 ? 1 : 4, uploads.join(' '));
        assert.equal(await contentOf(store, 'vol1'), bytes.toString('latin1'));
      }
      assert.deepEqual(warnings, []);
    }
  }));

test('a large object that could not be replaced by its like keeps its segments', (t) =>
  withServices(t, async (services) => {
    const { proxy, store } = await storeBehind(t, services, { segmentSizeBytes: 30_000, numRetries: 1 });
    const bytes = randomBytes('alike', 70_000);
    await store.put('vol1', sourceOf(bytes));
    proxy.plan = ({ name, method }) => (name === 'vol1' && method === 'PUT' ? { kind: 'cut' } : undefined);
    await assert.rejects(store.put('vol1', sourceOf(bytes)), { code: 'connection' });
    assert.equal(await contentOf(store, 'vol1'), bytes.toString('latin1'));
  }));

test('a long upload that is refused while it is sent is sent again', (t) =>
  withServices(t, async (services) => {
    const { proxy, store } = await storeBehind(t, services);
    const bytes = randomBytes('early', 8_000_000);
    for (const status of [401, 408, 503]) {
      let refusals = 1;
      proxy.plan = ({ name, method }) =>
        name === 'vol1' && method === 'PUT' && refusals-- > 0
          ? { kind: 'status', status, when: 'early' }
          : undefined;
      bytes[0] = status & 0xff;
      await store.put('vol1', sourceOf(bytes));
      assert.ok(refusals < 0, 'it was sent again');
      assert.ok((await contentOf(store, 'vol1')) === bytes.toString('latin1'), `other bytes after ${status}`);
    }
  }));

test('bytes that are altered on every way are stored and read by nobody', (t) =>
  withServices(t, async (services) => {
    const { proxy, store, warnings } = await storeBehind(t, services);
    const bytes = randomBytes('altered', 50_000);
    proxy.plan = ({ method }) => (method === 'PUT' ? { kind: 'altered upload', at: 0.5 } : undefined);
    await assert.rejects(store.put('vol1', sourceOf(bytes)), { code: 'backend', message: /arrived altered/ });
    assert.equal(await store.stat('vol1'), undefined);
    assert.equal(warnings.length, 2);
    proxy.plan = ({ method }) => (method === 'GET' ? { kind: 'altered download', at: 0.5 } : undefined);
    await store.put('vol1', sourceOf(bytes));
    await assert.rejects(contentOf(store, 'vol1'), {
      code: 'backend',
      message: /came altered/,
      retry: 'now',
    });
  }));

/** A trial whose backups go to a real Swift, where the plan of a proxy may do harm. */
async function withPlan(
  services: OpenStack,
  act: (scene: { trial: Trial; runner: Runner; proxy: FaultyProxy; at(step: number): Step }) => Promise<void>,
): Promise<void> {
  const proxy = await FaultyProxy.start(services);
  try {
    await withTrial('gzip', async (trial) => {
      const runner = operationsOf(trial, `swift://${newContainer()}`, { tell: () => {} });
      const env = proxy.environment(1);
      await act({ trial, runner, proxy, at: (step) => ({ env, archive: 'trial', atSeconds: timeOf(step) }) });
    });
  } finally {
    proxy.stop();
  }
}

test('a volume that is said to be stored, and is not, ends the backup', (t) =>
  withServices(t, (services) =>
    withPlan(services, async ({ trial, runner, proxy, at }) => {
      writeSource(trial, scenarioOf(1), 0);
      proxy.plan = ({ name, method }) =>
        method === 'PUT' && name.includes('vol2') ? { kind: 'forgotten upload' } : undefined;
      const { status, text } = await runner.backup('full', at(0));
      assert.equal(status, 44);
      assert.match(text, /vol2\.difftar\.gz was sent with \d+ bytes, but on the storage it is not there$/);
      proxy.plan = () => undefined;
      assert.deepEqual(await runner.backup('auto', at(1)), { status: 0, text: '' });
      const target = trial.newTarget();
      await runner.restore(target, { ...at(1), archive: 'new' });
      assert.deepEqual(compareTrees(describeTree(trial.source), describeTree(target)), []);
    }),
  ));

test('a listing that lags behind makes nobody delete or distrust what is there', (t) =>
  withServices(t, (services) =>
    withPlan(services, async ({ trial, runner, proxy, at }) => {
      const archive = join(trial.archive, 'trial');
      const states: TreeDescription[] = [];
      for (const [step, mode] of [...(['full', 'incremental', 'incremental'] as const)].entries()) {
        writeSource(trial, scenarioOf(1), step);
        const before = namesIn(archive);
        assert.deepEqual(await runner.backup(mode, at(step)), { status: 0, text: '' });
        states.push(describeTree(trial.source));
        const gone = before.filter((name) => !namesIn(archive).includes(name));
        assert.deepEqual(gone, []);
        // From now on nothing of it is listed.
        proxy.plan = ({ target }) =>
          target === 'listing' ? { kind: 'stale listing', writes: Number.POSITIVE_INFINITY } : undefined;
      }
      for (const plan of [proxy.plan, () => undefined]) {
        proxy.plan = plan;
        for (const [step, state] of states.entries()) {
          const target = trial.newTarget();
          const ending = await runner.restore(target, at(step));
          assert.deepEqual(ending, { status: 0, text: '' });
          assert.deepEqual(compareTrees(state, describeTree(target)), []);
        }
      }
      assert.ok((proxy.happened.get('stale listing') ?? 0) >= 5);
    }),
  ));
