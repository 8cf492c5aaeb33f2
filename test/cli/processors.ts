import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { RunOptions, Trial } from './trial.js';

/** Runs tundra as on a machine with so many processors, and notes which threads it starts. */
export class Processors {
  readonly #trial: Trial;
  readonly #count: number;
  readonly #log: string;

  constructor(trial: Trial, count: number) {
    this.#trial = trial;
    this.#count = count;
    this.#log = trial.path('home/threads');
  }

  /** Options that go to a run of the trial. */
  options(more: RunOptions = {}): RunOptions {
    const preload = this.#trial.path('home/processors.mjs');
    writeFileSync(preload, preloadText);
    rmSync(this.#log, { force: true });
    const env = {
      NODE_OPTIONS: `--import=${pathToFileURL(preload)}`,
      TEST_PROCESSORS: String(this.#count),
      TEST_THREADS: this.#log,
    };
    return { ...more, env: { ...env, ...more.env } };
  }

  /** How many threads of this name the last run has started. */
  threads(name: string): number {
    const started = existsSync(this.#log) ? readFileSync(this.#log, 'utf8').split('\n') : [];
    return started.filter((url) => url.endsWith(`/${name}.js`)).length;
  }
}

const preloadText = `
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import threads from 'node:worker_threads';
os.availableParallelism = () => Number(process.env.TEST_PROCESSORS);
const { Worker } = threads;
threads.Worker = class extends Worker {
  constructor(url, options) {
    super(url, options);
    appendFileSync(process.env.TEST_THREADS, url + '\\n');
  }
};
syncBuiltinESMExports();
`;
