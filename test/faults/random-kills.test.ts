/**
 * Backups that are killed at moments a seed chooses and gone on with by the next run, some of them more than once: what
 * comes out is as if nothing had been. `TUNDRA_KILLS` says how many runs are killed in all, `TUNDRA_SEED` at which moments.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { smallTree, smallTreeSeconds } from '../cli/small-tree.js';
import { type Outcome, type Sealing, sealingOf, type Tool, Workshop } from '../interop/programs.js';
import { needs } from '../peers.js';
import { randomBytes, randomNumbers } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { removeTree, TreeWriter } from '../trees/writer.js';

const sealings = ['plain', 'gzip', 'passphrase', 'public key', 'public key and signature'];
const kinds = ['full', 'incremental'] as const;
const kills = Number(process.env.TUNDRA_KILLS ?? 20);
const seed = process.env.TUNDRA_SEED ?? '1';
/** Of how many killed runs one is duplicity's. */
const peerShare = 10;
/** A file that was changed just now may be changed again without a trace: nothing is continued in its middle. */
const settledMs = 2500;
const tundraProgram = fileURLToPath(new URL('../../../bin/tundra', import.meta.url));
const atSeconds = 1_700_000_000;

/** Files of one block and of many, in an order in which volumes of a MiB end in the middle of some and between others. */
function writeSource(folder: string, step: 0 | 1): void {
  if (step === 0) smallTree(folder);
  const tree = new TreeWriter(folder, smallTreeSeconds + step * 86_400);
  for (const name of ['b large', 'm large', 'y large']) {
    const bytes = randomBytes(name, 1_300_000);
    if (step === 1) randomBytes(`${name} changed`, 700_000).copy(bytes, 200_000);
    tree.file(name, bytes);
  }
  tree.directory('p many');
  for (let n = 0; n < 60; n++) {
    if (step === 1 && n % 10 === 0) tree.remove(`p many/${n}`);
    else if (step === 0 || n % 2 === 0) tree.file(`p many/${n}`, randomBytes(`${n} ${step}`, 30_000));
  }
  if (step === 1) tree.file('new', randomBytes('new', 400_000));
  tree.finish();
}

/** When to kill a run. */
interface Moment {
  /** So many files more are on the storage; 0 is the beginning of the run. */
  files: number;
  ms: number;
}

/** One way to seal and one kind of set: a state before the run, kept beside to begin from again and again. */
class Cell {
  readonly #workshop = new Workshop();
  readonly #sealing: Sealing;
  readonly #kind: (typeof kinds)[number];
  readonly #source = this.#workshop.path('source');
  #expected: TreeDescription | undefined;
  #first: TreeDescription | undefined;
  #targets = 0;

  constructor(sealingName: string, kind: (typeof kinds)[number]) {
    this.#sealing = sealingOf(sealingName, this.#workshop);
    this.#kind = kind;
  }

