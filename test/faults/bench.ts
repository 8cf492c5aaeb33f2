import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { namesIn, passphrase, type Seal, Trial, type TrialOutcome } from '../cli/trial.js';
import { runProgram } from '../interop/programs.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';

export const oneMebibyte = ['--volsize', '1'];
export const fileSeconds = 1_600_000_000;
export const largeBytes = 2_900_000;
/** A change of a file shows in its times for sure when the last one was 2 s ago; a set's time may be a second early. */
export const settlingMs = 3200;

/** A trial with a source that had time to settle, and what is checked after each interruption. */
export class Bench extends Trial {
  readonly archiveFolder = join(this.archive, 'trial');

  write(name: string, bytes: Buffer | string, seconds = fileSeconds): void {
    const path = join(this.source, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, bytes);
    utimesSync(path, seconds, seconds);
  }

  at(name: string): string {
    return join(this.source, name);
  }

  back(mode: 'full' | 'incremental' | 'backup', ...options: string[]): Promise<TrialOutcome> {
    return this.run([mode, ...oneMebibyte, ...options, this.source, this.url]);
  }

  /** A run that stops right after a volume was sent. */
  async interrupt(
    mode: 'full' | 'incremental' | 'backup',
    volume: number,
    ...options: string[]
  ): Promise<void> {
    const fail = ['--fail', String(volume), ...options];
    await this.run([mode, ...oneMebibyte, ...fail, this.source, this.url], { status: 30 });
  }

  /** What the last set's volumes on the storage are, by number. */
  volumes(): Map<number, string> {
    const found = namesIn(this.store).flatMap((name) => {
      const [, set, number] = /^duplicity-(.*)\.vol(\d+)\.difftar/.exec(name) ?? [];
      return set === undefined ? [] : [{ name, end: set.slice(-16), number: Number(number) }];
    });
    const last = found
      .map(({ end }) => end)
      .sort()
      .at(-1);
    return new Map(found.filter(({ end }) => end === last).map(({ name, number }) => [number, name]));
  }

  /** What changes when a volume is sent again. */
  stampsOfVolumes(): Map<number, string> {
    const stamps = [...this.volumes()].map(([number, name]): [number, string] => {
      const { ino, mtimeNs } = lstatSync(join(this.store, name), { bigint: true });
      return [number, `${name} ${ino} ${mtimeNs}`];
    });
    return new Map(stamps);
  }

  /** The names of partial files, and of what is kept beside them. */
  partialFiles(): string[] {
    return namesIn(this.archiveFolder).filter(
      (name) => name.endsWith('.part') || name.includes('checkpoint'),
    );
  }

  partialFile(kind: 'manifest' | 'sigtar'): string {
    const name = namesIn(this.archiveFolder).find((name) => name.endsWith(`${kind}.part`));
    assert.ok(name, `no partial ${kind}`);
    return join(this.archiveFolder, name);
  }

  get checkpoint(): string {
    return join(this.archiveFolder, 'tundra-checkpoint.jsonl');
  }

  /** Runs a backup that goes on with an interrupted one, and checks that it stands as if nothing had been. */
  async goOn(kept: number, options: GoOnOptions = {}): Promise<TrialOutcome> {
    const { mode = 'backup', args = [], expected = describeTree(this.source) } = options;
    const before = this.stampsOfVolumes();
    const outcome = await this.back(mode, ...args);
    assert.match(outcome.told, new RegExp(`was interrupted: it goes on after volume ${kept}\\b`));
    const after = this.stampsOfVolumes();
    for (let number = 1; number <= kept; number++) assert.equal(after.get(number), before.get(number));
    for (let number = kept + 1; number <= before.size; number++) {
      assert.notEqual(after.get(number), before.get(number));
    }
    await this.checkWhole(expected);
    return outcome;
  }

  /** The last set restores to a state; nothing is left over of an interruption. */
  async checkWhole(expected: TreeDescription = describeTree(this.source)): Promise<void> {
    assert.deepEqual(this.partialFiles(), []);
    assert.deepEqual(
      [...this.volumes().keys()].sort((a, b) => a - b),
      this.recordedVolumes(),
    );
    assert.deepEqual(await this.restoredDifferences(expected), []);
  }

  /** The text of the newest manifest in the local archive. */
  manifest(): string {
    const name = namesIn(this.archiveFolder)
      .filter((name) => name.endsWith('.manifest'))
      .sort((a, b) => (a.slice(-25) < b.slice(-25) ? -1 : 1))
      .at(-1);
    return readFileSync(join(this.archiveFolder, name as string), 'latin1');
  }