  async prepare(): Promise<void> {
    mkdirSync(this.#source);
    for (const folder of ['store', 'archive']) mkdirSync(this.#workshop.path(folder));
    writeSource(this.#source, 0);
    if (this.#kind === 'incremental') {
      await this.run('tundra', 0, ['full', this.#source, this.#url]);
      this.#first = describeTree(this.#source);
      writeSource(this.#source, 1);
    }
    this.#expected = describeTree(this.#source);
    for (const folder of ['store', 'archive']) this.#copy(folder, `${folder} before`);
    await sleep(settledMs);
  }

  get #url(): string {
    return `file://${this.#workshop.path('store')}`;
  }

  #copy(from: string, to: string): void {
    rmSync(this.#workshop.path(to), { recursive: true, force: true });
    cpSync(this.#workshop.path(from), this.#workshop.path(to), { recursive: true, preserveTimestamps: true });
  }

  /** Goes back to before the run. */
  reset(): void {
    for (const folder of ['store', 'archive']) this.#copy(`${folder} before`, folder);
  }

  backUp(tool: Tool, step: number): string[] {
    return this.#arguments(tool, step, [this.#kind, this.#source, this.#url]);
  }

  #arguments(tool: Tool, step: number, args: string[]): string[] {
    // Duplicity's own clock is the evidence of when its run began.
    const time = tool === 'duplicity' ? [] : ['--current-time', String(atSeconds + step * 1000)];
    const place = ['--archive-dir', this.#workshop.path('archive'), '--name', 'kills'];
    return [...this.#sealing.options, ...place, '--volsize', '1', ...time, ...args];
  }

  start(tool: Tool, args: string[]) {
    const [program, first] = tool === 'tundra' ? [process.execPath, [tundraProgram]] : ['duplicity', []];
    const child = spawn(program, [...first, ...args], {
      env: { ...this.#workshop.environment, ...this.#sealing.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('latin1').on('data', (text: string) => {
        texts[name] += text;
      });
    }
    const ended = new Promise<Outcome>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve({ status, ...texts }));
    });
    return { child, ended };
  }

  run(tool: Tool, step: number, args: string[]): Promise<Outcome> {
    return this.#workshop.run(
      tool,
      { name: '', options: [], environment: this.#sealing.environment },
      this.#arguments(tool, step, args),
    );
  }

  /** Kills a run so many milliseconds after the store has so many files more; false if it had ended before. */
  async kill(tool: Tool, args: string[], { files, ms }: Moment): Promise<boolean> {
    const { child, ended } = this.start(tool, args);
    const wanted = this.storedFiles() + files;
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    while (!hasEnded() && this.storedFiles() < wanted) await sleep(1);
    await Promise.race([sleep(ms), ended]);
    const isKilled = child.kill('SIGKILL');
    const { status } = await ended;
    return isKilled && status === null;
  }

  storedFiles(): number {
    return readdirSync(this.#workshop.path('store')).filter((name) => name.startsWith('duplicity')).length;
  }

  /** The volumes on the storage, as inode and time by name. */
  volumes(): Map<string, string> {
    const folder = this.#workshop.path('store');
    const names = readdirSync(folder).filter((name) => name.includes('.vol'));
    return new Map(
      names.map((name) => {
        const { ino, mtimeNs } = statSync(join(folder, name), { bigint: true });
        return [name, `${ino} ${mtimeNs}`];
      }),
    );
  }

  /** Finishes what was killed, and compares all that is there with what should be. Returns how many volumes were kept. */
  async finish(step: number): Promise<number> {
    const before = this.volumes();
    const next = this.#arguments('tundra', step, [this.#source, this.#url]);
    const { status, stdout, stderr } = await this.start('tundra', next).ended;
    assert.equal(status, 0, stdout + stderr);
    // Where the file it stopped in is another one now, it goes further back.
    const keeps = [...stdout.matchAll(/goes on after volume (\d+)|nothing of it can be used/g)];
    const kept = Number(keeps.at(-1)?.[1] ?? 0);
    const now = this.volumes();
    for (const [name, state] of before) {
      const number = Number(/vol(\d+)\./.exec(name)?.[1]);
      if (number <= kept) assert.equal(now.get(name), state, `${name} was sent again`);
    }
    const archive = readdirSync(this.#workshop.path('archive/kills'));
    assert.deepEqual(
      archive.filter((name) => /part|tmp|checkpoint/.test(name)),
      [],
    );
    const cleanup = await this.run('tundra', step + 1, ['cleanup', this.#url]);
    assert.match(cleanup.stdout, /^No extraneous files found/m);
    const again = await this.run('tundra', step + 1, ['incremental', '--dry-run', this.#source, this.#url]);
    assert.match(again.stdout, /^DeltaEntries 0$/m);
    await this.checkRestored('tundra', step + 1);
    return kept;
  }

  async checkRestored(tool: Tool, step: number): Promise<void> {
    const states = [this.#expected, this.#first].filter((state) => state !== undefined);
    for (const [index, state] of states.entries()) {
      const target = this.#workshop.path(`target ${this.#targets++}`);
      const time = index === 0 ? [] : ['-t', String(atSeconds + 1)];
      await this.run(tool, step, ['restore', ...time, this.#url, target]);
      assert.deepEqual(compareTrees(state, describeTree(target)), []);
      removeTree(target);
    }
  }

  dispose(): void {
    this.#workshop.dispose();
  }
}

describe('backups that are killed and gone on with', () => {
  const cells = kinds.flatMap((kind) => sealings.map((sealing) => ({ kind, sealing })));
  let continued = 0;
  let killed = 0;
  for (const [index, { kind, sealing }] of cells.entries()) {
    const count = Math.floor(kills / cells.length) + (index < kills % cells.length ? 1 : 0);
    it(`${kind}, ${sealing}: ${count}`, async (t) => {
      if (!needs(t, 'gpg', 'duplicity')) return;
      const next = randomNumbers(`${seed} ${kind} ${sealing}`);
      const cell = new Cell(sealing, kind);
      try {
        await cell.prepare();
        cell.reset();
        const filesBefore = cell.storedFiles();
        await cell.start('tundra', cell.backUp('tundra', 1)).ended;
        const filesOfRun = cell.storedFiles() - filesBefore;
        const moment = (): Moment => ({ files: next() % filesOfRun, ms: next() % 40 });
        for (let number = 0; number < count; number++) {
          const tool: Tool = (index + number) % peerShare === peerShare - 1 ? 'duplicity' : 'tundra';
          for (let isKilled = false; !isKilled; ) {
            cell.reset();
            isKilled = await cell.kill(tool, cell.backUp(tool, 1), moment());
          }
          killed++;
          // A time that the peer's run is not behind.
          let step = tool === 'duplicity' ? 1_000_000 : 2;
          // Some of them are killed once more while they go on.
          for (; next() % 3 === 0; step++) {
            const files = next() % 3;
            if (await cell.kill('tundra', cell.backUp('tundra', step), { files, ms: next() % 40 })) killed++;
          }
          if ((await cell.finish(step)) > 0) continued++;
          if (number === 0) await cell.checkRestored('duplicity', step + 2);
        }
      } finally {
        cell.dispose();
      }
    });
  }

  after(() => {
    console.log(
      `# ${killed} runs killed, ${continued} of ${kills} sets gone on with behind their first volume`,
    );
  });

  it('are really gone on with, for the most part', (t) => {
    if (!needs(t, 'gpg', 'duplicity')) return;
    assert.ok(continued >= kills / 3, `${continued} of ${kills}`);
  });
});