  recordedVolumes(): number[] {
    return [...this.manifest().matchAll(/^Volume (\d+):/gm)].map(([, number]) => Number(number));
  }

  /** The next incremental backup finds so many entries, and then everything is as in the source. */
  async checkNext(deltaEntries: number): Promise<void> {
    const { stdout } = await this.back('incremental');
    assert.equal(counterOf(stdout, 'DeltaEntries'), deltaEntries);
    assert.deepEqual(await this.restoredDifferences(describeTree(this.source)), []);
  }

  /** Runs the peer on the same store, with a local archive of its own unless told to share it. */
  async peer(args: string[], status = 0, archive = this.path('peer')): Promise<string> {
    const seal: Record<Seal, string[]> = {
      plain: ['--no-encryption', '--no-compression'],
      gzip: ['--no-encryption'],
      passphrase: [],
    };
    const options = [...seal[this.seal], '--archive-dir', archive, '--name', 'trial', ...oneMebibyte];
    const { HOME, TMPDIR } = { HOME: this.home, TMPDIR: this.home };
    const environment = { PATH: process.env.PATH, HOME, TMPDIR, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
    const run = await runProgram('duplicity', [...args, ...options], {
      ...environment,
      PASSPHRASE: passphrase,
    });
    assert.equal(run.status, status, `duplicity ${args.join(' ')}\n${run.stdout}${run.stderr}`);
    return run.stdout + run.stderr;
  }

  /** The peer restores the newest state as expected. */
  async checkPeerRestores(expected: TreeDescription = describeTree(this.source)): Promise<void> {
    const target = this.newTarget();
    await this.peer(['restore', this.url, target]);
    assert.deepEqual(compareTrees(expected, describeTree(target)), []);
  }
}

interface GoOnOptions {
  mode?: 'full' | 'incremental' | 'backup';
  args?: string[];
  expected?: TreeDescription;
}

interface BenchOptions {
  seal?: Seal;
  /** Writes the source. */
  fill?: (bench: Bench) => void;
}

type BenchTest = (
  name: string,
  options: BenchOptions,
  act: (bench: Bench, t: TestContext) => Promise<void>,
) => void;

/**
 * To be called in a suite: gives what takes the place of `it` there. Each test has a bench of its own. All sources are
 * written before the first test, so that they settle together.
 */
export function benchTests(): BenchTest {
  const planned: (() => void)[] = [];
  const made: Bench[] = [];
  before(async () => {
    for (const make of planned) make();
    await sleep(settlingMs);
  });
  after(() => {
    for (const bench of made) bench.dispose();
  });
  return (name, { seal = 'plain', fill = largeTree }, act) => {
    let bench: Bench | undefined;
    planned.push(() => {
      bench = new Bench(seal);
      made.push(bench);
      fill(bench);
      settleFolder(bench);
    });
    it(name, (t) => act(bench as Bench, t));
  };
}

export const largeContents = randomBytes('large', largeBytes);

/** Volume 1 ends in the middle of `large`, volume 2 too; behind it are more small files. */
export function largeTree(bench: Bench): void {
  bench.write('a', randomBytes('a', 131_072));
  bench.write('d/b', 'small');
  bench.write('d/c', randomBytes('c', 60_000));
  bench.write('large', largeContents);
  for (const name of ['z1', 'z2', 'z3']) bench.write(name, name);
}

/** Files of a single block: volumes end between them. */
export function smallFiles(bench: Bench): void {
  for (let number = 10; number < 60; number++) {
    bench.write(`file ${number}`, randomBytes(`file ${number}`, 60_000));
  }
}

/** The folder's own time is another one after each change in it: keeps that out of what is counted. */
export function settleFolder(bench: Bench): void {
  utimesSync(bench.source, fileSeconds, fileSeconds);
}

export function counterOf(text: string, name: string): number {
  const value = new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1];
  assert.ok(value !== undefined, `no ${name} in ${text}`);
  return Number(value);
}

/** A state that is `older` up to a path, with it, and `newer` behind it. */
export function mixture(older: TreeDescription, newer: TreeDescription, path: string): TreeDescription {
  const isOld = (name: string) => name === '.' || name.replaceAll('/', '\0') <= path.replaceAll('/', '\0');
  return new Map([
    ...[...older].filter(([name]) => isOld(name)),
    ...[...newer].filter(([name]) => !isOld(name)),
  ]);
}

/** Volume 1 ends behind a small file; volumes 2 and 3 in the middle of `m`. */
export function twoLarge(bench: Bench): void {
  for (let number = 10; number < 28; number++) {
    bench.write(`file ${number}`, randomBytes(`file ${number}`, 60_000));
  }
  bench.write('m', largeContents);
  bench.write('z', 'z');
}
